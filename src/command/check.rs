//! `check`: everything that `run` needs, tried without paging anybody, and told with what to mend.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;

use super::Failure;
use crate::check::{Look, examine, print};
use crate::config::{Config, Sources};

/// Prints what was found.
///
/// # Errors
/// When the configuration is wrong, or [`Failure::Told`] where the bot would not do all that it asks for.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what the command is for")]
pub async fn check(path: Option<PathBuf>) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process(path))?;
    if stderr().is_terminal() {
        eprintln!("Trying what the bot needs, without paging anybody; a slow server may take a minute.\n");
    }
    let report = examine(&config).await;
    print!("{}", print(&report, Look::of_stdout()));
    if report.works() { Ok(()) } else { Err(Failure::Told) }
}
