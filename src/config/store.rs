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
const DEFAULT_DAYS: u128 = 90;
const DAY: Duration = Duration::from_hours(24);

/// `needed` names the times that the bot may read or retry back to: what is forgotten sooner would alert again.
pub(super) fn read(mut section: Section<'_>, needed: [(&str, Duration); 2]) -> Store {
    let has_password = |url: &str| !url.starts_with("sqlite:");
    let url = section.secret_if("url", "url_file", has_password, |url| database_url(url.expose_secret()));
    let default = format!("{DEFAULT_DAYS}d");
    let is_set = section.has(&["keep"]);
    let keep = section.checked_or("keep", &default, |text| {
        let keep = duration(text)?;
        let longer: Vec<_> = needed.iter().filter(|(_, needed)| *needed > keep).collect();
        let Some(longest) = longer.iter().map(|(_, needed)| *needed).max() else { return Ok(keep) };
        let names: Vec<_> = longer.iter().map(|(name, _)| *name).collect();
        let unset = if is_set { String::new() } else { format!("{default:?} if it is not set, which is ") };
        fault(
            format!(
                "is {unset}shorter than {}: the bot would forget what it still works on",
                names.join(" and ")
            ),
            format!(
                "write for example \"{}d\"",
                longest.as_nanos().div_ceil(DAY.as_nanos()).max(DEFAULT_DAYS)
            ),
        )
    });
    Store { url: url.unwrap_or_else(|| StoreUrl::sqlite(DEFAULT_FILE)), keep: keep.unwrap_or_default() }
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
