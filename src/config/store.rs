//! `[store]`: the database that keeps everything that must survive a restart.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::report::{Fault, fault};
use super::section::Section;
use super::values::duration;
use crate::store_url::{StoreUrl, StoreUrlError};

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
    let has_password = |url: &str| !url.starts_with("sqlite:");
    let url = section.secret_if("url", "url_file", has_password, |url| database_url(url.expose_secret()));
    let keep = section.checked("keep", |text| match duration(text)? {
        keep if keep < at_least => fault(
            "is shorter than rocketchat.catch_up or signl4.retry_for: the bot would forget what it still works on",
            r#"write for example "90d""#,
        ),
        keep => Ok(keep),
    });
    Store {
        url: url.unwrap_or_else(|| StoreUrl::sqlite(DEFAULT_FILE)),
        keep: keep.unwrap_or(Duration::from_hours(90 * 24).max(at_least)),
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
