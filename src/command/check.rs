//! `check`: everything `run` needs, tried without paging anybody.

use std::path::PathBuf;

use super::Failure;
use crate::config::{Config, Sources};

/// Checks the configuration.
///
/// # Errors
/// When it is wrong.
pub async fn check(path: Option<PathBuf>) -> Result<(), Failure> {
    Config::load(&Sources::of_process(path))?;
    Ok(())
}
