//! `check`: everything that `run` needs, tried without paging anybody, and told with what to mend.

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;

use super::Failure;
use crate::check::{Look, PublicUrl, examine, json, print};
use crate::config::{Config, Sources};

/// How a check is made and told.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CheckOptions {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Where SIGNL4 reaches the listener, without /signl4/…: try that the running bot answers there.
    #[arg(long, value_name = "https://bot.example.com")]
    public_url: Option<PublicUrl>,
}

/// Prints what was found.
///
/// # Errors
/// When the configuration is wrong, or [`Failure::Told`] where the bot would not do all that it asks for.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what the command is for")]
pub async fn check(path: Option<PathBuf>, options: &CheckOptions) -> Result<(), Failure> {
    let config = Config::load(&Sources::of_process(path))?;
    if stderr().is_terminal() {
        eprintln!("Trying what the bot needs, without paging anybody; a slow server may take a minute.\n");
    }
    let report = examine(&config, options.public_url.as_ref()).await;
    match options.json {
        true => println!("{:#}", json(&report)),
        false => print!("{}", print(&report, Look::of_stdout())),
    }
    if report.works() { Ok(()) } else { Err(Failure::Told) }
}
