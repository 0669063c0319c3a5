//! PostgreSQL: a server, which may be unreachable for a while.

use std::{pin::pin, time::Duration};

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::error::{not_permitted, not_secure, read_only};
use super::{Condition, PostgresUrl, StoreError, database::Held, engine::within, replica::Replica};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Queries that can run concurrently.
const READERS: u32 = 3;
/// An operation that takes longer may be waiting for a connection.
const SLOW: Duration = Duration::from_millis(500);
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a statement may take before its connection counts as dead. The server's own limit is shorter, so that its error
/// can arrive.
pub(super) const STATEMENT_LIMIT: Duration = Duration::from_secs(15);
/// The settings of every connection. A commit must be on disk, not only in memory; a stronger setting is kept. The server ends
/// what a disconnected process left behind.
pub(super) const SETTINGS: &str = "SET statement_timeout = '10s'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '10s'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')";
/// Additional setting for connections that only read.
const READ_ONLY: &str = "SET default_transaction_read_only = on";
/// The advisory lock of the active process: "signl4" in ASCII.
pub(super) const LOCK: i64 = 0x0073_6967_6e6c_3400;
/// The channel that the trigger of the table `event` notifies.
const CHANNEL: &str = "signl4_bot";
/// How often the listening connection is checked, and how soon it is replaced. Until then, the heartbeat of the active replica
/// finds the events.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);
/// Version 14 introduced `idle_session_timeout`.
const OLDEST: i64 = 140_000;

/// Runs an operation on a pool. If it takes long, a separate connection finds out whether the server is the reason, because a
/// pool retries without reporting the error.
pub(super) async fn or_why_not<T>(
    url: &PostgresUrl,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut work = pin!(work);
    if let Ok(done) = timeout(SLOW, &mut work).await {
        return done;
    }
    tokio::select! {
        done = &mut work => return done,
        connected = connect(url) => connected?.close().await?,
    }
    work.await
}

/// Connects to the database, whose tables may be missing. The pools reconnect by themselves after the server was
/// unreachable.
pub(super) async fn open(
    url: &PostgresUrl,
    acquire_timeout: Duration,
    changes: watch::Sender<()>,
) -> Result<(AnyPool, AnyPool, Held), StoreError> {
    // Tried without a pool first, because a pool retries.
    connect(url).await?.close().await?;
    // One connection writes.
    let writer = pool(1, acquire_timeout, "", url).await?;
    let readers = pool(READERS, acquire_timeout, READ_ONLY, url).await?;
    Ok((writer, readers, Held::Postgres(Box::new(Replica::new(url.clone(), changes)))))
}

async fn pool(
    connections: u32,
    acquire_timeout: Duration,
    more: &'static str,
    url: &PostgresUrl,
) -> Result<AnyPool, StoreError> {
    let pool = AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(is_alive(connection)))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                let settings = format!("{SETTINGS}; {more}");
                let set = connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings)));
                within(CONNECT_LIMIT, set).await?;
                Ok(())
            })
        })
        // Otherwise a broken connection would only be noticed when the system stops retransmitting.
        .after_release(|connection, _| Box::pin(is_alive(connection)));
    Ok(pool.connect_with(url.options()?).await?)
}

async fn is_alive(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    within(CONNECT_LIMIT, connection.ping()).await.map(|()| true)
}

/// A connection to a server that is new enough, and to a database that can store every text.
async fn connect(url: &PostgresUrl) -> Result<AnyConnection, StoreError> {
    for (name, path) in url.certificate_files() {
        if let Err(error) = std::fs::File::open(&path) {
            return Err(StoreError::Known(not_secure(format!("{name} {}: {error}", path.display()))));
        }
    }
    const SERVER: &str =
        "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding')";
    let mut connection = within(CONNECT_LIMIT, AnyConnection::connect_with(&url.options()?)).await?;
    let server = sqlx::query_as(SERVER).fetch_one(&mut connection);
    let (version, encoding): (i64, String) = within(CONNECT_LIMIT, server).await?;
    if version < OLDEST {
        let (found, oldest) = (version / 10_000, OLDEST / 10_000);
        return Err(StoreError::Known(format!("PostgreSQL {found} is too old; use {oldest} or newer")));
    }
    // SQL_ASCII takes any bytes.
    if encoding != "UTF8" && encoding != "SQL_ASCII" {
        return Err(StoreError::Known(format!(
            "the database's encoding is {encoding}; create one with UTF8, for example: createdb --encoding=UTF8 --template=template0 DATABASE"
        )));
    }
    Ok(connection)
}

/// A connection that cannot write.
pub(super) async fn connect_read_only(url: &PostgresUrl) -> Result<AnyConnection, StoreError> {
    let mut connection = connect(url).await?;
    let settings = sqlx::AssertSqlSafe(format!("{SETTINGS}; {READ_ONLY}"));
    within(CONNECT_LIMIT, connection.execute(sqlx::raw_sql(settings))).await?;
    Ok(connection)
}

/// The condition of the database. Nothing is changed.
pub(super) async fn inspect(url: &PostgresUrl) -> Result<Condition, StoreError> {
    // `reset_val` is the value from before this connection was set to read-only.
    const FACTS: &str = "SELECT pg_is_in_recovery(), \
        EXISTS (SELECT 1 FROM pg_settings WHERE name = 'default_transaction_read_only' AND reset_val = 'on'), \
        EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND classid::bigint = $1 >> 32 AND objid::bigint = $1 & 4294967295 AND objsubid = 1), \
        to_regclass('_sqlx_migrations') IS NOT NULL, \
        coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)";
    let mut database = connect_read_only(url).await?;
    let facts = sqlx::query_as(FACTS).bind(LOCK).fetch_one(&mut database);
    let (is_standby, is_read_only, is_locked, is_migrated, may_create): (bool, bool, bool, bool, bool) =
        within(STATEMENT_LIMIT, facts).await?;
    if is_standby {
        return Err(StoreError::Known(read_only("recovery is in progress")));
    }
    if is_read_only {
        return Err(StoreError::Known(read_only("default_transaction_read_only is on")));
    }
    let condition = match (is_locked, is_migrated) {
        (true, _) => Condition::InUse,
        (false, true) => Condition::Usable,
        (false, false) if may_create => Condition::New,
        (false, false) => {
            return Err(StoreError::Known(not_permitted("its user may not create tables")));
        }
    };
    if condition != Condition::New {
        super::inspect::check_version(&mut database, &MIGRATIONS).await?;
    }
    database.close().await?;
    Ok(condition)
}

/// Wakes the tasks that wait for changes whenever a replica stores an event.
pub(super) async fn listen(url: PostgresUrl, changes: watch::Sender<()>) {
    loop {
        if let Err(error) = follow(&url, &changes).await {
            debug!(%error, "the database sends no notifications");
        }
        sleep(LISTEN_AGAIN).await;
    }
}

/// Returns when the connection is lost; a notification may be lost with it.
async fn follow(url: &PostgresUrl, changes: &watch::Sender<()>) -> Result<(), StoreError> {
    // A new pool each time, because the listener's last connection may hang.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT_LIMIT);
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(url.options()?)).await?;
    listener.eager_reconnect(false);
    within(CONNECT_LIMIT, listener.listen(CHANNEL)).await?;
    changes.send_replace(());
    loop {
        match timeout(LISTEN_AGAIN, listener.try_recv()).await {
            Ok(Ok(Some(_))) => changes.send_replace(()),
            Ok(received) => return Ok(received.map(drop)?),
            Err(_) => _ = within(CONNECT_LIMIT, listener.execute("SELECT 1")).await?,
        }
    }
}
