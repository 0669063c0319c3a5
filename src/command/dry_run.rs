//! `test`: shows which trigger a message would match and the event it would send. Sends nothing unless requested.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::time::timeout;

use super::{
    ConfigFile, Failure,
    send_test::{SENT_AS, failed, send},
    stand_in::{STAND_INS, author, author_of, message, room_of},
};
use crate::{
    alerting::{Match, RoomPattern, TeamName, Trigger, TriggerSet, UserPattern, render_event, room_label},
    config::{self, Config, Sources},
};
use rocketchat::{Account, Connector, Credentials, Message, RestClient, Room};
use signl4::AlertEvent;

/// Time limit for asking the server for the bot's name.
const NAME_WITHIN: Duration = Duration::from_secs(5);
/// The first keys of an event as shown. The others follow by name, with SIGNL4's control parameters last.
const FIRST: [&str; 5] = ["title", "message", "user", "channel", "link"];

/// The options of `test`.
#[derive(Clone, Debug, clap::Args)]
pub struct TestOptions {
    /// The text of the message.
    text: String,
    /// The message's room: a name as people see it, or id:…. By default any room that a trigger watches.
    #[arg(long)]
    room: Option<String>,
    /// The author: a username, id:… or name:…. By default an author that the trigger accepts.
    #[arg(long)]
    user: Option<String>,
    /// Page for real, with a text that says it is a test, and wait for SIGNL4 to call back.
    #[arg(long)]
    send: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// Prints what a message with this text would do. With `--send`, the event is sent, marked as a test.
///
/// # Errors
/// When the configuration or the room is invalid. With `--send`, also if no trigger matches, SIGNL4 does not accept the
/// event, or it does not call back.
pub async fn test(options: TestOptions) -> Result<(), Failure> {
    let TestOptions { text, room, user, send: pages, file } = options;
    let config = Config::load(&Sources::of_process_or_service(file.config))?;
    let own = match &user {
        Some(_) => own_name(&config.rocketchat).await,
        None => None,
    };
    let mut report = report(&config, &text, room.as_deref(), user.as_deref(), own.as_deref())?;
    if !pages {
        let _ = writeln!(report.text, "\nThis was a dry run: nothing was sent. {STAND_INS}");
    } else if report.first.is_some() {
        let _ = writeln!(report.text, "\n{SENT_AS}");
    }
    // The reader may have closed the pipe.
    let _ = io::stdout().write_all(report.text.as_bytes());
    match report.first {
        Some((team, event)) if pages => send(&config, &team, event).await,
        None if pages => Err(Failure::Reported),
        _ => Ok(()),
    }
}

/// Pages for real as a message with this text would, marked as a test, and reports only what comes of it.
///
/// # Errors
/// When the configuration is wrong, no trigger matches, SIGNL4 does not take the event, or it does not call back.
pub(super) async fn page(path: PathBuf, text: &str) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process(Some(path)))?;
    match report(&config, text, None, None, None)?.first {
        Some((team, event)) => send(&config, &team, event).await,
        None => Err(failed(format!("no trigger matches {text:?}"))),
    }
}

/// What a message would do.
struct Report {
    text: String,
    /// The first event and the team it pages.
    first: Option<(TeamName, AlertEvent)>,
}

/// The bot's username. For a token only the server knows it; without an answer it stays unknown.
async fn own_name(settings: &config::RocketChat) -> Option<String> {
    if let Credentials::Password { username, .. } = &settings.account {
        return Some(username.clone());
    }
    let connector = Connector::new(crate::USER_AGENT).ok()?;
    let account = Account::new(settings.url.clone(), settings.account.clone(), connector);
    let me = timeout(NAME_WITHIN, RestClient::new(Arc::new(account)).me()).await.ok()?.ok()?;
    Some(me.identity.username)
}

/// A possible message and its room.
struct Sample {
    message: Message,
    room: Room,
}

impl Sample {
    fn matches<'a>(&self, triggers: &'a TriggerSet) -> Vec<Match<'a>> {
        triggers.matches(&self.message, &self.room, true)
    }

    /// Whether the trigger would match if it were the only one.
    fn matches_alone(&self, trigger: &Trigger) -> bool {
        TriggerSet::new(vec![trigger.clone()]).is_ok_and(|alone| !self.matches(&alone).is_empty())
    }
}

/// `own` is the bot's own username, if it is known.
fn report(
    config: &Config,
    text: &str,
    room: Option<&str>,
    user: Option<&str>,
    own: Option<&str>,
) -> Result<Report, Failure> {
    let user = user.and_then(UserPattern::parse).as_ref().map(author);
    if let (Some(user), Some(own)) = (&user, own)
        && user.username.eq_ignore_ascii_case(own)
    {
        let text = format!(
            "No trigger matches: @{own} is the bot's own account, and its messages never page.\nAn integration needs its own account.\n"
        );
        return Ok(Report { text, first: None });
    }
    let named = room.map(named).transpose()?;
    // In the room that is named or in every room that a trigger watches, by the author or by one that the trigger accepts.
    let of_trigger = |trigger: &Trigger| {
        let author = user.clone().unwrap_or_else(|| author_of(trigger));
        let rooms: Vec<Room> = match &named {
            Some(room) => vec![room.clone()],
            None => trigger.rooms.iter().map(room_of).collect(),
        };
        rooms.into_iter().filter_map(move |room| {
            let message = message(text, &room, &author, &config.rocketchat.url)?;
            Some(Sample { message, room })
        })
    };
    let samples: Vec<Sample> = config.triggers.iter().flat_map(of_trigger).collect();
    let text = samples.first().map_or(text, |sample| &sample.message.text);
    let matches = samples.iter().map(|sample| (sample, sample.matches(&config.triggers)));
    Ok(match matches.into_iter().find(|(_, found)| !found.is_empty()) {
        Some((sample, found)) => matching(config, sample, &found),
        None => Report { text: nothing(&config.triggers, text, room.is_some(), &samples), first: None },
    })
}

