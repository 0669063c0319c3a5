//! The log: what is written, and what never is.
//!
//! At info and above a line carries ids, counts and reasons, never a message's text; at no level does it carry a
//! secret. Other crates print frames and headers at debug and trace, tokens included, so below info only our own lines
//! are written, whatever `RUST_LOG` asks for.

mod recent;

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterFn, LevelFilter, ParseError},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub use recent::{Line, Recent, recent};

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
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
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
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
