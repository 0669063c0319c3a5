//! Compares `bot.toml.example` with the code: every key, every default.

use std::collections::BTreeSet;
use std::path::Path;

use super::report::{Report, join};
use super::section::Section;
use super::source::parse_file;
use rocketchat::Credentials;
use strum::VariantArray;

use super::{Config, ConfigErrors, Sources, read};
use crate::alerting::{ReplyKind, ReplyWords, Template, Trigger};

pub(super) const EXAMPLE: &str = include_str!("../../bot.toml.example");

const WEBHOOK: &str = "https://connect.signl4.com/webhook/team-secret";
const SECRET: &str = "a-secret-of-the-test";

/// The required keys.
const MINIMAL: &str = r#"
    rocketchat = { url = "https://chat.example.com", user_id = "bot-id", auth_token = "a-secret-of-the-test" }
    signl4 = { webhook_url = "https://connect.signl4.com/webhook/team-secret" }
    listener = { secret = "a-secret-of-the-test" }
"#;

/// One line of the example.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Prose,
    /// `[table]` or `key = value`, and whether it is a comment.
    Setting {
        text: String,
        key: String,
        table: String,
        shown_as: ShownAs,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ShownAs {
    Given,
    Default,
    Example,
    InsteadOf(String),
}

pub(super) fn lines() -> Vec<Line> {
    let mut table = String::new();
    EXAMPLE.lines().map(|line| parse(line, &mut table)).collect()
}

/// `table` is the table of the line, and is replaced by a table that the line opens.
fn parse(line: &str, table: &mut String) -> Line {
    let (text, given) = line.strip_prefix("# ").map_or((line, true), |text| (text, false));
    let (text, note) = match text.rsplit_once("  # ") {
        Some((text, note)) => (text.trim_end(), note),
        None => (text, ""),
    };
    let key = text.split_once(" = ").map(|(key, _)| key);
    let is_key = |key: &str| key.bytes().all(|byte| byte.is_ascii_lowercase() || b"_4".contains(&byte));
    let key = match key {
        Some(key) if is_key(key) => key.to_owned(),
        _ if text.starts_with('[') => {
            *table = text.trim_matches(['[', ']']).to_owned();
            String::new()
        }
        _ => {
            assert!(!given || line.is_empty() || line.starts_with('#'), "a line nobody can read: {line}");
            return Line::Prose;
        }
    };
    let shown_as = match note.trim_matches(['(', ')']) {
        _ if given => ShownAs::Given,
        "example" => ShownAs::Example,
        "" => ShownAs::Default,
        other => {
            let instead_of = other.strip_prefix("instead of ");
            ShownAs::InsteadOf(instead_of.unwrap_or_else(|| panic!("a note nobody knows: {line}")).to_owned())
        }
    };
    Line::Setting { text: text.to_owned(), key, table: table.clone(), shown_as }
}

/// The example with the settings that `wanted` asks for, and its placeholders filled in.
fn example(mut wanted: impl FnMut(&str, &ShownAs) -> bool) -> String {
    let text = lines().into_iter().map(|line| match line {
        Line::Setting { text, key, table, shown_as } if wanted(&join(&table, &key), &shown_as) => text,
        _ => String::new(),
    });
    text.map(|line| filled_in(&line) + "\n").collect()
}

fn filled_in(line: &str) -> String {
    line.replace("user_id = \"…\"", "user_id = \"bot-id\"")
        .replace("{team-secret}", "team-secret")
        .replace("/webhook/…", "/webhook/other-secret")
        .replace('…', SECRET)
}

fn load(text: &str) -> Result<Config, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bot.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&Sources { path: Some(path), env: Vec::new() })
}

fn loaded(text: &str) -> Config {
    load(text).unwrap_or_else(|errors| panic!("{errors}\nin\n{text}"))
}

/// Every value that has a default, as lines that can be compared.
fn settings(config: &Config) -> Vec<String> {
    let Config { rocketchat, signl4, listener, admin, store, replies, triggers, exposed_files: _ } = config;
    let mut lines = vec![
        format!("{} {:?} {:?}", rocketchat.url, rocketchat.alias, rocketchat.avatar),
        format!("{} {:?}", rocketchat.auto_join, rocketchat.catch_up),
        format!("{:?} {} {:?}", signl4.teams, signl4.api_url, signl4.retry_for),
        format!("{:?} {}", signl4.api_key, signl4.webhook_url.host()),
        format!("{} {:?}", listener.bind, listener.tls),
        format!("{} {:?}", admin.bind, admin.token),
        format!("{} {:?}", store.url, store.keep),
        format!("{:?} {} {:?}", replies.on_sent, replies.reaction, replies.other_alerts_to),
    ];
    lines.extend(
        ReplyKind::VARIANTS.iter().map(|kind| format!("{} {}", kind.key(), replies.texts[kind].source())),
    );
    lines.extend(triggers.iter().flat_map(trigger_settings));
    lines
}

