//! `check`: tries everything that `run` needs, without paging anybody.

use std::io::{IsTerminal, stderr};

use super::{ConfigFile, Failure};
use crate::check::{Look, PublicUrl, examine, json, print};
use crate::config::{Config, Sources};

/// The options of `check`.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckOptions {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// The address at which SIGNL4 reaches the listener, without /signl4/…: also try whether the running bot answers there.
    #[arg(long, value_name = "https://bot.example.com")]
    public_url: Option<String>,
    #[command(flatten)]
    file: ConfigFile,
}

/// Prints the report.
///
/// # Errors
/// When the configuration is wrong, or [`Failure::Reported`] if the bot could not do everything that it asks for.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "output of the command")]
pub async fn check(options: CheckOptions) -> Result<(), Failure> {
    let public_url = PublicUrl::of_option(options.public_url.as_deref()).map_err(Failure::Usage)?;
    let config = Config::load(&Sources::of_process_or_service(options.file.config))?;
    if stderr().is_terminal() {
        eprintln!("Trying what the bot needs, without paging anybody. A slow server may take a minute.\n");
    }
    let report = examine(&config, public_url.as_ref()).await;
    match options.json {
        true => println!("{:#}", json(&report)),
        false => print!("{}", print(&report, Look::of_stdout())),
    }
    if report.works() { Ok(()) } else { Err(Failure::Reported) }
}
