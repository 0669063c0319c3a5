//! The errors of the store.

use std::fmt::Display;

use sqlx::{migrate::MigrateError, postgres::PgDatabaseError};

/// A failure of the store, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another bot works on the same file or database.
    #[error(
        "{0}: another signl4-rocketchat is already running on this store; stop it, or give this one a store of its own"
    )]
    InUse(String),
    /// Written by a newer release, or by hand.
    #[error("the store cannot be migrated to this release: {0}; run the release that wrote it last")]
    Migrate(#[source] MigrateError),
    /// Another replica is active, or none is.
    #[error("this replica is not the active one")]
    NotActive,
    /// A failure whose cause is known: what it is, and what to do about it.
    #[error("{0}")]
    Known(String),
    /// Anything else; a retry may help.
    #[error("the store failed: {0}")]
    Failed(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let known = match &error {
            sqlx::Error::Database(reported) => match reported.try_downcast_ref::<PgDatabaseError>() {
                Some(reported) => of_postgres(reported.code(), reported.message()),
                None => of_sqlite(&error),
            },
            sqlx::Error::Tls(_) => Some(not_secure(&error)),
            // A failed handshake is reported like this.
            sqlx::Error::Io(failed) if failed.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => {
                Some(not_secure(&error))
            }
            sqlx::Error::Io(_) => Some(format!(
                "the database cannot be reached ({error}); check the host and the port in store.url, and whether the server is running"
            )),
            // The server accepts none, or all are in use.
            sqlx::Error::PoolTimedOut => Some(
                "no connection to the database was available in time; /readyz and the status page say why if this persists"
                    .to_owned(),
            ),
            _ => None,
        };
        known.map_or_else(|| Self::Failed(error), Self::Known)
    }
}

/// No secure connection to PostgreSQL can be established.
pub(super) fn not_secure(reason: impl Display) -> String {
    format!(
        "no secure connection to the database ({reason}); check sslmode and sslrootcert in store.url, and the server's certificate"
    )
}

/// PostgreSQL accepts no writes.
pub(super) fn read_only(reason: &str) -> String {
    format!(
        "the database accepts no writes ({reason}): it is a standby server, or set to read-only; name the primary server in store.url"
    )
}

/// PostgreSQL's user lacks a permission.
pub(super) fn not_permitted(reason: &str) -> String {
    format!("the database denies permission ({reason}); make the bot's user the owner of the database")
}

fn full() -> String {
    "the store's disk is full; free some space. Nothing is lost, but new alerts wait until then".to_owned()
}

/// By PostgreSQL's SQLSTATE.
fn of_postgres(code: &str, message: &str) -> Option<String> {
    Some(match code {
        "28P01" | "28000" => format!(
            "the database refuses the login ({message}); correct the user, the password and the sslmode in store.url, or pg_hba.conf"
        ),
        "3D000" => format!("{message}; create it, for example: createdb --owner=USER DATABASE"),
        "53300" => format!(
            "the database accepts no more connections ({message}); raise max_connections: a bot needs five"
        ),
        "53100" => full(),
        "25006" => read_only(message),
        "42501" => not_permitted(message),
        "57P01" | "57P02" | "57P03" => {
            format!("the database is starting or stopping ({message}); nothing is lost, the bot tries again")
        }
        _ => return None,
    })
}

fn of_sqlite(error: &sqlx::Error) -> Option<String> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    // Primary result codes; extended ones carry them in the low byte.
    match code & 0xff {
        // BUSY: another program, not a bot, keeps the file locked for too long.
        5 => Some(format!(
            "another program has locked the store ({error}); close it, for example a database tool or a backup. New messages and events wait until then"
        )),
        // CORRUPT and NOTADB.
        11 | 26 => Some(format!(
            "the store is damaged or not an SQLite database ({error}); move the file away or restore a backup"
        )),
        // FULL.
        13 => Some(full()),
        _ => None,
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