fn trigger_settings(trigger: &Trigger) -> Vec<String> {
    let event = &trigger.event;
    let source = |template: &Option<Template>| template.as_ref().map(|it| it.source().to_owned());
    let fields: Vec<_> =
        event.fields.iter().map(|(name, field)| format!("{name}={}", field.source())).collect();
    let patterns: Vec<_> = trigger.patterns.iter().chain(&trigger.unless).map(ToString::to_string).collect();
    vec![
        format!("{} {patterns:?} {:?}", trigger.name, trigger.team),
        format!("{:?}", trigger.rooms.iter().map(ToString::to_string).collect::<Vec<_>>()),
        format!("{:?} {:?}", trigger.users, trigger.exclude_users),
        format!("{} {} {} {}", trigger.bots, trigger.threads, trigger.run_on_edits, trigger.page_deleted),
        format!("{:?} {}", trigger.cooldown, trigger.continue_matching),
        format!("{} {} {}", event.title.source(), event.message.source(), event.external_id.source()),
        format!("{:?} {:?}", source(&event.service), source(&event.location)),
        format!("{:?} {:?} {fields:?}", event.alerting_scenario, event.filtering),
    ]
}

fn with_defaults(_: &str, shown_as: &ShownAs) -> bool {
    matches!(shown_as, ShownAs::Given | ShownAs::Default)
}

fn with_examples(_: &str, shown_as: &ShownAs) -> bool {
    !matches!(shown_as, ShownAs::InsteadOf(_))
}

#[test]
fn the_example_has_exactly_the_keys_of_the_code() {
    let report = Report::new("bot.toml");
    let tree = parse_file(&example(with_examples)).map_err(|(_, fault)| fault).unwrap();
    read(Section::root(&report, tree));
    let written: BTreeSet<String> = lines()
        .into_iter()
        .filter_map(|line| match line {
            Line::Setting { key, table, .. } if key.is_empty() => Some(table),
            Line::Setting { key, table, .. } => Some(join(&table, &key)),
            Line::Prose => None,
        })
        .collect();
    let mut known: BTreeSet<String> = report.known.take().into_iter().collect();
    // A team's webhook is explained once, for [signl4] itself.
    assert!(known.remove("signl4.team.webhook_url_file"));
    assert_eq!(written, known);
}

#[test]
fn unchanged_it_asks_only_for_what_must_be_filled_in() {
    let errors = load(EXAMPLE).unwrap_err();
    let keys: Vec<_> = errors.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        ["rocketchat.user_id", "rocketchat.auth_token", "signl4.webhook_url", "listener.secret"],
        "{errors}"
    );
}

#[test]
fn filled_in_it_says_what_a_minimal_file_says() {
    let filled: String = EXAMPLE.lines().map(|line| filled_in(line) + "\n").collect();
    assert_eq!(settings(&loaded(&filled)), settings(&loaded(MINIMAL)));
}

#[test]
fn every_default_it_shows_is_the_one_of_the_code() {
    assert_eq!(settings(&loaded(&example(with_defaults))), settings(&loaded(MINIMAL)));
}

#[test]
fn every_default_it_shows_matters() {
    let usual = settings(&loaded(MINIMAL));
    let mut tried = 0;
    for line in lines() {
        let Line::Setting { text, key, table, shown_as: ShownAs::Default } = line else { continue };
        let wanted =
            |path: &str, shown_as: &ShownAs| *shown_as == ShownAs::Given || path == join(&table, &key);
        let other = other_value(&text);
        assert_ne!(settings(&loaded(&example(wanted).replace(&text, &other))), usual, "{other}");
        tried += 1;
    }
    assert!(tried > 30, "only {tried} defaults found");
}

/// The setting with another value of the same kind.
fn other_value(text: &str) -> String {
    let (key, value) = text.split_once(" = ").unwrap();
    let inner = value.trim_matches(['"', '\'']);
    let other = match (key, value) {
        (_, "true") => "false".to_owned(),
        (_, "false") => "true".to_owned(),
        (_, "[]") => "[\"anna\"]".to_owned(),
        (_, "{}") => "{ Severity = \"high\" }".to_owned(),
        ("rooms", _) => "[\"ops\"]".to_owned(),
        ("on_sent", _) => "\"none\"".to_owned(),
        ("reaction", _) => "\":fire:\"".to_owned(),
        ("bind", _) => format!("\"{}1\"", &inner[..inner.len() - 1]),
        ("catch_up" | "retry_for" | "keep" | "cooldown", _) => format!("\"1{inner}\""),
        _ => format!("'{inner} and more'"),
    };
    format!("{key} = {other}")
}

