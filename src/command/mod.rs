//! The commands of the command line, one file each. They print for a person.

mod check;
mod demo;
mod dry_run;
mod failure;
mod health;
mod init;
mod pages;
mod run;
mod send_test;
mod stand_in;
mod store;

use std::path::PathBuf;

pub use check::{CheckOptions, check};
pub use demo::demo;
pub use dry_run::{TestOptions, test};
pub use failure::Failure;
pub use health::health;
pub use init::{InitOptions, init};
pub use pages::{completions, man};
pub use run::run;
pub use store::{CopyOptions, copy_store};

/// The configuration of a command.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigFile {
    /// The configuration file. By default ./bot.toml, if it exists. The environment overrides it.
    #[arg(long, env = "SIGNL4_BOT_CONFIG", value_name = "bot.toml")]
    pub config: Option<PathBuf>,
}
