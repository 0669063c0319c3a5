//! Why a command failed, and its exit code.

use crate::{
    bot::{RunError, StartError},
    config::ConfigErrors,
    store::StoreError,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is wrong. One line for each problem.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// The bot did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The bot stopped unexpectedly.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The store was not copied.
    #[error("store copy: {0}")]
    Copy(#[source] StoreError),
    /// Something else failed.
    #[error("{0}")]
    Failed(String),
    /// The command worked, and has already reported a bad result.
    #[error("")]
    Reported,
}

impl Failure {
    /// 2 for configuration and usage, 1 for everything that failed while running.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Start(StartError::Certificate(_)) => 2,
            _ => 1,
        }
    }
}
