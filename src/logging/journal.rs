//! Gives systemd's journal the priority of each line, so that `journalctl -p err` finds the errors.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Whether standard error goes to the journal: `JOURNAL_STREAM` has its device and inode (`systemd.exec(5)`).
pub(super) fn is_stderr() -> bool {
    let stream = || {
        let named = std::env::var("JOURNAL_STREAM").ok()?;
        let stderr = std::fs::File::from(io::stderr().as_fd().try_clone_to_owned().ok()?);
        let stderr = stderr.metadata().ok()?;
        Some(named == format!("{}:{}", stderr.dev(), stderr.ino()))
    };
    stream().unwrap_or_default()
}

/// Standard error, with a priority before each line (`sd-daemon(3)`).
pub(super) struct Journal;

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(priority(Level::INFO))
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Line {
        Line(priority(*line.level()))
    }
}

/// One line, written in one call: otherwise lines of several threads would mix.
pub(super) struct Line(&'static str);

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&[self.0.as_bytes(), text].concat())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}
