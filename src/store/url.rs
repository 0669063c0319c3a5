//! Where a store is: `store.url`, parsed once.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    any::AnyConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::SqliteConnectOptions,
};
use url::{Url, form_urlencoded};

/// Parameters of PostgreSQL's URLs that are taken, beside `options[…]`.
const POSTGRES_PARAMETERS: [&str; 11] = [
    "host",
    "port",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
    "statement-cache-capacity",
];
/// Those of them that name files.
const CERTIFICATE_FILES: [&str; 3] = ["sslrootcert", "sslcert", "sslkey"];
/// How a path stands in a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

/// The URL of a store. One of PostgreSQL may contain a password, so `Display` and `Debug` show host and database alone.
#[derive(Clone)]
pub struct StoreUrl(Kind);

#[derive(Clone)]
enum Kind {
    Sqlite { path: PathBuf, parameters: String },
    Postgres { url: SecretString, shown: String },
}

/// Why a text is no URL of a store. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreUrlError(pub(crate) String);

impl StoreUrl {
    /// The SQLite file at that path.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Kind::Sqlite { path: path.into(), parameters: String::new() })
    }

    /// The file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Sqlite { path, .. } => Some(path),
            Kind::Postgres { .. } => None,
        }
    }

    /// Options for sqlx's `Any` driver: the same URL with further parameters. SQLite's `mode` is added where there is none.
    ///
    /// # Errors
    /// Where the file's directory is missing.
    pub(super) fn any(&self, sqlite_mode: &str) -> Result<AnyConnectOptions, std::io::Error> {
        let url = match &self.0 {
            Kind::Postgres { url, .. } => url.expose_secret().to_owned(),
            Kind::Sqlite { path, parameters } => {
                // `Url` would fold `..`, which is wrong after a symbolic link, and takes the first part for a host.
                let directory = path.parent().filter(|directory| *directory != Path::new(""));
                let directory = directory.unwrap_or(Path::new(".")).canonicalize()?;
                let path = directory.join(path.file_name().unwrap_or_default());
                let path = path.to_str().ok_or_else(|| std::io::Error::other("its path is no UTF-8"))?;
                let mode = match form_urlencoded::parse(parameters.as_bytes()).any(|(name, _)| name == "mode")
                {
                    true => "",
                    false => sqlite_mode,
                };
                format!("sqlite://{}?{parameters}&{mode}", utf8_percent_encode(path, PATH))
            }
        };
        url.parse().map_err(|_| std::io::Error::other("it is no URL"))
    }

    /// The options for PostgreSQL's own driver, where it is one of PostgreSQL.
    pub(super) fn postgres(&self) -> Option<Result<PgConnectOptions, sqlx::Error>> {
        match &self.0 {
            Kind::Sqlite { .. } => None,
            Kind::Postgres { url, .. } => Some(url.expose_secret().parse()),
        }
    }

    /// The files of certificates and keys that the URL names, each with its parameter.
    pub(super) fn certificate_files(&self) -> Vec<(String, PathBuf)> {
        let Kind::Postgres { url, .. } = &self.0 else { return vec![] };
        let Ok(url) = Url::parse(url.expose_secret()) else { return vec![] };
        let files = url.query_pairs().filter(|(name, _)| CERTIFICATE_FILES.contains(&&**name));
        files.map(|(name, path)| (name.into_owned(), PathBuf::from(&*path))).collect()
    }

    fn exposed(&self) -> String {
        match &self.0 {
            Kind::Sqlite { parameters, .. } if !parameters.is_empty() => format!("{self}?{parameters}"),
            Kind::Sqlite { .. } => self.to_string(),
            Kind::Postgres { url, .. } => url.expose_secret().to_owned(),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Sqlite { path, .. } => write!(f, "sqlite://{}", path.display()),
            Kind::Postgres { shown, .. } => f.write_str(shown),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for StoreUrl {
    fn eq(&self, other: &Self) -> bool {
        self.exposed() == other.exposed()
    }
}

impl Eq for StoreUrl {}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return postgres(text);
        }
        let failed = |why: &str| Err(StoreUrlError(why.to_owned()));
        let Some(rest) = text.strip_prefix("sqlite://") else {
            return failed("does not begin with sqlite:// or postgres://");
        };
        if rest.contains(":memory:") || rest.contains("mode=memory") {
            return failed("is kept in memory, so a restart would lose alerts");
        }
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if path.is_empty() {
            return failed("names no file");
        }
        if !form_urlencoded::parse(parameters.as_bytes()).all(|(name, value)| is_parameter(&name, &value)) {
            return failed("has parameters that SQLite does not know");
        }
        // Decodes the path.
        let Ok(options) = SqliteConnectOptions::from_str(text) else {
            return failed("names no file");
        };
        let path = options.get_filename().to_owned();
        Ok(Self(Kind::Sqlite { path, parameters: parameters.to_owned() }))
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

fn postgres(text: &str) -> Result<StoreUrl, StoreUrlError> {
    let failed = |why: String| Err(StoreUrlError(why));
    let Ok(url) = Url::parse(text) else {
        return failed("is no URL; special characters in the password have to be percent-encoded".to_owned());
    };
    for (name, value) in url.query_pairs() {
        let is_option = name.starts_with("options[") && name.ends_with(']');
        if !is_option && !POSTGRES_PARAMETERS.contains(&&*name) {
            let known = POSTGRES_PARAMETERS.join(", ");
            return failed(format!(
                "has a parameter that the bot does not take; it takes {known} and options[…]"
            ));
        }
        if name == "sslmode" && value.parse::<PgSslMode>().is_err() {
            return failed("has an sslmode that PostgreSQL does not know".to_owned());
        }
    }
    let has = |name| url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned());
    let verifies = has("sslmode").is_some_and(|mode| mode.starts_with("verify-"));
    if has("sslrootcert").is_some() && !verifies {
        return failed(
            "has an sslrootcert, which is used with sslmode=verify-ca or verify-full alone".to_owned(),
        );
    }
    let database = url.path().trim_start_matches('/');
    if database.is_empty() {
        return failed("names no database".to_owned());
    }
    let host = match (url.host_str().unwrap_or_default(), has("host")) {
        ("", None) => return failed("names no host".to_owned()),
        ("", Some(host)) => host,
        (host, _) => host.to_owned(),
    };
    if host.contains(',') {
        return failed("names several hosts".to_owned());
    }
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("postgres://{host}{port}/{database}");
    let mut url = url.clone();
    if !url.query_pairs().any(|(name, _)| name == "application_name") {
        url.query_pairs_mut().append_pair("application_name", env!("CARGO_PKG_NAME"));
    }
    Ok(StoreUrl(Kind::Postgres { url: String::from(url).into(), shown }))
}
