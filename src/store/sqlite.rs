//! SQLite: a file, which one process uses.

use std::fmt::Display;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, Connection, Executor};

use tracing::warn;

use super::{Condition, StoreError, database::Held};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Queries that can run concurrently.
const READERS: u32 = 3;
/// FULL: a commit survives a power failure, not only a crash of this process. Promise 3 depends on it. A connection keeps 512
/// KiB of pages in memory, because the frequent queries read few pages.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -512;";

/// A commit that copies the log into the file syncs twice more while an alert waits, so `Store::checkpoint` copies it beforehand.
/// This many pages of 4 KiB are the limit if that is not enough.
const LATE_CHECKPOINTS: &str = "PRAGMA wal_autocheckpoint = 10000;";
/// How to read a file that nobody writes. SQLite then creates no other file.
const IMMUTABLE: &str = "mode=ro&immutable=1";
/// The offset of the user version in a database file, a number that SQLite does not use itself.
const USER_VERSION: u64 = 60;

/// Opens the file. SQLite allows one writer at a time, so one connection writes, and tasks queue for it in order. So none of them
/// finds the database locked by another one or waits for a backoff, and readers never wait for the writer.
pub(super) async fn open(
    path: &Path,
    busy_timeout: Duration,
) -> Result<(AnyPool, AnyPool, Held), StoreError> {
    let options = options(path, "mode=rwc")?;
    let is_new = !path.exists();
    // Only for the bot's user, because it has texts of messages. SQLite creates its other files with the same mode.
    let mut lock =
        hold(path, OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600))?;
    if is_new {
        warn!(path = %path.display(), "created a new store; if the bot ran before, its open alerts are in another store");
    }
    // Tried without a pool first, because a pool retries.
    let mut first = AnyConnection::connect_with(&options).await?;
    set_up(&mut first, busy_timeout, "").await?;
    MIGRATIONS.run(&mut first).await?;
    lock.mark(&mut first).await?;
    first.close().await?;
    let writer = pool(1, busy_timeout, options.clone(), LATE_CHECKPOINTS).await?;
    let readers = pool(READERS, busy_timeout, options, "PRAGMA query_only = ON;").await?;
    Ok((writer, readers, Held::Sqlite(lock)))
}

/// A pool of connections that are never closed early: unlike a server, a file does not become unreachable.
async fn pool(
    connections: u32,
    busy_timeout: Duration,
    options: AnyConnectOptions,
    more: &'static str,
) -> Result<AnyPool, sqlx::Error> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(busy_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| Box::pin(set_up(connection, busy_timeout, more)))
        // If the disk is full, SQLite rolls back by itself. The ROLLBACK that sqlx sends then fails, and sqlx considers the
        // connection to be in a transaction forever, so it could not begin another one.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .connect_with(options)
        .await
}

async fn set_up(
    connection: &mut AnyConnection,
    busy_timeout: Duration,
    more: &str,
) -> Result<(), sqlx::Error> {
    // The timeout first: changing the journal may have to wait.
    let settings = format!("PRAGMA busy_timeout = {}; {SETTINGS} {more}", busy_timeout.as_millis());
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings))).await?;
    Ok(())
}

/// The database file, locked for as long as the process lives, so that two bots cannot page twice.
///
/// The lock is that of flock(2) on the file itself: it works for every path to the file, and needs no lock file that could be
/// removed. SQLite's own locks are those of fcntl(2), and independent.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    /// The mark of this process in the file's header. `None` if another program kept SQLite from writing it.
    mark: Option<[u8; 4]>,
}

