//! Opening the database, one bot at a time, and keeping it in shape.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use super::{StoreError, rows::millis};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// How long a statement waits for another writer, and a task for a connection.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Readers that work while one writes.
const CONNECTIONS: u32 = 4;

/// The database. Clones share it; the file stays locked for this process until the last one is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) pool: SqlitePool,
    changes: watch::Sender<()>,
    _lock: Arc<File>,
}

impl Store {
    /// Opens the database of a `sqlite://` URL, creates it where there is none, brings it to the newest form, and takes
    /// up what the last run left half done.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process holds it; otherwise why it cannot be used.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)?;
        let path = options.get_filename().to_owned();
        let lock = lock(&path)?;
        // FULL: a commit survives a power failure, not only a crash of this process. Promise 3 depends on it.
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(|error| match StoreError::from(error) {
                StoreError::Failed(error) => StoreError::Open { path, reason: error.to_string() },
                known => known,
            })?;
        MIGRATIONS.run(&pool).await?;
        let store = Self { pool, changes: watch::Sender::new(()), _lock: Arc::new(lock) };
        store.recover().await?;
        Ok(store)
    }

    /// A call that was under way when the last run ended may have raised an alert; its answer will never come.
    async fn recover(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE alert SET unanswered = unanswered + 1, in_flight = 0 WHERE in_flight = 1")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Tells when rows were added. Subscribe before asking for rows, so that none is missed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Starts a transaction that takes the write lock at once: a later upgrade could fail half way.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
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

    /// Removes settled alerts, deliveries and events older than `settled`, and digests of messages not seen since
    /// `seen`. Returns how many rows went.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge(&self, settled: Timestamp, seen: Timestamp) -> Result<u64, StoreError> {
        let statements = [
            ("DELETE FROM delivery WHERE state <> 'waiting' AND settled_at < ?", settled),
            (
                "DELETE FROM alert WHERE state <> 'queued' AND settled_at < ? \
                 AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.alert_id = alert.id)",
                settled,
            ),
            ("DELETE FROM event WHERE state = 'settled' AND settled_at < ?", settled),
            ("DELETE FROM seen WHERE seen_at < ?", seen),
        ];
        let mut removed = 0;
        for (statement, before) in statements {
            removed += sqlx::query(statement).bind(millis(before)).execute(&self.pool).await?.rows_affected();
        }
        Ok(removed)
    }

    /// Waits for the last writes and closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Locks a file beside the database for as long as the process lives, so that two bots cannot page twice.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
    let failed =
        |error: std::io::Error| StoreError::Open { path: path.to_owned(), reason: error.to_string() };
    let file = opened.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
