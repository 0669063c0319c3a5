//! The log: what is written, and what never is.
//!
//! At info and above a line carries ids, counts and reasons, never a message's text; at no level does it carry a
//! secret. Other crates print frames and headers at debug and trace, tokens included, so below info only our own lines
//! are written, whatever `RUST_LOG` asks for.
//!
//! | level | what it means | what to do |
//! | --- | --- | --- |
//! | error | something did not happen that should have: an alert was given up, the store fails, a configuration is wrong | look at once |
//! | warn | something is not as it should be, and the bot goes on: no connection, an alert is late, a wrong secret | look if it stays |
//! | info | what an alert went through, connections, reloads: the story of a day | nothing |
//! | debug | how it came to that: every room, every call that is tried again | read it when something is odd |
//! | trace | every frame of the realtime session | for developers |
//!
//! Every line about an alert carries `alert`, its number in the store: grep for it and read the alert's life, from
//! `message matched` over `alert sent` and `event placed` to `reply posted`. An event bears its own `event` until it is
//! placed. A message's id stands in `message_id`: `message` is what the line says.

mod journal;
mod recent;

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterFn, LevelFilter, ParseError},
    fmt::writer::BoxMakeWriter,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use journal::Journal;
pub use recent::{Line, Recent, recent};

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people where standard error is a terminal, and JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// What is written, to a terminal or elsewhere.
    fn settled(self, on_terminal: bool) -> Self {
        match self {
            Self::Auto if on_terminal => Self::Text,
            Self::Auto => Self::Json,
            chosen => chosen,
        }
    }
}

/// `RUST_LOG` is no filter.
#[derive(Debug, thiserror::Error)]
#[error("RUST_LOG: {0}: write for example RUST_LOG=info or RUST_LOG=signl4_rocketchat=debug")]
pub struct InvalidFilter(#[from] ParseError);

/// Starts to write the log to standard error: what `RUST_LOG` asks for, or else `usual`.
///
/// # Errors
/// When `RUST_LOG` cannot be understood.
pub fn start(format: LogFormat, usual: &str) -> Result<(), InvalidFilter> {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let wanted = if wanted.trim().is_empty() { usual } else { &wanted };
    let filter = EnvFilter::builder().parse(wanted)?;
    let writer = match journal::is_stderr() {
        true => BoxMakeWriter::new(Journal),
        false => BoxMakeWriter::new(io::stderr),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let on_terminal = io::stderr().is_terminal();
    let lines = match format.settled(on_terminal) {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        _ => lines.with_ansi(on_terminal).boxed(),
    };
    let lines = lines.with_filter(FilterFn::new(may_be_written)).with_filter(filter);
    // The status page shows the last warnings and errors, however little of the log is written.
    let kept = recent().with_filter(LevelFilter::WARN);
    // A second start, in a test, leaves the first one's log as it is.
    let _ = tracing_subscriber::registry().with(lines).with(kept).try_init();
    Ok(())
}

fn may_be_written(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || is_ours(line)
}

fn is_ours(line: &Metadata<'_>) -> bool {
    line.target().starts_with(env!("CARGO_CRATE_NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_text_on_a_terminal_and_programs_json_unless_told_otherwise() {
        assert_eq!(LogFormat::Auto.settled(true), LogFormat::Text);
        assert_eq!(LogFormat::Auto.settled(false), LogFormat::Json);
        assert_eq!(LogFormat::Text.settled(false), LogFormat::Text);
        assert_eq!(LogFormat::Json.settled(true), LogFormat::Json);
    }
}
