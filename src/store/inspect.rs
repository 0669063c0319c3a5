//! Inspects a store without opening it: whether the bot could use it now.
//!
//! Nothing is created, migrated or recovered, because the inspecting user may not be the bot's user: a file that belongs to root
//! would lock the bot out.

use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, Connection};

use super::rooms::{NAMED_ROOMS, fact};
use super::rows::millis;
use super::status::{Callbacks, LAST_ALERT_OF, LastAlert, callbacks};
use super::{Queue, Store, StoreError, StoreUrl, postgres, sqlite};
use crate::alerting::NamedRooms;

/// The condition of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It does not exist yet; it will be created.
    New,
    /// It exists and can be used.
    Usable,
    /// A bot is using it.
    InUse,
}

impl Store {
    /// Inspects a store. A running bot is not disturbed.
    ///
    /// # Errors
    /// Why [`Store::open`] would fail.
    pub async fn inspect(url: &StoreUrl) -> Result<Condition, StoreError> {
        sqlx::any::install_default_drivers();
        match url {
            StoreUrl::Sqlite(path) => sqlite::inspect(path).await,
            StoreUrl::Postgres(url) => postgres::inspect(url).await,
        }
    }

    /// Whether SIGNL4 calls back, and the last settled alert of each queue. A running bot is not disturbed.
    ///
    /// # Errors
    /// When the store does not exist or cannot be read.
    pub async fn inspect_alerts(url: &StoreUrl) -> Result<(Callbacks, Vec<(Queue, LastAlert)>), StoreError> {
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

    /// The bodies of the notifications received since then. A running bot is not disturbed.
    ///
    /// # Errors
    /// When the store does not exist or cannot be read.
    pub async fn received_events(url: &StoreUrl, since: Timestamp) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut database = connect_read_only(url).await?;
        let bodies =
            sqlx::query_scalar("SELECT body FROM event WHERE received_at >= $1 ORDER BY seq DESC LIMIT 1000")
                .bind(millis(since))
                .fetch_all(&mut database)
                .await?;
        database.close().await?;
        Ok(bodies)
    }

    /// The rooms that the names in the configuration last resolved to. A running bot is not disturbed.
    ///
    /// # Errors
    /// When the store does not exist or cannot be read.
    pub async fn inspect_named_rooms(url: &StoreUrl) -> Result<NamedRooms, StoreError> {
        let mut database = connect_read_only(url).await?;
        let named = fact(&mut database, NAMED_ROOMS).await;
        database.close().await?;
        Ok(named?)
    }
}

async fn connect_read_only(url: &StoreUrl) -> Result<AnyConnection, StoreError> {
    sqlx::any::install_default_drivers();
    match url {
        StoreUrl::Sqlite(path) => sqlite::connect_read_only(path).await,
        StoreUrl::Postgres(url) => postgres::connect_read_only(url).await,
    }
}

/// Whether this release knows every migration that was applied to the database.
pub(super) async fn check_version(
    database: &mut AnyConnection,
    migrations: &Migrator,
) -> Result<(), StoreError> {
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version")
        .fetch_all(database)
        .await?;
    match applied.into_iter().find(|version| !migrations.version_exists(*version)) {
        Some(version) => Err(MigrateError::VersionMissing(version).into()),
        None => Ok(()),
    }
}
