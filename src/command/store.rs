//! `store copy`: moves an installation between SQLite and PostgreSQL.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::{ConfigFile, Failure};
use crate::{
    config::{Config, Sources, values},
    store::{Store, StoreUrl},
};

/// From where to where.
#[derive(Debug, clap::Args)]
pub struct CopyOptions {
    /// The store to copy, as in store.url. By default the one in the configuration.
    #[arg(long, value_name = "URL", conflicts_with = "from_file")]
    from: Option<SecretString>,
    /// A file with the URL of the store to copy, so that a password in it is not visible.
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// The empty store to copy to.
    #[arg(long, value_name = "URL", conflicts_with = "to_file", required_unless_present = "to_file")]
    to: Option<SecretString>,
    /// A file with the URL of the store to copy to, so that a password in it is not visible.
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigFile,
}

/// Copies a store that no bot runs on into an empty one.
///
/// # Errors
/// Why nothing was copied.
#[expect(clippy::print_stdout, reason = "output of the command")]
pub async fn copy_store(options: CopyOptions) -> Result<(), Failure> {
    let from = match url("--from", options.from, options.from_file)? {
        Some(url) => url,
        None => Config::load(&Sources::of_process_or_service(options.file.config))?.store.url,
    };
    let to = url("--to", options.to, options.to_file)?;
    let to = to.ok_or_else(|| Failure::Usage("--to is missing".to_owned()))?;
    // Opening it twice would look like a running bot.
    if to == from {
        return Err(Failure::Usage("--to: names the store that is copied; name a new one".to_owned()));
    }
    let copied = Store::copy(&from, &to).await.map_err(Failure::Copy)?;
    for (table, rows) in copied {
        println!("{table}: {rows} rows");
    }
    println!(
        "All rows of {from} are in {to}. Set store.url to the new store before you start the bot, and never start a bot on the old one again."
    );
    Ok(())
}

fn url(flag: &str, url: Option<SecretString>, file: Option<PathBuf>) -> Result<Option<StoreUrl>, Failure> {
    let url = match file {
        None => url,
        Some(file) => Some(
            values::secret_of_file(&file).map_err(|fault| Failure::Usage(format!("{flag}-file: {fault}")))?,
        ),
    };
    let parse = |url: SecretString| {
        let parsed = url.expose_secret().parse();
        parsed.map_err(|error| Failure::Usage(format!("{flag}: the URL {error}")))
    };
    url.map(parse).transpose()
}
