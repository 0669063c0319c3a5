//! `[store]`: the database that keeps everything that must survive a restart.

use std::time::Duration;

use super::report::Fault;
use super::section::Section;
use super::values::bare;
use url::form_urlencoded;

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// The database, `sqlite://…`. Contains no secret.
    pub url: String,
    /// How long settled alerts, replies and events are kept.
    pub keep: Duration,
}

const DEFAULT_URL: &str = "sqlite://signl4-rocketchat.db";

/// `at_least` is how far back the bot may read: a message forgotten sooner would alert again.
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

/// The fault does not repeat the URL: one of PostgreSQL may contain a password.
fn database_url(text: &str) -> Result<String, Fault> {
    let text = bare(text)?;
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
    let parameters = path.split_once('?').map_or("", |(_, parameters)| parameters);
    match form_urlencoded::parse(parameters.as_bytes()).all(|(name, value)| is_parameter(&name, &value)) {
        true => Ok(text.to_owned()),
        false => Err(Fault::new("has parameters that SQLite does not know", fix)),
    }
}

/// The parameters of SQLite's URLs (<https://www.sqlite.org/uri.html>), without those of a database in memory.
fn is_parameter(name: &str, value: &str) -> bool {
    match name {
        "mode" => matches!(value, "ro" | "rw" | "rwc"),
        "cache" => matches!(value, "private" | "shared"),
        "immutable" => matches!(value, "true" | "1" | "false" | "0"),
        "vfs" => true,
        _ => false,
    }
}
