//! Looks at a store without opening it: whether the bot could, were it started now.
//!
//! Nothing is created, migrated or taken up, for who looks may be another user than the one the bot runs as: a file that
//! belonged to root would lock the bot out.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    str::FromStr,
};

use jiff::Timestamp;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, migrate::MigrateError, sqlite::SqliteConnectOptions,
};

use super::{
    Queue, Store, StoreError,
    database::{MIGRATIONS, hold, lock_file},
    rooms::named_rooms,
    rows::millis,
    status::{Callbacks, LAST_ALERT_OF, LastAlert, callbacks},
};
use crate::alerting::NamedRooms;

/// How a store was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It is not there yet; it will be created.
    New,
    /// It is there and can be used.
    Usable,
    /// A bot works on it at this moment.
    InUse,
}

impl Store {
    /// Looks at the store of a `sqlite://` URL. Returns its file, and how it was found. A running bot is not disturbed.
    ///
    /// # Errors
    /// Why [`Store::open`] would fail.
    pub async fn inspect(url: &str) -> Result<(PathBuf, Condition), StoreError> {
        let options = SqliteConnectOptions::from_str(url)?;
        let path = options.get_filename().to_owned();
        let condition = inspect(&path, options).await?;
        Ok((path, condition))
    }

    /// Whether SIGNL4 calls back, and the alert of each queue that was settled last, as far as the store can be read. A running bot is
    /// not disturbed.
    pub async fn inspect_alerts(url: &str) -> (Callbacks, Vec<(Queue, LastAlert)>) {
        read_alerts(url).await.unwrap_or_default()
    }

    /// The bodies of the notifications that came since then, from the store of a bot that may run. It is not disturbed.
    ///
    /// # Errors
    /// When the store is not there or cannot be read.
    pub async fn received_events(url: &str, since: Timestamp) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut database = connect_read_only(url).await?;
        let bodies =
            sqlx::query_scalar("SELECT body FROM event WHERE received_at >= $1 ORDER BY seq DESC LIMIT 1000")
                .bind(millis(since))
                .fetch_all(&mut database)
                .await?;
        database.close().await?;
        Ok(bodies)
    }

    /// The rooms that the names in the configuration found last, as far as the store can be read. A running bot is not disturbed.
    pub async fn inspect_named_rooms(url: &str) -> NamedRooms {
        read_named_rooms(url).await.unwrap_or_default()
    }
}

async fn read_alerts(url: &str) -> Result<(Callbacks, Vec<(Queue, LastAlert)>), StoreError> {
    const QUEUES: &str =
        "SELECT DISTINCT queue FROM delivery WHERE kind = 'alert' AND settled_at IS NOT NULL";
    let mut database = connect_read_only(url).await?;
    let callbacks = callbacks(&mut database).await?;
    let mut last = vec![];
    for queue in sqlx::query_scalar::<_, Queue>(QUEUES).fetch_all(&mut database).await? {
        let alert = sqlx::query_as(LAST_ALERT_OF).bind(&queue).fetch_optional(&mut database).await?;
        last.extend(alert.map(|alert| (queue, alert)));
    }
    database.close().await?;
    Ok((callbacks, last))
}

async fn read_named_rooms(url: &str) -> Result<NamedRooms, StoreError> {
    let mut database = connect_read_only(url).await?;
    let named = named_rooms(&mut database).await;
    database.close().await?;
    named
}

async fn connect_read_only(url: &str) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::from_str(url)?;
    let mut log = options.get_filename().as_os_str().to_owned();
    log.push("-wal");
    // Immutable: SQLite then creates no file beside it. A log that is there has the newest rows.
    let is_complete = !Path::new(&log).exists();
    Ok(options.read_only(true).immutable(is_complete).connect().await?)
}

async fn inspect(path: &Path, options: SqliteConnectOptions) -> Result<Condition, StoreError> {
    // Held until the end, so that no bot starts to write while we read.
    let _lock = match hold(path, OpenOptions::new().write(true)) {
        Ok(lock) => Some(lock),
        Err(StoreError::InUse { .. }) => return Ok(Condition::InUse),
        Err(_) if !lock_file(path).exists() => None,
        Err(error) => return Err(error),
    };
    let failed = |error: io::Error| StoreError::Open { path: path.to_owned(), reason: error.to_string() };
    // SQLite puts its journal beside the database, so an existing file is not enough.
    try_directory(path).map_err(failed)?;
    if !path.exists() {
        return Ok(Condition::New);
    }
    OpenOptions::new().write(true).open(path).map_err(failed)?;
    // Immutable: SQLite then creates no file beside it.
    let mut database = options.read_only(true).immutable(true).connect().await?;
    let known = check_version(&mut database).await;
    database.close().await?;
    known.map(|()| Condition::Usable)
}

/// Whether a file can be created beside the database.
fn try_directory(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".check-{}", std::process::id()));
    OpenOptions::new().create(true).truncate(true).write(true).open(&name)?;
    fs::remove_file(name)
}

/// Whether this release knows every migration that the database has seen.
async fn check_version(database: &mut SqliteConnection) -> Result<(), StoreError> {
    let (tables,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_one(&mut *database)
            .await?;
    if tables == 0 {
        return Ok(());
    }
    let applied: Vec<(i64,)> =
        sqlx::query_as("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(database).await?;
    match applied.into_iter().find(|(version,)| !MIGRATIONS.version_exists(*version)) {
        Some((version,)) => Err(MigrateError::VersionMissing(version).into()),
        None => Ok(()),
    }
}
