//! Opens the database for one bot at a time, and purges and checkpoints it.

use std::path::Path;
use std::sync::{Arc, atomic::Ordering};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::{Any, AnyPool, any::AnyArguments, query::Query};
use tokio::sync::watch;

use super::engine::{Guard, Tx};
use super::replica::Replica;
use super::rooms::SET_FACT;
use super::rows::millis;
use super::{DeliveryId, StoreError, StoreUrl, postgres, sqlite};

/// How long a statement waits for another process, and a task for a connection.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Rows that one purge statement deletes. Between two of them, other writers get their turn.
const PURGED_AT_ONCE: u32 = 500;

pub(super) const PURGE_DELIVERIES: &str =
    "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE settled_at < $1 LIMIT $2)";
/// An alert is kept as long as it has deliveries.
pub(super) const PURGE_ALERTS: &str = "DELETE FROM alert WHERE id IN (SELECT id FROM alert WHERE settled_at < $1 \
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.alert_id = alert.id) LIMIT $2)";
pub(super) const PURGE_EVENTS: &str =
    "DELETE FROM event WHERE seq IN (SELECT seq FROM event WHERE settled_at < $1 LIMIT $2)";
/// The others are deleted with their alerts.
pub(super) const PURGE_LEARNED_IDS: &str = "DELETE FROM learned_event_id WHERE event_id IN \
    (SELECT event_id FROM learned_event_id WHERE alert_id IS NULL AND created_at < $1 LIMIT $2)";

/// The database. Clones share it; it stays locked for this process until the last one is dropped.
///
/// One connection writes, and others only read. While an [`Intake`](super::Intake) is open, every other write of this process
/// waits for it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) writer: AnyPool,
    pub(super) readers: AnyPool,
    /// Rows whose claim failed at its commit: it may be committed, but no worker has them.
    pub(super) uncertain_claims: Arc<tokio::sync::Mutex<Vec<(DeliveryId, u32)>>>,
    guard: Guard,
    changes: watch::Sender<()>,
    held: Arc<Held>,
}

/// What reserves the store for this process.
#[derive(Debug)]
pub(super) enum Held {
    Sqlite(sqlite::Lock),
    Postgres(Box<Replica>),
}

