//! Why no `bot.toml` was written.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigErrors;

/// No `bot.toml` was written.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is nobody to ask for what is missing.
    #[error("init: there is no terminal to ask on: give also {0}")]
    Missing(String),
    /// A value is none that could stand in `bot.toml`.
    #[error("init: {what}: {why}")]
    Wrong {
        /// The flag or variable.
        what: String,
        /// Why, and the remedy.
        why: String,
    },
    /// A value was tried, and does not work.
    #[error("init: {0}")]
    Tried(String),
    /// A file must not be lost.
    #[error("init: {} is there already: name another place with {flag}, or replace it with --force", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
        /// The flag that names another place.
        flag: &'static str,
    },
    /// The file cannot be written.
    #[error("init: {} cannot be written ({why}): name a place in a directory that is yours with {flag}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: io::Error,
        /// The flag that names another place.
        flag: &'static str,
    },
    /// What was written, together with the environment, is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Whoever was asked went away.
    #[error("init: stopped; nothing was written")]
    Stopped,
}

impl SetupError {
    /// Whether the call was wrong, rather than what it met.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Wrong { .. } | Self::Exists { .. } | Self::Config(_))
    }
}
