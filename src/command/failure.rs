//! Why a command did not do what it should, and the exit code that says so.

use crate::{
    bot::{RunError, StartError},
    config::ConfigErrors,
    setup::SetupError,
};

/// The end of a command that did not work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is wrong: one line a problem.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The bot did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The bot stopped by itself.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The demo could not start.
    #[error("the demo cannot start: {0}")]
    Demo(String),
    /// No `bot.toml` was written.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// What was asked for cannot be printed.
    #[error("standard output cannot be written: {0}")]
    Output(String),
    /// The command did its work, and what it has to say is no good news; it said so already.
    #[error("")]
    Told,
}

impl Failure {
    /// 2 for configuration and usage, 1 for everything that failed while running.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Start(StartError::Certificate(_)) => 2,
            Self::Setup(error) if error.is_usage() => 2,
            Self::Start(_) | Self::Run(_) | Self::Demo(_) | Self::Setup(_) | Self::Output(_) | Self::Told => {
                1
            }
        }
    }
}