impl Store {
    /// Opens the database for this process alone, and migrates it. A missing SQLite file is created.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process uses it; otherwise why it cannot be used.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        let store = Self::open_as_replica(url, BUSY_TIMEOUT).await?;
        if store.take_over().await? { Ok(store) } else { Err(StoreError::InUse(url.to_string())) }
    }

    /// Opens the database like [`Store::open`], but PostgreSQL only as a standby until [`Store::take_over`]. `busy_timeout` is how
    /// long a statement waits while another process has the file locked.
    ///
    /// # Errors
    /// Why it cannot be used; [`StoreError::InUse`] if another process uses the file.
    pub async fn open_as_replica(url: &StoreUrl, busy_timeout: Duration) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let changes = watch::Sender::new(());
        // SQLite waits only for the disk and for its busy timeout; the connection to a server may break at any time.
        let (limit, (writer, readers, held)) = match url {
            StoreUrl::Sqlite(path) => {
                let opened = sqlite::open(path, busy_timeout).await;
                (Duration::MAX, opened.map_err(|error| of_file(path, error))?)
            }
            StoreUrl::Postgres(url) => {
                (postgres::STATEMENT_LIMIT, postgres::open(url, busy_timeout, changes.clone()).await?)
            }
        };
        let guard = Guard { limit, is_full: Arc::default() };
        let held = Arc::new(held);
        let store = Self { writer, readers, uncertain_claims: Arc::default(), guard, changes, held };
        if let StoreUrl::Sqlite(path) = url {
            store.check_writable().await.map_err(|error| of_file(path, error))?;
        }
        Ok(store)
    }

    /// Notifies when rows were added. Subscribe before querying, so that none is missed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Runs a statement, in a transaction or on its own.
    pub(super) async fn run<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        self.guard.run(statement).await
    }

    /// This process as one of several replicas; `None` for SQLite.
    pub(super) fn replica(&self) -> Option<&Replica> {
        match &*self.held {
            Held::Sqlite(_) => None,
            Held::Postgres(replica) => Some(replica),
        }
    }

    /// Starts a transaction that writes. Fails unless this replica is active.
    pub(super) async fn write(&self) -> Result<Tx, StoreError> {
        let mut tx = self.write_in_any_role().await?;
        if let Some(replica) = self.replica() {
            replica.check_term(&mut tx).await?;
        }
        Ok(tx)
    }

    /// Starts a write transaction that is also allowed on a standby. SQLite takes the write lock at once, because a later upgrade
    /// can fail in the middle if another process holds the lock.
    pub(super) async fn write_in_any_role(&self) -> Result<Tx, StoreError> {
        let begin = match &*self.held {
            Held::Sqlite(lock) => lock.check_in_place().map(|()| "BEGIN IMMEDIATE")?,
            Held::Postgres(_) => "BEGIN",
        };
        Tx::begin(&self.writer, begin, self.guard.clone()).await
    }

    /// Runs one statement in a transaction of its own. Returns how many rows it changed.
    pub(super) async fn execute(&self, statement: Query<'_, Any, AnyArguments>) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let rows = tx.execute(statement).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// Starts a transaction whose statements all see the same snapshot.
    pub(super) async fn snapshot(&self) -> Result<Tx, StoreError> {
        let begin = match &*self.held {
            Held::Sqlite(_) => "BEGIN",
            Held::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Tx::begin(&self.readers, begin, self.guard.clone()).await
    }

    /// Whether the store takes writes now.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        match &*self.held {
            Held::Sqlite(_) => self.try_write().await,
            Held::Postgres(replica) => {
                postgres::or_why_not(&replica.url, self.try_write()).await?;
                self.try_space().await
            }
        }
    }

    /// After the disk was full: whether there is space again. An update does not show that, because PostgreSQL finds room for it
    /// in the table's existing pages.
    async fn try_space(&self) -> Result<(), StoreError> {
        if !self.guard.is_full.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut tx = self.write_in_any_role().await?;
        // Incompressible, and large enough to need new pages.
        let body: Vec<u8> = (0_u32..2048).flat_map(|part| Sha256::digest(part.to_be_bytes())).collect();
        tx.execute(
            sqlx::query("INSERT INTO event (id, body, received_at) VALUES ('space', $1, 0)").bind(body),
        )
        .await?;
        drop(tx);
        self.guard.is_full.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn try_write(&self) -> Result<(), StoreError> {
        let mut tx = self.write_in_any_role().await?;
        tx.execute(sqlx::query(SET_FACT).bind("checked_at").bind(Timestamp::now().to_string())).await?;
        tx.commit().await
    }

    /// Copies committed changes from SQLite's log into its file while nobody waits for that. PostgreSQL does this itself.
    ///
    /// # Errors
    /// When the store fails, or if its file was replaced; then nothing is copied.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        if let Held::Sqlite(lock) = &*self.held {
            lock.check_in_place()?;
            self.run(sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_all(&self.readers)).await?;
        }
        Ok(())
    }

    /// Deletes deliveries and events settled before `settled`, and alerts settled (and `eventId`s learned) before `alerts`. Returns
    /// the number of deleted rows.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge(&self, settled: Timestamp, alerts: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (statement, before) in [
            (PURGE_DELIVERIES, settled),
            (PURGE_ALERTS, alerts),
            (PURGE_LEARNED_IDS, alerts),
            (PURGE_EVENTS, settled),
        ] {
            let mut batch = u64::from(PURGED_AT_ONCE);
            while batch == u64::from(PURGED_AT_ONCE) {
                let purge = sqlx::query(statement).bind(millis(before)).bind(i64::from(PURGED_AT_ONCE));
                batch = self.execute(purge).await?;
                removed += batch;
            }
        }
        Ok(removed)
    }

    /// Waits for the last writes, lets another replica take over, and closes the connections.
    pub async fn close(&self) {
        self.writer.close().await;
        if let Some(replica) = self.replica() {
            replica.resign().await;
        }
        self.readers.close().await;
    }
}

/// Adds the file's path to an error.
fn of_file(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Failed(error) => sqlite::cannot_open(path, &error),
        known => known,
    }
}