impl Lock {
    /// Marks the file with a new number, so that an older copy of it is recognized as another file.
    async fn mark(&mut self, database: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let mark: i32 = rand::random();
        // Before a checkpoint, it is only in the log.
        let set = format!("PRAGMA user_version = {mark}; PRAGMA wal_checkpoint");
        database.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(set))).await?;
        let mark = mark.to_be_bytes();
        self.mark = (self.header().ok() == Some(mark)).then_some(mark);
        Ok(())
    }

    /// The user version in the file's header. Read through the open file: closing another one would free SQLite's locks.
    fn header(&self) -> io::Result<[u8; 4]> {
        let mut mark = [0; 4];
        self.file.read_exact_at(&mut mark, USER_VERSION)?;
        Ok(mark)
    }

    /// Fails if the file was removed, replaced or overwritten, because further writes would be lost.
    pub(super) fn check_in_place(&self) -> Result<(), StoreError> {
        let identity = |file: io::Result<Metadata>| file.ok().map(|file| (file.dev(), file.ino()));
        let is_marked = self.mark.is_none_or(|mark| self.header().is_ok_and(|header| header == mark));
        match is_marked && identity(fs::metadata(&self.path)) == identity(self.file.metadata()) {
            true => Ok(()),
            false => Err(StoreError::Known(format!(
                "{}: the store was removed or replaced while the bot runs; put the file back, or restart the bot to begin with the one that is there now",
                self.path.display()
            ))),
        }
    }
}

/// Locks the file.
fn hold(path: &Path, how: &OpenOptions) -> Result<Lock, StoreError> {
    let file = how.open(path).map_err(|error| cannot_open(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { path: path.to_owned(), file, mark: None }),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.display().to_string())),
        Err(TryLockError::Error(error)) => Err(cannot_open(path, &error)),
    }
}

pub(super) fn cannot_open(path: &Path, error: &impl Display) -> StoreError {
    StoreError::Known(format!(
        "{}: cannot open the store ({error}); check that its directory exists, and that the bot's user can write to both",
        path.display()
    ))
}

/// The URL by which sqlx's `Any` driver opens the file.
fn options(path: &Path, mode: &str) -> Result<AnyConnectOptions, StoreError> {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');
    // `Url` would resolve `..`, which is wrong after a symbolic link, and parses the first part as a host.
    let directory = path.parent().filter(|directory| *directory != Path::new("")).unwrap_or(Path::new("."));
    let directory = directory.canonicalize().map_err(|error| cannot_open(path, &error))?;
    let full = directory.join(path.file_name().unwrap_or_default());
    let encoded = percent_encode(full.as_os_str().as_encoded_bytes(), PLAIN);
    Ok(format!("sqlite://{encoded}?{mode}").parse()?)
}

/// A connection that creates no file.
pub(super) async fn connect_read_only(path: &Path) -> Result<AnyConnection, StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // An existing log has the newest rows.
    let mode = if Path::new(&log).exists() { "mode=ro" } else { IMMUTABLE };
    Ok(AnyConnection::connect_with(&options(path, mode)?).await?)
}

/// The condition of the file. Nothing is created or changed.
pub(super) async fn inspect(path: &Path) -> Result<Condition, StoreError> {
    // Held until the end, so that no bot starts to write meanwhile.
    let _lock = match hold(path, OpenOptions::new().read(true).write(true)) {
        Ok(lock) => Some(lock),
        Err(StoreError::InUse(_)) => return Ok(Condition::InUse),
        Err(_) if !path.exists() => None,
        Err(error) => return Err(error),
    };
    // SQLite creates its journal in the same directory, so an existing file is not enough.
    try_directory(path).map_err(|error| cannot_open(path, &error))?;
    if !path.exists() {
        return Ok(Condition::New);
    }
    let mut database = AnyConnection::connect_with(&options(path, IMMUTABLE)?).await?;
    let known = check_version(&mut database).await;
    database.close().await?;
    known.map(|()| Condition::Usable)
}

/// Whether a file can be created in the database's directory.
fn try_directory(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".check-{}", std::process::id()));
    OpenOptions::new().create(true).truncate(true).write(true).open(&name)?;
    fs::remove_file(name)
}

async fn check_version(database: &mut AnyConnection) -> Result<(), StoreError> {
    const MIGRATED: &str = "SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    if sqlx::query(MIGRATED).fetch_optional(&mut *database).await?.is_none() {
        return Ok(());
    }
    super::inspect::check_version(database, &MIGRATIONS).await
}
