//! `[store]`: the database that keeps everything that must survive a restart.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::report::Fault;
use super::section::Section;
use crate::store::{StoreUrl, StoreUrlError};

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// The database.
    pub url: StoreUrl,
    /// How long settled alerts, replies and events are kept.
    pub keep: Duration,
}

const DEFAULT_FILE: &str = "signl4-rocketchat.db";

/// `at_least` is how far back the bot may read: a message forgotten sooner would alert again.
pub(super) fn read(mut section: Section<'_>, at_least: Duration) -> Store {
    let url = section.secret("url", "url_file");
    let url =
        url.and_then(|url| section.report.accept(&url.location, database_url(url.value.expose_secret())));
    let keep = section.duration("keep");
    if let Some(keep) = keep.as_ref().filter(|keep| keep.value < at_least) {
        let why = "is shorter than rocketchat.catch_up or signl4.retry_for: the bot would forget what it still works on";
        section.report.note(&keep.location, Fault::new(why, r#"write for example "90d""#));
    }
    Store {
        url: url.unwrap_or_else(|| StoreUrl::sqlite(DEFAULT_FILE)),
        keep: keep.map_or(Duration::from_hours(90 * 24), |keep| keep.value),
    }
}

/// The fault does not repeat the URL: one of PostgreSQL may contain a password.
fn database_url(text: &str) -> Result<StoreUrl, Fault> {
    text.parse().map_err(|StoreUrlError(why)| {
        let fix = if text.starts_with("postgres") {
            "write for example url = \"postgres://user:password@host/database?sslmode=verify-full\""
                .to_owned()
        } else {
            format!("write for example url = \"sqlite://{DEFAULT_FILE}\"")
        };
        Fault::new(why, fix)
    })
}
