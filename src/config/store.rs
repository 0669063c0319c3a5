//! `[store]`: where everything is kept that must survive a restart.

use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;

use super::problem::Fault;
use super::section::Section;

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// The database, `sqlite://…`. Holds no secret.
    pub url: String,
    /// How long settled alerts, replies and events are kept.
    pub keep: Duration,
}

const DEFAULT_URL: &str = "sqlite://signl4-rocketchat.db";

/// `at_least` is how long the bot itself may look back: what is forgotten sooner would alert again.
pub(super) fn read(mut section: Section<'_>, at_least: Duration) -> Option<Store> {
    let url = if section.has(&["url"]) {
        section.checked("url", database_url)
    } else {
        section.find("url");
        Some(DEFAULT_URL.to_owned())
    };
    let keep = match section.duration("keep") {
        Some(keep) if keep.value < at_least => {
            let why = "is shorter than rocketchat.catch_up or signl4.retry_for: the bot would forget what it still works on";
            section.report.note(&keep.place, Fault::new(why, r#"write for example "90d""#));
            None
        }
        Some(keep) => Some(keep.value),
        None => Some(Duration::from_hours(90 * 24)),
    };
    section.finish();
    Some(Store { url: url?, keep: keep? })
}

/// Says nothing of the URL in what is wrong: one of PostgreSQL may hold a password.
fn database_url(text: &str) -> Result<String, Fault> {
    let fix = format!("write for example url = \"{DEFAULT_URL}\"");
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Err(Fault::new("names a PostgreSQL database, which this version cannot use yet", fix));
    }
    let Some(path) = text.strip_prefix("sqlite://") else {
        return Err(Fault::new("does not begin with sqlite://", fix));
    };
    if path.contains(":memory:") || path.contains("mode=memory") {
        return Err(Fault::new("is kept in memory, so a restart would lose alerts", fix));
    }
    if path.is_empty() || path.starts_with('?') {
        return Err(Fault::new("names no file", fix));
    }
    match SqliteConnectOptions::from_str(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Fault::new("has parameters that SQLite does not know", fix)),
    }
}