fn named(text: &str) -> Result<Room, Failure> {
    const EXAMPLE: &str = "name one room, as in --room general or --room id:GENERAL";
    match RoomPattern::parse(text) {
        Ok(RoomPattern::Any | RoomPattern::Glob(..)) => {
            Err(Failure::Usage(format!("--room {text}: matches several rooms; {EXAMPLE}")))
        }
        Ok(pattern) => Ok(room_of(&pattern)),
        Err(error) => Err(Failure::Usage(format!("--room {text}: {error}; {EXAMPLE}"))),
    }
}

/// What a matching message would do.
fn matching(config: &Config, sample: &Sample, found: &[Match<'_>]) -> Report {
    let (mut report, mut first) = (String::new(), None);
    for found in found {
        let (room, author) = (room_label(&sample.room), &sample.message.author.username);
        let trigger = &found.trigger.name;
        let _ = writeln!(report, "Written in {room} by @{author}, it matches the trigger \"{trigger}\".");
        describe(&mut report, found);
        let (event, faults) = render_event(found, &sample.message, &sample.room, &config.rocketchat.url);
        for fault in faults {
            let _ = writeln!(report, "Note: {fault}; a default is used instead.");
        }
        let _ = writeln!(report, "\n{}\n", shown_event(&event.to_json()));
        first.get_or_insert((found.trigger.team.clone(), event));
    }
    let after = config.triggers.iter().filter(|trigger| {
        sample.matches_alone(trigger) && found.iter().all(|found| found.trigger.name != trigger.name)
    });
    let last = found.last().map_or("", |found| &found.trigger.name);
    for trigger in after {
        let _ = writeln!(
            report,
            "\"{}\" would match too, but is not tried after \"{last}\", which does not have continue = true.",
            trigger.name
        );
    }
    report.truncate(report.trim_end().len());
    report.push('\n');
    Report { text: report, first }
}

fn describe(report: &mut String, found: &Match<'_>) {
    let Trigger { team, cooldown, .. } = found.trigger;
    let _ = match team.as_str() {
        "" => write!(report, "It pages the team of [signl4]"),
        name => write!(report, "It pages the team \"{name}\""),
    };
    if !cooldown.is_zero() {
        let _ = write!(report, ", at most once in {} per room", humantime::format_duration(*cooldown));
    }
    let _ = writeln!(report, ", with the event below.");
    let captures: Vec<_> = found.captures.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
    if !captures.is_empty() {
        let _ = writeln!(report, "Captured from the text: {}.", captures.join(", "));
    }
}

/// The event as JSON, in an order for people.
fn shown_event(event: &Value) -> String {
    let mut entries: Vec<_> = event.as_object().into_iter().flatten().collect();
    entries.sort_by_key(|(name, _)| {
        let first = FIRST.iter().position(|first| first == name);
        (first.unwrap_or(FIRST.len()), name.starts_with("X-S4-"))
    });
    let lines = entries.iter().map(|(name, value)| format!("  {}: {value}", Value::from(name.as_str())));
    let lines: Vec<_> = lines.collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// Why no trigger would match.
fn nothing(triggers: &TriggerSet, text: &str, room_given: bool, samples: &[Sample]) -> String {
    let location = match samples.first() {
        Some(sample) if room_given => format!(" in {}", room_label(&sample.room)),
        _ => String::new(),
    };
    let mut report = format!("No trigger matches {text:?}{location}.\n\n");
    let width = triggers.iter().map(|trigger| trigger.name.chars().count()).max().unwrap_or_default();
    for trigger in triggers.iter() {
        let _ = writeln!(report, "  {:width$}  {}", trigger.name, obstacle(trigger, text, samples));
    }
    report
}

/// The first reason why the trigger matches no sample.
fn obstacle(trigger: &Trigger, text: &str, samples: &[Sample]) -> String {
    if !trigger.patterns.iter().any(|pattern| pattern.is_match(text)) {
        let patterns: Vec<_> = trigger.patterns.iter().map(ToString::to_string).collect();
        return format!("the text does not match {}", patterns.join(" or "));
    }
    if let Some(unless) = trigger.unless.as_ref().filter(|_| trigger.is_excluded(text)) {
        return format!("the text matches, but so does the exception: {unless} (unless)");
    }
    if !samples.iter().any(|sample| trigger.watches(&sample.room, true)) {
        let rooms: Vec<_> = trigger.rooms.iter().map(ToString::to_string).collect();
        return format!("the text matches, but the trigger watches only {}", rooms.join(", "));
    }
    "the text and the room match, but not the author (users, exclude_users)".to_owned()
}
