//! Why the store could not do its part.

use std::path::PathBuf;

use sqlx::migrate::MigrateError;

/// A failure of the store, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another bot works on the same file.
    #[error(
        "{path}: another signl4-rocketchat is already running on this store; stop it, or give this one a store of its own"
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file cannot be opened or created.
    #[error(
        "{path}: cannot open the store ({reason}); check that its directory exists, and that both are writable to the user the bot runs as"
    )]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Another program, which is no bot, writes to the file and does not come to an end.
    #[error(
        "another program keeps the store locked ({0}); close it, be it a database tool or a backup. Until then what is new waits"
    )]
    Locked(#[source] sqlx::Error),
    /// The file is no database, or a damaged one.
    #[error("the store is damaged or no SQLite database ({0}); move the file away or restore a backup")]
    Corrupt(#[source] sqlx::Error),
    /// The disk is full.
    #[error("the store's disk is full; free some space, nothing is lost until then but new alerts wait")]
    Full(#[source] sqlx::Error),
    /// Written by a newer release, or by hand.
    #[error("the store cannot be brought to this release's form: {0}; run the release that wrote it last")]
    Migrate(#[source] MigrateError),
    /// Anything else; trying again may help.
    #[error("the store failed: {0}")]
    Failed(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // Primary result codes of SQLite: 5 BUSY, 11 CORRUPT, 13 FULL, 26 NOTADB; extended codes carry them in the low byte.
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .and_then(|code| code.parse::<u32>().ok())
            .map(|code| code & 0xff);
        match code {
            Some(5) => Self::Locked(error),
            Some(11 | 26) => Self::Corrupt(error),
            Some(13) => Self::Full(error),
            _ => Self::Failed(error),
        }
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
