//! Which of several replicas on one PostgreSQL database is active. On SQLite, it is the process that has the file locked.
//!
//! The active replica holds an advisory lock in a session of its own and sends a query in it every [`HEARTBEAT`]; the server
//! ends a session that is idle for [`SILENCE`]. Each replica that gets the lock begins a new term, which every write checks,
//! and no call to SIGNL4 begins later than [`LEASE`] after the last answered heartbeat was sent. So a replica that is stopped,
//! hangs or is disconnected stops by itself before another one starts, independent of the machines' clocks.

use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use sqlx::{Connection, Executor, PgConnection, migrate::MigrateError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::engine::{Tx, no_answer, within};
use super::postgres::{LOCK, MIGRATIONS, SETTINGS, STATEMENT_LIMIT, listen};
use super::rows::millis;
use super::{PostgresUrl, Store, StoreError};

/// How often the active replica sends a query, and checks for events of a standby whose notification was lost.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long after its last heartbeat it may begin a call. Shorter than [`SILENCE`], which counts from the server's answer.
const LEASE: Duration = Duration::from_secs(6);
/// `idle_session_timeout`: the server then ends the session.
const SILENCE: Duration = Duration::from_secs(9);
/// How long one query may take, and connecting.
const LIMIT: Duration = Duration::from_secs(3);
/// How soon the active replica retries an unreachable database: before any standby does, so that the roles do not change.
const RETURN: Duration = Duration::from_millis(500);
/// How long a replica that could not connect waits once it can: the previously active one has priority.
const AFTER_FAILURE: Duration = Duration::from_secs(4);
/// How long the migrations may take in total. Each statement has the limit of the session.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60);

/// This process as one of several replicas.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) url: PostgresUrl,
    /// Wakes the tasks that wait for changes.
    changes: watch::Sender<()>,
    _listening: AbortOnDropHandle<()>,
    name: String,
    /// The session that holds the lock, or tries to get it.
    pub(super) session: tokio::sync::Mutex<Option<PgConnection>>,
    standing: Mutex<Standing>,
}

/// What a replica knows of its role.
#[derive(Debug, Default)]
struct Standing {
    /// The term in which this process is active; `None` until it is.
    term: Option<i64>,
    /// Whether its last try to take over failed with an error.
    has_failed: bool,
    /// Until when calls may begin.
    lease: Option<Instant>,
    /// Why the last heartbeat failed, until one succeeds.
    lost_because: Option<String>,
}

impl Replica {
    pub(super) fn new(url: PostgresUrl, changes: watch::Sender<()>) -> Self {
        let listening = AbortOnDropHandle::new(tokio::spawn(listen(url.clone(), changes.clone())));
        Self {
            url,
            changes,
            _listening: listening,
            name: name(),
            session: tokio::sync::Mutex::default(),
            standing: Mutex::default(),
        }
    }

    fn term(&self) -> Option<i64> {
        self.standing.lock().term
    }

    /// Fails unless this process is active. No other term begins until the transaction ends.
    pub(super) async fn check_term(&self, tx: &mut Tx) -> Result<(), StoreError> {
        const HOLD: &str = "SELECT 1 FROM term WHERE number = $1 FOR SHARE";
        match tx.finds(sqlx::query(HOLD).bind(self.term().unwrap_or(-1))).await? {
            true => Ok(()),
            false => Err(StoreError::NotActive),
        }
    }

    /// Takes the lock if it is free, and begins a term.
    async fn take_over(&self) -> Result<bool, StoreError> {
        let mut session = self.session.lock().await;
        let has_failed = self.standing.lock().has_failed;
        if has_failed {
            self.connected(&mut session).await?;
            self.standing.lock().has_failed = false;
            sleep(AFTER_FAILURE).await;
        }
        let asked = Instant::now();
        let taken = self.begin_term(&mut session).await;
        match &taken {
            Ok(Some(term)) => {
                let mut standing = self.standing.lock();
                (standing.term, standing.lease) = (Some(*term), Some(asked + LEASE));
                info!(term, "this replica is active");
            }
            Ok(None) => {}
            // It may be in any state. Closing it frees the lock.
            Err(_) => {
                *session = None;
                self.standing.lock().has_failed = true;
            }
        }
        Ok(taken?.is_some())
    }

    async fn begin_term(&self, session: &mut Option<PgConnection>) -> Result<Option<i64>, StoreError> {
        const HAS_TABLES: &str = "SELECT 1 WHERE to_regclass('term') IS NOT NULL";
        const BEGIN: &str = "UPDATE term SET number = number + 1, replica = $1, began_at = $2 \
            WHERE version <= $3 RETURNING number";
        const IS_NEWER: &str = "SELECT version FROM term";
        let session = self.connected(session).await?;
        if !try_lock(session).await? {
            return Ok(None);
        }
        if within(LIMIT, session.fetch_optional(HAS_TABLES)).await?.is_none() {
            migrate(session).await?;
        }
        // Before the migrations, so that the previous replica does not write to tables that it does not know.
        let version = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        let begin = sqlx::query_scalar(BEGIN).bind(&self.name).bind(millis(Timestamp::now())).bind(version);
        // It waits for transactions of the previous term.
        let Some(number) = within(STATEMENT_LIMIT, begin.fetch_optional(&mut *session)).await? else {
            let newer = within(LIMIT, sqlx::query_scalar(IS_NEWER).fetch_one(session)).await?;
            return Err(MigrateError::VersionMissing(newer).into());
        };
        migrate(session).await?;
        let is_migrated = sqlx::query("UPDATE term SET version = $1").bind(version);
        within(LIMIT, is_migrated.execute(session)).await?;
        Ok(Some(number))
    }

