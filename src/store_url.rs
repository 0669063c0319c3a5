//! The location of a store: `store.url`, parsed once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{ParseError, Url};

/// Supported parameters of PostgreSQL URLs, besides `options[…]`.
const POSTGRES_PARAMETERS: &str = "host, port, user, password, sslmode, sslrootcert, sslcert, sslkey, application_name, options, statement-cache-capacity";
/// Those of them that name files.
const CERTIFICATE_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// Accepted parameters of SQLite URLs. They have no effect: the bot creates the file, and shares no cache.
const SQLITE_PARAMETERS: [&str; 4] = ["mode=rwc", "mode=rw", "cache=private", "cache=shared"];

/// The URL of a store. A PostgreSQL URL may contain a password, so `Display` and `Debug` only show host and database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// The SQLite file at that path.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct PostgresUrl {
    url: SecretString,
    shown: String,
}

/// Why a text is not the URL of a store. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreUrlError(pub(crate) String);

impl StoreUrl {
    /// The SQLite file at that path.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Sqlite(path.into())
    }

    /// The file; `None` for PostgreSQL.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl PostgresUrl {
    /// The connection options for sqlx, for `Any` or for PostgreSQL.
    pub(crate) fn options<T: FromStr>(&self) -> Result<T, T::Err> {
        self.url.expose_secret().parse()
    }

    /// The certificate and key files in the URL, each with its parameter.
    pub(crate) fn certificate_files(&self) -> Vec<(String, PathBuf)> {
        let Ok(url) = Url::parse(self.url.expose_secret()) else { return vec![] };
        let files = url.query_pairs().filter(|(name, _)| CERTIFICATE_FILES.contains(&&**name));
        files.map(|(name, path)| (name.into_owned(), PathBuf::from(&*path))).collect()
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
    }
}

impl Eq for PostgresUrl {}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(PostgresUrl { shown, .. }) => f.write_str(shown),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return postgres(text);
        }
        let Some(path) = text.strip_prefix("sqlite://") else {
            return failed("does not begin with sqlite:// or postgres://");
        };
        if path.contains(":memory:") {
            return failed("is kept in memory, so a restart would lose alerts");
        }
        let (path, parameters) = path.split_once('?').unwrap_or((path, SQLITE_PARAMETERS[0]));
        if !parameters.split('&').all(|parameter| SQLITE_PARAMETERS.contains(&parameter)) {
            let known = SQLITE_PARAMETERS.join(", ");
            return failed(format!("has parameters; an SQLite URL takes none but {known}"));
        }
        match percent_decode_str(path).decode_utf8() {
            Ok(path) if !path.is_empty() => Ok(Self::sqlite(&*path)),
            _ => failed("names no file"),
        }
    }
}

fn failed<T>(why: impl Into<String>) -> Result<T, StoreUrlError> {
    Err(StoreUrlError(why.into()))
}

fn postgres(text: &str) -> Result<StoreUrl, StoreUrlError> {
    let url = Url::parse(text);
    // libpq's form if the host is a parameter. That parameter overrides the host of the URL.
    let is_without_host = url == Err(ParseError::EmptyHost);
    let url = if is_without_host { Url::parse(&text.replacen("@/", "@localhost/", 1)) } else { url };
    let Ok(url) = url else {
        return failed("is not a URL; special characters in the password have to be percent-encoded");
    };
    for (name, value) in url.query_pairs() {
        let is_option = name.starts_with("options[") && name.ends_with(']');
        if !is_option && POSTGRES_PARAMETERS.split(", ").all(|known| known != name) {
            return failed(format!(
                "has a parameter that the bot does not support; it supports {POSTGRES_PARAMETERS} and options[…]"
            ));
        }
        if name == "sslmode" && SSL_MODES.iter().all(|known| !known.eq_ignore_ascii_case(&value)) {
            return failed("has an sslmode that PostgreSQL does not know");
        }
    }
    let has = |name| url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned());
    let verifies = has("sslmode").is_some_and(|mode| mode.starts_with("verify-"));
    if has("sslrootcert").is_some() && !verifies {
        return failed("has an sslrootcert, which is only used with sslmode=verify-ca or verify-full");
    }
    let database = url.path().trim_start_matches('/');
    if database.is_empty() {
        return failed("names no database");
    }
    let own_host = || url.host_str().filter(|host| !is_without_host && !host.is_empty()).map(str::to_owned);
    let Some(host) = has("host").or_else(own_host) else {
        return failed("names no host");
    };
    if host.contains(',') {
        return failed("names several hosts");
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("postgres://{host}{port}/{database}");
    let mut url = url.clone();
    if !url.query_pairs().any(|(name, _)| name == "application_name") {
        url.query_pairs_mut().append_pair("application_name", env!("CARGO_PKG_NAME"));
    }
    Ok(StoreUrl::Postgres(PostgresUrl { url: String::from(url).into(), shown }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_url_may_say_that_the_file_is_created() {
        let url = |text: &str| text.parse::<StoreUrl>();
        assert_eq!(url("sqlite://bot.db?mode=rwc").unwrap(), StoreUrl::sqlite("bot.db"));
        assert!(url("sqlite://bot.db?mode=ro").is_err() && url("sqlite://?mode=rwc").is_err());
        assert_eq!(url("sqlite://bot.db?cache=shared&mode=rw").unwrap(), StoreUrl::sqlite("bot.db"));
        for other in ["mode=rwc&immutable=true", "cache=shared&cache", "mode=memory"] {
            assert!(url(&format!("sqlite://bot.db?{other}")).is_err(), "{other}");
        }
    }

    #[test]
    fn the_host_may_be_a_parameter() {
        for url in ["postgres:///bot", "postgres://u@/bot", "postgres://u:p@/bot", "postgres://localhost/bot"]
        {
            let url = format!("{url}?host=/run/postgresql").parse::<StoreUrl>().unwrap();
            assert_eq!(url.to_string(), "postgres:///run/postgresql/bot");
            let StoreUrl::Postgres(url) = url else { unreachable!() };
            let options: sqlx::postgres::PgConnectOptions = url.options().unwrap();
            assert_eq!(options.get_socket().unwrap(), Path::new("/run/postgresql"));
        }
        for url in ["postgres://u@/bot", "postgres:///bot", "postgres://u@/bot?user=host"] {
            assert_eq!(url.parse::<StoreUrl>().unwrap_err().to_string(), "names no host");
        }
    }
}
