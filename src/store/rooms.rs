//! How far each watched room was read, by the server's clock.

use std::collections::HashMap;

use jiff::Timestamp;

use super::rows::{Flag, Millis, key, millis, timestamp};
use super::{AlertId, Store, StoreError};
use crate::alerting::NamedRooms;
use rocketchat::RoomId;

/// How far a watched room was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RoomProgress {
    /// Watched since: nothing older ever alerts.
    #[sqlx(try_from = "Millis")]
    pub since: Timestamp,
    /// Read up to this `_updatedAt`.
    #[sqlx(try_from = "Millis")]
    pub cursor: Timestamp,
    /// Whether the cursor stays while [`Progress::read_until`] advances, because the room could not be read.
    #[sqlx(try_from = "Flag")]
    pub is_behind: bool,
}

#[derive(sqlx::FromRow)]
struct Room {
    id: String,
    #[sqlx(flatten)]
    progress: RoomProgress,
}

/// How far all rooms were read. A room's own row is only written if it differs from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The watched rooms.
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

/// The names of the facts about reading rooms.
const READ_UNTIL: &str = "read_until";
const LISTED_UNTIL: &str = "listed_until";
const FIRST_SESSION: &str = "first_session";
const TRIGGERS: &str = "triggers";
const JUDGED_SINCE: &str = "judged_since";
const JUDGED_AFTER: &str = "judged_after";

pub(super) async fn named_rooms(
    database: impl sqlx::Executor<'_, Database = sqlx::Any>,
) -> Result<NamedRooms, StoreError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT entry, room_id FROM named_room").fetch_all(database).await?;
    Ok(rows.into_iter().map(|(entry, room)| (entry, RoomId::new(room))).collect())
}

impl Store {
    /// How far all rooms were read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn progress(&self) -> Result<Progress, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let rooms: Vec<Room> = sqlx::query_as("SELECT * FROM room").fetch_all(snapshot.run()).await?;
        let facts: Vec<(String, i64)> =
            sqlx::query_as("SELECT name, value FROM fact").fetch_all(snapshot.run()).await?;
        let number = |wanted| facts.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
        let fact = |wanted| number(wanted).map(timestamp);
        Ok(Progress {
            rooms: rooms.into_iter().map(|room| (RoomId::new(room.id), room.progress)).collect(),
            read_until: fact(READ_UNTIL),
            listed_until: fact(LISTED_UNTIL),
            first_session: fact(FIRST_SESSION),
            triggers: number(TRIGGERS),
            judged_since: fact(JUDGED_SINCE),
            judged_after: number(JUDGED_AFTER).map(AlertId),
        })
    }

    /// Writes the rows of these rooms, and all facts that are set.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn save_progress(
        &self,
        rooms: &[(RoomId, RoomProgress)],
        facts: &Progress,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for (room, progress) in rooms {
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
        for (name, value) in [
            (READ_UNTIL, facts.read_until.map(millis)),
            (LISTED_UNTIL, facts.listed_until.map(millis)),
            (FIRST_SESSION, facts.first_session.map(millis)),
            (TRIGGERS, facts.triggers),
            (JUDGED_SINCE, facts.judged_since.map(millis)),
            (JUDGED_AFTER, facts.judged_after.map(|alert| alert.0)),
        ] {
            if let Some(value) = value {
                tx.execute(sqlx::query(SET_FACT).bind(name).bind(value)).await?;
            }
        }
        tx.commit().await
    }

    /// Forgets a room that is no longer watched, so that messages written there meanwhile never raise alerts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_room(&self, room: &RoomId) -> Result<(), StoreError> {
        let forget = sqlx::query("DELETE FROM room WHERE id = $1").bind(key(room.as_str()));
        self.execute(forget).await.map(drop)
    }

    /// The rooms that the names in the configuration last resolved to.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn named_rooms(&self) -> Result<NamedRooms, StoreError> {
        named_rooms(self.reader()).await
    }

    /// Replaces the rooms that the names in the configuration last resolved to.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn save_named_rooms(&self, named: &NamedRooms) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        tx.execute(sqlx::query("DELETE FROM named_room")).await?;
        for (entry, room) in named {
            let insert = sqlx::query("INSERT INTO named_room (entry, room_id) VALUES ($1, $2)");
            tx.execute(insert.bind(key(entry)).bind(key(room.as_str()))).await?;
        }
        tx.commit().await
    }

    /// Whether a room is watched.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn watches_room(&self, room: &RoomId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM room WHERE id = $1").bind(key(room.as_str()));
        Ok(row.fetch_optional(self.reader()).await?.is_some())
    }
}