    /// Shows the server that this replica is alive. Returns `false` if another term has begun.
    async fn heartbeat(&self) -> Result<bool, StoreError> {
        let mut session = self.session.lock().await;
        let asked = Instant::now();
        let held = self.holds_term(&mut session).await;
        match &held {
            Ok((true, true)) => self.standing.lock().lease = Some(asked + LEASE),
            Ok((false, _)) => {}
            // Without the lock: either the server has not ended the lost session yet, or another term is about to begin.
            Ok((true, false)) | Err(_) => *session = None,
        }
        Ok(held?.0)
    }

    /// Whether this replica's term is the current one, and whether it has the lock.
    async fn holds_term(&self, session: &mut Option<PgConnection>) -> Result<(bool, bool), StoreError> {
        const TERM: &str = "SELECT number, EXISTS (SELECT 1 FROM event WHERE state = 'waiting') FROM term";
        let is_new = session.is_none();
        let session = self.connected(session).await?;
        let has_lock = !is_new || try_lock(session).await?;
        let (current, events_wait): (i64, bool) =
            within(LIMIT, sqlx::query_as(TERM).fetch_one(session)).await?;
        if events_wait {
            // A standby may have stored them, and the notification may be lost.
            self.changes.send_replace(());
        }
        Ok((self.term() == Some(current), has_lock))
    }

    /// Frees the lock at once, because the server may end a closed session only later.
    pub(super) async fn resign(&self) {
        if let Some(mut session) = self.session.lock().await.take() {
            let unlock = sqlx::query("SELECT pg_advisory_unlock_all()");
            let _ = within(LIMIT, unlock.execute(&mut session)).await;
            let _ = within(LIMIT, session.close()).await;
        }
    }

    async fn connected<'a>(
        &self,
        session: &'a mut Option<PgConnection>,
    ) -> Result<&'a mut PgConnection, StoreError> {
        let connection = match session.take() {
            Some(connection) => connection,
            None => {
                let mut new = within(LIMIT, PgConnection::connect_with(&self.url.options()?)).await?;
                let settings = format!("{SETTINGS}; SET idle_session_timeout = {}", SILENCE.as_millis());
                within(LIMIT, new.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings)))).await?;
                new
            }
        };
        Ok(session.insert(connection))
    }
}

/// Migrates the tables.
async fn migrate(session: &mut PgConnection) -> Result<(), StoreError> {
    let migrated = timeout(MIGRATION_LIMIT, MIGRATIONS.run_direct(None, session, false)).await;
    Ok(migrated.unwrap_or(Err(MigrateError::Execute(no_answer())))?)
}

async fn try_lock(session: &mut PgConnection) -> Result<bool, StoreError> {
    let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK);
    Ok(within(LIMIT, lock.fetch_one(session)).await?)
}

/// The name of this replica, for people: its machine or container, and its process.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{} (process {})", host.trim(), std::process::id())
}

impl Store {
    /// Whether another replica raises the alerts and posts the replies. This one stores SIGNL4's events, and waits.
    pub fn is_standby(&self) -> bool {
        self.replica().is_some_and(|replica| replica.term().is_none())
    }

    /// Becomes active if no other replica is, and migrates the tables. Returns `false` if another one is active.
    ///
    /// # Errors
    /// When the store fails; [`StoreError::Migrate`] if a newer release has changed the tables.
    pub async fn take_over(&self) -> Result<bool, StoreError> {
        match self.replica() {
            None => Ok(true),
            Some(replica) => replica.take_over().await,
        }
    }

    /// Keeps the active role once this replica has it. Returns when another one has it.
    pub async fn keep_active(&self) {
        let Some(replica) = self.replica() else { return std::future::pending().await };
        loop {
            let is_lost = replica.standing.lock().lost_because.is_some();
            sleep(if is_lost { RETURN } else { HEARTBEAT }).await;
            if replica.term().is_none() {
                continue;
            }
            let reason = match replica.heartbeat().await {
                Ok(true) => None,
                Ok(false) => return,
                Err(error) => Some(error.to_string()),
            };
            let before = std::mem::replace(&mut replica.standing.lock().lost_because, reason.clone());
            match reason {
                None if before.is_some() => info!("the database answers again"),
                Some(error) if before.as_ref() != Some(&error) => {
                    warn!(%error, "the database does not answer; nothing is sent until it does");
                }
                _ => {}
            }
        }
    }

    /// Whether a call to SIGNL4 may begin now. To be checked right before it.
    pub fn may_call(&self) -> bool {
        match self.replica() {
            None => true,
            Some(replica) => replica.standing.lock().lease.is_some_and(|until| Instant::now() < until),
        }
    }

    /// How long ago this replica's lease expired, if it did, and why its heartbeat fails.
    pub(crate) fn lost_lease(&self) -> Option<(Duration, Option<String>)> {
        let standing = self.replica()?.standing.lock();
        let age = Instant::now().checked_duration_since(standing.lease?)?;
        Some((age, standing.lost_because.clone()))
    }

    /// The name of the active replica, for people; `None` for SQLite.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn active_replica(&self) -> Result<Option<String>, StoreError> {
        if self.replica().is_none() {
            return Ok(None);
        }
        self.run(sqlx::query_scalar("SELECT replica FROM term").fetch_optional(&self.readers)).await
    }
}