#[test]
fn every_example_it_shows_works() {
    let config = loaded(&example(with_examples));
    assert_eq!(config.signl4.teams.keys().collect::<Vec<_>>(), ["network"]);
    assert!(config.signl4.api_key.is_some() && config.admin.token.is_some() && config.listener.tls.is_some());
    assert!(config.rocketchat.avatar.is_some() && config.replies.other_alerts_to.is_some());
    let trigger = config.triggers.get("signl4").unwrap();
    assert_eq!(trigger.team.as_str(), "network");
    assert_eq!(trigger.patterns.len(), 4);
    assert!(trigger.unless.is_some());
    assert!(trigger.event.service.is_some() && trigger.event.location.is_some());
    assert!(trigger.event.alerting_scenario.is_some() && trigger.event.filtering.is_some());
}

#[test]
fn every_alternative_it_shows_works() {
    let account = |config: &Config| matches!(config.rocketchat.account, Credentials::Password { .. });
    assert!(account(&with_alternatives(&["rocketchat.username", "rocketchat.password"])));
    assert!(account(&with_alternatives(&["rocketchat.username", "rocketchat.password_file"])));
    let mut alone = 0;
    for line in lines() {
        let Line::Setting { key, table, shown_as: ShownAs::InsteadOf(_), .. } = line else { continue };
        let path = join(&table, &key);
        if !["username", "password", "password_file"].contains(&key.as_str()) {
            with_alternatives(&[&path]);
            alone += 1;
        }
    }
    assert_eq!(alone, 6);
}

/// The example with these keys, instead of those that they are instead of; the files they name are there.
fn with_alternatives(wanted: &[&str]) -> Config {
    let alternatives: Vec<(String, String)> = lines()
        .into_iter()
        .filter_map(|line| match line {
            Line::Setting { key, table, shown_as: ShownAs::InsteadOf(other), .. }
                if wanted.contains(&join(&table, &key).as_str()) =>
            {
                Some((join(&table, &key), join(&table, &other)))
            }
            _ => None,
        })
        .collect();
    assert_eq!(alternatives.len(), wanted.len(), "{wanted:?}");
    // password_file is instead of password, which is instead of auth_token.
    let hidden = |path: &str| {
        alternatives.iter().any(|(_, other)| other == path)
            || path == "rocketchat.auth_token" && wanted.contains(&"rocketchat.username")
    };
    let text = example(|path, shown_as| match shown_as {
        ShownAs::InsteadOf(_) => wanted.contains(&path),
        ShownAs::Given => !hidden(path),
        _ => false,
    });
    let directory = tempfile::tempdir().unwrap();
    loaded(&with_files(&text, directory.path()))
}

/// The text with every secret file in a directory that is there.
fn with_files(text: &str, directory: &Path) -> String {
    std::fs::write(directory.join("signl4-webhook"), format!("{WEBHOOK}\n")).unwrap();
    std::fs::write(directory.join("store-url"), "postgres://bot:password@db/bot\n").unwrap();
    for name in
        ["rocketchat-token", "rocketchat-password", "signl4-api-key", "listener-secret", "admin-token"]
    {
        std::fs::write(directory.join(name), format!("{SECRET}\n")).unwrap();
    }
    text.replace("/run/secrets", directory.to_str().unwrap())
}

/// Otherwise two bots in one room would set each other off.
#[test]
fn no_default_reply_matches_the_default_trigger() {
    let config = loaded(MINIMAL);
    let trigger = &config.triggers.iter().next().unwrap().name;
    let reasons = [
        "",
        "SIGNL4 does not know this team (404): the webhook URL's secret is wrong",
        "SIGNL4 answered 503 Service Unavailable",
        "the connection to SIGNL4 broke (signl4)",
    ];
    for &kind in ReplyKind::VARIANTS {
        for reason in reasons {
            for (user, text) in [("", ""), ("Rene", "I am on it")] {
                let words = ReplyWords { user, text, reason, trigger, team: "", which: None };
                let reply = config.replies.text(kind, &words).unwrap().unwrap_or_default();
                assert!(!config.triggers.may_match(&reply), "{}: {reply}", kind.key());
            }
        }
    }
}
