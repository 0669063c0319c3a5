//! How far each watched room was read, by the server's clock.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sqlx::{Any, Executor, any::AnyArguments, query::Query};

use super::rows::{Flag, Millis, key, millis};
use super::{AlertId, Store, StoreError};
use crate::alerting::NamedRooms;
use rocketchat::RoomId;

/// How far a watched room was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomProgress {
    /// Watched since: nothing older ever alerts.
    pub since: Timestamp,
    /// Read up to this `_updatedAt`.
    pub cursor: Timestamp,
    /// Whether the cursor stays while [`Progress::read_until`] advances, because the room could not be read.
    pub is_behind: bool,
}

/// How far all rooms were read. A room's own row is only written if it differs from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The watched rooms.
    #[serde(skip)]
    pub rooms: HashMap<RoomId, RoomProgress>,
    /// Every room that is not behind was read up to here.
    pub read_until: Option<Timestamp>,
    /// Every watched room that existed at this time is known.
    pub listed_until: Option<Timestamp>,
    /// When the first session of this installation began.
    pub first_session: Option<Timestamp>,
    /// The fingerprint of the triggers that messages are judged by.
    pub triggers: Option<i64>,
    /// Since when these triggers apply.
    pub judged_since: Option<Timestamp>,
    /// The newest alert of the triggers before.
    pub judged_after: Option<AlertId>,
}

pub(super) const SET_FACT: &str =
    "INSERT INTO fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The facts, both JSON: a [`Progress`] without its rooms, and [`NamedRooms`].
const PROGRESS: &str = "progress";
pub(super) const NAMED_ROOMS: &str = "named_rooms";

/// A fact that is JSON; the default if it was never stored.
pub(super) async fn fact<T: DeserializeOwned + Default>(
    database: impl Executor<'_, Database = Any>,
    name: &str,
) -> Result<T, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT value FROM fact WHERE name = $1").bind(name);
    let value: Option<String> = query.fetch_optional(database).await?;
    match value {
        Some(value) => serde_json::from_str(&value).map_err(|error| sqlx::Error::Decode(error.into())),
        None => Ok(T::default()),
    }
}

fn set_fact(
    name: &'static str,
    value: &impl Serialize,
) -> Result<Query<'static, Any, AnyArguments>, sqlx::Error> {
    let value = serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(sqlx::query(SET_FACT).bind(name).bind(value))
}

impl Store {
    /// How far all rooms were read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn progress(&self) -> Result<Progress, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let rows = sqlx::query_as("SELECT id, since, cursor, is_behind FROM room");
        let rows: Vec<(String, Millis, Millis, Flag)> =
            self.run(rows.fetch_all(&mut *snapshot.connection)).await?;
        let rooms = rows.into_iter().map(|(id, since, cursor, is_behind)| {
            let (since, cursor, is_behind) = (since.into(), cursor.into(), is_behind.into());
            (RoomId::new(id), RoomProgress { since, cursor, is_behind })
        });
        Ok(Progress { rooms: rooms.collect(), ..self.run(fact(&mut *snapshot.connection, PROGRESS)).await? })
    }

    /// Writes the rows of these rooms, and the facts. A room without a row is no longer watched: it is forgotten, so that messages
    /// written there meanwhile never raise alerts.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn save_progress(
        &self,
        rooms: &[(RoomId, Option<RoomProgress>)],
        facts: &Progress,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for (room, progress) in rooms {
            let Some(progress) = progress else {
                tx.execute(sqlx::query("DELETE FROM room WHERE id = $1").bind(key(room.as_str()))).await?;
                continue;
            };
            let save = sqlx::query(
                "INSERT INTO room (id, since, cursor, is_behind) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE \
                 SET since = excluded.since, cursor = excluded.cursor, is_behind = excluded.is_behind",
            )
            .bind(key(room.as_str()))
            .bind(millis(progress.since))
            .bind(millis(progress.cursor))
            .bind(i64::from(progress.is_behind));
            tx.execute(save).await?;
        }
        tx.execute(set_fact(PROGRESS, facts)?).await?;
        tx.commit().await
    }

    /// The rooms that the names in the configuration last resolved to.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn named_rooms(&self) -> Result<NamedRooms, StoreError> {
        self.run(fact(&self.readers, NAMED_ROOMS)).await
    }

    /// Replaces the rooms that the names in the configuration last resolved to.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn save_named_rooms(&self, named: &NamedRooms) -> Result<(), StoreError> {
        self.execute(set_fact(NAMED_ROOMS, named)?).await.map(drop)
    }
}
