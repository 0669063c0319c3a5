//! The errors of the store.

use std::path::PathBuf;

use sqlx::{migrate::MigrateError, postgres::PgDatabaseError};

/// A failure of the store, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another bot works on the same file or database.
    #[error(
        "{0}: another signl4-rocketchat is already running on this store; stop it, or give this one a store of its own"
    )]
    InUse(String),
    /// The file cannot be opened or created.
    #[error(
        "{path}: cannot open the store ({reason}); check that its directory exists, and that the bot's user can write to both"
    )]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file was removed or replaced while the bot worked on it.
    #[error(
        "{0}: the store was removed or replaced while the bot runs; put the file back, or restart the bot to begin with the one that is there now"
    )]
    Replaced(PathBuf),
    /// Another program, not a bot, keeps the file locked for too long.
    #[error(
        "another program has locked the store ({0}); close it, for example a database tool or a backup. New messages and events wait until then"
    )]
    Locked(#[source] sqlx::Error),
    /// The file is not a database, or it is damaged.
    #[error("the store is damaged or not an SQLite database ({0}); move the file away or restore a backup")]
    Corrupt(#[source] sqlx::Error),
    /// The disk is full.
    #[error("the store's disk is full; free some space. Nothing is lost, but new alerts wait until then")]
    Full(String),
    /// Written by a newer release, or by hand.
    #[error("the store cannot be migrated to this release: {0}; run the release that wrote it last")]
    Migrate(#[source] MigrateError),
    /// PostgreSQL does not know the user, or the password is wrong.
    #[error(
        "the database refuses the login ({0}); correct the user, the password and the sslmode in store.url, or pg_hba.conf"
    )]
    Login(String),
    /// PostgreSQL has no such database.
    #[error("{0}; create it, for example: createdb --owner=USER DATABASE")]
    NoDatabase(String),
    /// The database of PostgreSQL cannot store every text, for example no emoji.
    #[error(
        "the database's encoding is {0}; create one with UTF8, for example: createdb --encoding=UTF8 --template=template0 DATABASE"
    )]
    Encoding(String),
    /// PostgreSQL accepts no more connections. A retry helps once others are closed.
    #[error("the database accepts no more connections ({0}); raise max_connections: a bot needs five")]
    TooManyConnections(String),
    /// PostgreSQL accepts no writes.
    #[error(
        "the database accepts no writes ({0}): it is a standby server, or set to read-only; name the primary server in store.url"
    )]
    ReadOnly(String),
    /// The user lacks a permission.
    #[error("the database denies permission ({0}); make the bot's user the owner of the database")]
    NotPermitted(String),
    /// PostgreSQL is starting or stopping. A retry helps.
    #[error("the database is starting or stopping ({0}); nothing is lost, the bot tries again")]
    Restarting(String),
    /// No secure connection can be established.
    #[error(
        "no secure connection to the database ({0}); check sslmode and sslrootcert in store.url, and the server's certificate"
    )]
    Tls(String),
    /// The server does not answer. A retry may help.
    #[error(
        "the database cannot be reached ({0}); check the host and the port in store.url, and whether the server is running"
    )]
    Unreachable(String),
    /// No connection was available in time: the server accepts none, or all are in use. A retry helps.
    #[error(
        "no connection to the database was available in time; /readyz and the status page say why if this persists"
    )]
    NoConnection,
    /// PostgreSQL is too old.
    #[error("PostgreSQL {found} is too old; use {oldest} or newer")]
    TooOld {
        /// The server's major version.
        found: i64,
        /// The oldest supported one.
        oldest: i64,
    },
    /// Another replica is active, or none is.
    #[error("this replica is not the active one")]
    NotActive,
    /// Anything else; a retry may help.
    #[error("the store failed: {0}")]
    Failed(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        match &error {
            sqlx::Error::Database(reported) => match reported.try_downcast_ref::<PgDatabaseError>() {
                Some(known) => of_postgres(known.code(), known.message()).unwrap_or(Self::Failed(error)),
                None => of_sqlite(error),
            },
            sqlx::Error::Tls(_) => Self::Tls(text),
            // A failed handshake is reported like this.
            sqlx::Error::Io(failed) if failed.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => {
                Self::Tls(text)
            }
            sqlx::Error::Io(_) => Self::Unreachable(text),
            sqlx::Error::PoolTimedOut => Self::NoConnection,
            _ => Self::Failed(error),
        }
    }
}

/// By PostgreSQL's SQLSTATE. `None` for codes without a variant of their own.
fn of_postgres(code: &str, message: &str) -> Option<StoreError> {
    let text = message.to_owned();
    Some(match code {
        "28P01" | "28000" => StoreError::Login(text),
        "3D000" => StoreError::NoDatabase(text),
        "53300" => StoreError::TooManyConnections(text),
        "53100" => StoreError::Full(text),
        "25006" => StoreError::ReadOnly(text),
        "42501" => StoreError::NotPermitted(text),
        "57P01" | "57P02" | "57P03" => StoreError::Restarting(text),
        _ => return None,
    })
}

fn of_sqlite(error: sqlx::Error) -> StoreError {
    // Primary result codes of SQLite: 5 BUSY, 11 CORRUPT, 13 FULL, 26 NOTADB; extended codes carry them in the low byte.
    let code = error
        .as_database_error()
        .and_then(|error| error.code())
        .and_then(|code| code.parse::<u32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(5) => StoreError::Locked(error),
        Some(11 | 26) => StoreError::Corrupt(error),
        Some(13) => StoreError::Full(error.to_string()),
        _ => StoreError::Failed(error),
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Migrate(other),
        }
    }
}
