//! Opening the database, one bot at a time, and keeping it in shape.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{
    Connection, Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use super::{StoreError, rows::millis};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// How long a statement waits for another process, and a task for a connection.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Queries that are answered side by side.
const READERS: u32 = 3;
/// Pages that a connection keeps in memory: 512 KiB. What is asked at every step lies on few pages.
const PAGE_CACHE: &str = "-512";
/// Rows that one statement of the purge removes; between two statements other writers have their turn.
const PURGED_AT_ONCE: u32 = 500;

pub(super) const PURGE_DELIVERIES: &str =
    "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE settled_at < ? LIMIT ?)";
/// An alert stays as long as anything that belongs to it.
pub(super) const PURGE_ALERTS: &str = "DELETE FROM alert WHERE id IN (SELECT id FROM alert WHERE settled_at < ? \
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.alert_id = alert.id) LIMIT ?)";
pub(super) const PURGE_EVENTS: &str =
    "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE settled_at < ? LIMIT ?)";

/// The database. Clones share it; the file stays locked for this process until the last one is dropped.
///
/// SQLite knows one writer at a time. Here it has a connection of its own, for which tasks queue in order: none of them
/// ever meets a locked database or waits behind a backoff, and whoever only reads never waits for whoever writes.
/// While an [`Intake`](super::Intake) is open, every other write waits for it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    changes: watch::Sender<()>,
    _lock: Arc<File>,
}

impl Store {
    /// Opens the database of a `sqlite://` URL, creates it where there is none, and brings it to the newest form.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process holds it; otherwise why it cannot be used.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, BUSY_TIMEOUT).await
    }

    /// The same with another wait for a database that another process keeps locked.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_with(url: &str, busy_timeout: Duration) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)?;
        let path = options.get_filename().to_owned();
        let lock = lock(&path)?;
        Self::connect(options, lock, busy_timeout).await.map_err(|error| match error {
            StoreError::Failed(error) => StoreError::Open { path, reason: error.to_string() },
            known => known,
        })
    }

    async fn connect(
        options: SqliteConnectOptions,
        lock: File,
        busy_timeout: Duration,
    ) -> Result<Self, StoreError> {
        // FULL: a commit survives a power failure, not only a crash of this process. Promise 3 depends on it.
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", PAGE_CACHE)
            .busy_timeout(busy_timeout);
        let writer = pool(1, busy_timeout).connect_with(options.clone().create_if_missing(true)).await?;
        MIGRATIONS.run(&writer).await?;
        let readers = pool(READERS, busy_timeout).connect_with(options.pragma("query_only", "ON")).await?;
        let store = Self { writer, readers, changes: watch::Sender::new(()), _lock: Arc::new(lock) };
        store.check_writable().await?;
        Ok(store)
    }

    /// Tells when rows were added. Subscribe before asking for rows, so that none is missed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Starts a transaction that takes the write lock at once: were it held by another process, a later upgrade could
    /// fail half way.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Whether the store takes writes now.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO fact (name, value) VALUES ('checked_at', ?) ON CONFLICT DO UPDATE SET value = excluded.value")
            .bind(millis(Timestamp::now()))
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Removes deliveries and events settled before `settled`, and alerts settled before `alerts`. Returns how many rows went.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge(&self, settled: Timestamp, alerts: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (statement, before) in
            [(PURGE_DELIVERIES, settled), (PURGE_ALERTS, alerts), (PURGE_EVENTS, settled)]
        {
            removed += self.remove_all(statement, before).await?;
        }
        Ok(removed)
    }

    async fn remove_all(&self, statement: &'static str, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let purge = sqlx::query(statement).bind(millis(before)).bind(PURGED_AT_ONCE);
            let now = purge.execute(&self.writer).await?.rows_affected();
            removed += now;
            if now < u64::from(PURGED_AT_ONCE) {
                return Ok(removed);
            }
        }
    }

    /// Waits for the last writes and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// A pool of connections that are kept for good: a file does not go away as a server does.
fn pool(connections: u32, busy_timeout: Duration) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(busy_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        // Where the disk is full SQLite rolls back by itself. The ROLLBACK that sqlx sends then fails, and sqlx takes the
        // connection to be in a transaction for ever: it could begin no other one.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
}

/// Locks a file beside the database for as long as the process lives, so that two bots cannot page twice.
fn lock(path: &Path) -> Result<File, StoreError> {
    hold(path, OpenOptions::new().create(true).truncate(false).write(true))
}

/// The file beside the database whose lock tells that a bot works on it.
pub(super) fn lock_file(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Takes the lock of the database at `path`, opening its file in the given way.
pub(super) fn hold(path: &Path, how: &OpenOptions) -> Result<File, StoreError> {
    let failed =
        |error: std::io::Error| StoreError::Open { path: path.to_owned(), reason: error.to_string() };
    let file = how.open(lock_file(path)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
