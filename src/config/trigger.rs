//! `[[trigger]]`: which messages raise an alert.

use super::report::{Fault, closest, fault, quoted};
use super::section::{Section, Text};
use super::source::parse_file;
use super::values::{compile, duration, one_of, unique_name};
use crate::alerting::{
    DEFAULT_TITLE, EventTemplates, Pattern, RoomPattern, RoomPatternError, TeamName, Trigger, TriggerSet,
    UserPattern, is_location,
};

/// The trigger that is used if none is configured.
const DEFAULT: &str = "[trigger]\nname = \"signl4\"\nwords = [\"SIGNL4\"]";

/// Names of an event's parameters that already have a meaning to the bot or to SIGNL4.
const TAKEN_FIELDS: [&str; 6] = ["title", "text", "message", "user", "channel", "link"];

/// Reads all triggers; the default one if there is none.
pub(super) fn read(root: &mut Section<'_>, team_names: &[String]) -> Option<TriggerSet> {
    let location = root.location("trigger");
    let written = root.tables("trigger").filter(|triggers| !triggers.is_empty());
    let report = root.report;
    let default = || Section::root(report, parse_file(DEFAULT).unwrap_or_default()).table("trigger");
    let sections = written.unwrap_or_else(|| vec![default()]);
    let mut names = Vec::new();
    let read = |section| read_trigger(section, &mut names, team_names);
    let triggers: Vec<_> = sections.into_iter().map(read).collect();
    let triggers = triggers.into_iter().collect::<Option<Vec<_>>>()?;
    // Each of them compiles, so only their size can be wrong.
    let set = TriggerSet::new(triggers).map_err(|_| {
        Fault::new("has patterns that together take too much memory once compiled", "simplify them")
    });
    report.accept(&location, set)
}

