//! Systemd's journal: the priority of each line, so that `journalctl -p err` finds the errors.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use tracing::Level;

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

/// The beginning of a line that has this priority (`sd-daemon(3)`).
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}
