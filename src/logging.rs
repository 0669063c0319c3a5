//! The log.
//!
//! At info and above, lines contain IDs, counts and reasons, but never the text of a message. Secrets are not logged at any level.
//! Other crates log frames and headers, including tokens, at debug and trace. So below info only our own lines are written,
//! whatever `RUST_LOG` says.
//!
//! | level | meaning | what to do |
//! | --- | --- | --- |
//! | error | a failure: an alert was given up, the store fails, a configuration is invalid | act at once |
//! | warn | a problem that the bot works around: no connection, an alert is late, a wrong secret | act if it persists |
//! | info | the steps of each alert, connections, reloads | nothing |
//! | debug | details: every room, every retried call | read it to investigate |
//! | trace | every frame of the realtime session | for developers |
//!
//! Every line about an alert has the field `alert`, its ID in the store: grep for it to see all of the alert's steps. An event
//! has the field `event` until its alert is found. A message's ID is in `message_id`, because `message` is the line's text.

mod escape;
mod journal;
mod recent;

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata, debug, error, field::display};
use tracing_subscriber::{
    Layer,
    filter::{FilterFn, LevelFilter, ParseError, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

#[cfg(any(test, fuzzing))]
pub(crate) use escape::fuzzing;
pub(crate) use escape::is_unsafe;
use escape::{Escaped, fields};
pub use recent::{Line, Recent, recent};

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text if standard error is a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// Whether it is JSON, on a terminal or not.
    fn is_json(self, on_terminal: bool) -> bool {
        self == Self::Json || (self == Self::Auto && !on_terminal)
    }
}

/// `RUST_LOG` is not a valid filter.
#[derive(Debug, thiserror::Error)]
#[error("RUST_LOG: {0}: write, for example, RUST_LOG=debug or RUST_LOG=info,rocketchat=trace")]
pub struct InvalidFilter(#[from] ParseError);

/// Starts logging to standard error, with the levels of `RUST_LOG`, or `default_level` if it is not set.
///
/// # Errors
/// When `RUST_LOG` is invalid.
pub fn start(format: LogFormat, default_level: &str) -> Result<(), InvalidFilter> {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let wanted = if wanted.trim().is_empty() { default_level } else { &wanted };
    let filter: Targets = wanted.trim_end_matches(',').parse()?;
    let on_terminal = io::stderr().is_terminal();
    let is_json = format.is_json(on_terminal);
    let writer = Escaped { writer: io::stderr, is_json, to_journal: journal::is_stderr() };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match is_json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.fmt_fields(fields()).with_ansi(on_terminal).boxed(),
    };
    let lines = lines.with_filter(FilterFn::new(may_be_written)).with_filter(filter);
    // The status page shows the last warnings and errors, whatever the level of the log.
    let kept = recent().with_filter(LevelFilter::WARN);
    // In tests there may be a second start, which changes nothing.
    let _ = tracing_subscriber::registry().with(lines).with(kept).try_init();
    Ok(())
}

/// Logs panics as lines of the log. Their messages may quote what somebody wrote, so they appear at debug level only.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(display);
        error!(at, "panicked; this is a bug, please report it. RUST_LOG=debug shows the message");
        debug!(at, message = panic.payload_as_str(), "panicked");
    }));
}

fn may_be_written(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || is_ours(line.target())
}

/// Whether a line comes from this program or from one of its client crates, none of which logs a secret.
fn is_ours(target: &str) -> bool {
    let module = target.split("::").next();
    matches!(module, Some("signl4_rocketchat" | "rocketchat" | "signl4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_crates_log_below_info() {
        assert!(
            ["signl4_rocketchat::bot", "rocketchat::realtime::session", "signl4"].into_iter().all(is_ours)
        );
        assert!(!["sandbox::rocketchat", "hyper", "signl4x"].into_iter().any(is_ours));
    }

    #[test]
    fn auto_is_text_on_a_terminal_and_json_elsewhere() {
        assert!(!LogFormat::Auto.is_json(true) && LogFormat::Auto.is_json(false));
        assert!(!LogFormat::Text.is_json(false) && LogFormat::Json.is_json(true));
    }
}