fn read_trigger(mut section: Section<'_>, names: &mut Vec<String>, team_names: &[String]) -> Option<Trigger> {
    section.require(&["name"], r#""pumps""#);
    let name = section.checked("name", |name| unique_name("trigger", name, names));
    let patterns = patterns(&mut section);
    let unless = section.text("unless").and_then(|text| section.report.accept(&text.location, unless(&text)));
    let event = event(&mut section, patterns.as_deref());
    let cooldown = section.checked_or("cooldown", "0s", duration);
    Some(Trigger {
        unless,
        team: section.checked("team", |name| team(name, team_names)).unwrap_or_default(),
        rooms: rooms(&mut section),
        users: users(&mut section, "users"),
        exclude_users: users(&mut section, "exclude_users"),
        bots: section.flag("bots").unwrap_or(true),
        threads: section.flag("threads").unwrap_or(true),
        run_on_edits: section.flag("run_on_edits").unwrap_or(true),
        page_deleted: section.flag("page_deleted").unwrap_or(false),
        continue_matching: section.flag("continue").unwrap_or(false),
        // Last, after every key was read.
        cooldown: cooldown?,
        name: name?,
        patterns: patterns?,
        event: event?,
    })
}

fn team(name: &str, team_names: &[String]) -> Result<TeamName, Fault> {
    if team_names.iter().any(|known| known == name) {
        return Ok(TeamName::Named(name.to_owned()));
    }
    let fix = match closest(name, team_names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => "add it as [[signl4.team]], or leave the key out for the team of [signl4]".to_owned(),
    };
    fault(format!("names the team {}, which does not exist", quoted(name)), fix)
}

/// `words`, `pattern` and `patterns`; `None` if any of them is invalid.
fn patterns(section: &mut Section<'_>) -> Option<Vec<Pattern>> {
    let before = section.report.count();
    section.require(&["words", "pattern", "patterns"], r#"["SIGNL4"]"#);
    let (report, location) = (section.report, section.location("words"));
    let one = section.text("pattern").and_then(|text| report.accept(&text.location, pattern(&text)));
    let lists = [section.list("patterns", pattern), section.list("words", word)];
    let compiled: Vec<Pattern> = one.into_iter().chain(lists.into_iter().flatten().flatten()).collect();
    if compiled.is_empty() && report.count() == before {
        report.note(&location, Fault::new("is empty", "write at least one trigger word"));
    }
    (report.count() == before).then_some(compiled)
}

/// A trigger word.
fn word(text: &Text) -> Result<Pattern, Fault> {
    let word = text.value.trim();
    if word.is_empty() {
        return fault("is empty", r#"write words such as ["SIGNL4"]"#);
    }
    refuse_quotes(text)?;
    if word.contains(char::is_control) {
        return fault("contains a control character", "write the word as people write it, on one line");
    }
    // No word of a language contains any of these. Matched literally, it would never be found.
    if ["(?", ".*", ".+", r"\b", r"\d", r"\s", r"\w"].iter().any(|sign| word.contains(sign)) {
        return fault(
            format!("looks like a regular expression ({})", quoted(word)),
            "write it as pattern = '…'; words are matched literally",
        );
    }
    Pattern::word(word).map_err(|error| Fault::new(reason(&error), "use a shorter word"))
}

/// A regular expression that fires a trigger.
fn pattern(text: &Text) -> Result<Pattern, Fault> {
    let pattern = expression(text, "would match every message", "write '.*' to match every message")?;
    let taken = pattern.groups().find(|group| EventTemplates::is_taken(group)).map(str::to_owned);
    match taken {
        Some(group) => fault(
            format!("has a group named {}, which already has a meaning in templates", quoted(&group)),
            format!("rename the group, as in (?<my_{group}>…)"),
        ),
        None => Ok(pattern),
    }
}

fn unless(text: &Text) -> Result<Pattern, Fault> {
    expression(text, "would exclude every message", "leave the key out to exclude no message")
}

/// A plausible regular expression. Rejects expressions that compile but would never match what their author expects.
fn expression(text: &Text, if_empty: &str, empty_fix: &str) -> Result<Pattern, Fault> {
    const FIX: &str = r"correct it, or test it at https://regex101.com (flavour Rust); write it in single quotes, as '\bpump\b'";
    const UNLESS: &str = r"describe in the key unless what must not match, as in unless = '\bRESOLVED\b'";
    let source = text.value.as_str();
    if source.is_empty() {
        return fault(format!("is empty and {if_empty}"), empty_fix);
    }
    refuse_quotes(text)?;
    if let Some(control) = source.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        let what = if control == '\u{8}' { "a backspace" } else { "a control character" };
        return fault(
            format!(r#"contains {what}, as "\b" and the like make in double quotes"#),
            r"write it in single quotes, as '\bpump\b'",
        );
    }
    if let Some((inner, flags)) = between_slashes(source) {
        let flags: String = "ims".chars().filter(|flag| flags.contains(*flag)).collect();
        let flags = if flags.is_empty() { flags } else { format!("(?{flags})") };
        return fault(
            "is between slashes, which would have to be in the message",
            format!("write '{flags}{inner}', or [/] for a literal slash"),
        );
    }
    Pattern::expression(source).map_err(|error| {
        let reason = reason(&error);
        let fix = if reason.starts_with("look-around") { UNLESS } else { FIX };
        Fault::new(format!("is not a regular expression: {reason}"), fix)
    })
}

/// The inside and the flags of a regular expression as JavaScript and Perl write it: `/pump \d+/i`. A path has further slashes.
fn between_slashes(text: &str) -> Option<(&str, &str)> {
    let (inner, flags) = text.strip_prefix('/')?.rsplit_once('/')?;
    let is_one = !inner.is_empty() && !inner.replace(r"\/", "").contains('/');
    (is_one && flags.chars().all(|flag| "gimsuy".contains(flag))).then_some((inner, flags))
}

/// Docker's environment files keep quotes, so the message would have to contain them too.
fn refuse_quotes(text: &Text) -> Result<(), Fault> {
    let value = text.value.trim();
    let is_in = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if text.location.is_env() && (is_in('"') || is_in('\'')) {
        return fault(
            "is in quotes, which would have to be in the message",
            "leave them out: an environment file keeps them",
        );
    }
    Ok(())
}

/// The error of a regular expression in one line; `regex` writes several.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::Syntax(text) => {
            let last = text.lines().last().unwrap_or_default().trim();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
        regex::Error::CompiledTooBig(_) => "it takes too much memory once compiled".to_owned(),
        other => other.to_string(),
    }
}

fn rooms(section: &mut Section<'_>) -> Vec<RoomPattern> {
    let location = section.location("rooms");
    let rooms = section.list("rooms", |room| room_pattern(&room.value));
    if rooms.as_ref().is_some_and(Vec::is_empty) {
        let fix = r##"write rooms = ["*"] or ["#ops"]"##;
        section.report.note(&location, Fault::new("is empty, so it watches nothing", fix));
    }
    rooms.unwrap_or_else(|| vec![RoomPattern::Any])
}

pub(crate) fn room_pattern(text: &str) -> Result<RoomPattern, Fault> {
    RoomPattern::parse(text).map_err(|error| {
        let fix = match error {
            RoomPatternError::User => r#"write "id:" and the ID of the direct message, or "*" for all rooms"#,
            _ => r##"write, for example, "#general", "ops-*", "id:GENERAL" or "*""##,
        };
        Fault::new(format!("{error} ({})", quoted(text)), fix)
    })
}

fn users(section: &mut Section<'_>, key: &'static str) -> Vec<UserPattern> {
    const FIX: &str = r#"write usernames, as in ["anna", "id:rocketcat", "name:Anna Berg"]"#;
    let user = |user: &Text| UserPattern::parse(&user.value).ok_or_else(|| Fault::new("names nobody", FIX));
    section.list(key, user).unwrap_or_default()
}

/// The event's templates. Without valid patterns the names of their groups are unknown, and no template is validated.
fn event(section: &mut Section<'_>, patterns: Option<&[Pattern]>) -> Option<EventTemplates> {
    let groups = patterns.map(|patterns| patterns.iter().flat_map(Pattern::groups));
    let vocabulary = groups.map(EventTemplates::vocabulary);
    let template = |text: &str| vocabulary.as_ref().map(|known| compile(text, known)).transpose();
    let title = section.checked_or("title", DEFAULT_TITLE, template).flatten();
    let message = section.checked_or("message", "{{ text }}", template).flatten();
    let external_id = section.checked_or("external_id", "{{ room.id }}", template).flatten();
    let fields = section.free_table("fields", |name, text| field_name(name).and_then(|()| template(text)));
    Some(EventTemplates {
        service: section.checked("service", template).flatten(),
        location: section.checked("location", |text| template(location(text)?)).flatten(),
        alerting_scenario: section.checked("alerting_scenario", one_of),
        filtering: section.flag("filtering"),
        fields: fields.into_iter().filter_map(|(name, template)| Some((name, template?))).collect(),
        // Last, after every key was read.
        title: title?,
        message: message?,
        external_id: external_id?,
    })
}

fn location(text: &str) -> Result<&str, Fault> {
    if text.contains("{{") || text.contains("{%") || is_location(text) {
        return Ok(text);
    }
    fault(
        format!("is not a location ({})", quoted(text)),
        r#"write latitude and longitude, as in location = "52.39,13.06", or a template"#,
    )
}

fn field_name(name: &str) -> Result<(), Fault> {
    let lower = name.to_lowercase();
    if name.trim().is_empty() {
        return fault("has no name", r#"write fields = { Severity = "high" }"#);
    }
    if lower.starts_with("x-s4-") {
        return fault(
            "would set one of SIGNL4's control parameters",
            "use the keys service, location, alerting_scenario, external_id and filtering",
        );
    }
    if TAKEN_FIELDS.contains(&lower.as_str()) {
        return fault(
            "has a name that the alert already uses",
            "rename it, or use the keys title and message",
        );
    }
    Ok(())
}
