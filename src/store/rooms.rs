//! The watched rooms: since when, and how far each was read, by the server's clock.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::{
    Store, StoreError,
    rows::{millis, timestamp},
};
use rocketchat::RoomId;

/// How far a watched room was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Watched since: nothing older ever alerts.
    pub since: Timestamp,
    /// Read up to this `_updatedAt`.
    pub cursor: Timestamp,
}

impl Store {
    /// The progress of every room that was ever watched.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn progress(&self) -> Result<HashMap<RoomId, Progress>, StoreError> {
        let rows: Vec<(String, i64, i64)> =
            sqlx::query_as("SELECT id, since, cursor FROM room").fetch_all(&self.readers).await?;
        let progress = |since, cursor| Progress { since: timestamp(since), cursor: timestamp(cursor) };
        Ok(rows.into_iter().map(|(id, since, cursor)| (RoomId::new(id), progress(since, cursor))).collect())
    }

    /// Starts to watch a room from a time on; one that is watched already stays as it is. Returns since when it is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn watch_room(&self, room: &RoomId, since: Timestamp) -> Result<Timestamp, StoreError> {
        let (since,): (i64,) = sqlx::query_as(
            "INSERT INTO room (id, since, cursor) VALUES (?1, ?2, ?2) \
             ON CONFLICT (id) DO UPDATE SET since = since RETURNING since",
        )
        .bind(room.as_str())
        .bind(millis(since))
        .fetch_one(&self.writer)
        .await?;
        Ok(timestamp(since))
    }

    /// Notes that everything written up to this time is settled in every watched room but those in `except`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn advance_cursors(&self, to: Timestamp, except: &[RoomId]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        advance(&mut tx, to, except).await?;
        Ok(tx.commit().await?)
    }

    /// The same where every watched room is known: one that is found later was not there before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_settled_until(&self, at: Timestamp, except: &[RoomId]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        advance(&mut tx, at, except).await?;
        sqlx::query(
            "INSERT INTO fact (name, value) VALUES ('settled_until', ?) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(millis(at))
        .execute(&mut *tx)
        .await?;
        sqlx::query("DELETE FROM fact WHERE name = 'set_back'").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// Up to when everything is settled, by the server's clock; `None` before the first session.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn settled_until(&self) -> Result<Option<Timestamp>, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT value FROM fact WHERE name = 'settled_until'")
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|(at,)| timestamp(at)))
    }

    /// When the first session of all began, by the server's clock: the given time, where there was none before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn first_session(&self, begun: Timestamp) -> Result<Timestamp, StoreError> {
        let (at,): (i64,) = sqlx::query_as(
            "INSERT INTO fact (name, value) VALUES ('first_session', ?) \
             ON CONFLICT (name) DO UPDATE SET value = value RETURNING value",
        )
        .bind(millis(begun))
        .fetch_one(&self.writer)
        .await?;
        Ok(timestamp(at))
    }

    /// Forgets a room that is no longer watched, so that what is said there meanwhile never alerts.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_room(&self, room: &RoomId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM room WHERE id = ?").bind(room.as_str()).execute(&self.writer).await?;
        Ok(())
    }

    /// Since when a room is watched; `None` where it is not.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn watched_since(&self, room: &RoomId) -> Result<Option<Timestamp>, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT since FROM room WHERE id = ?")
            .bind(room.as_str())
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|(since,)| timestamp(since)))
    }

    /// Moves a room's cursor forward, once everything up to there is settled; it never moves back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn advance_cursor(&self, room: &RoomId, to: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE room SET cursor = max(cursor, ?) WHERE id = ?")
            .bind(millis(to))
            .bind(room.as_str())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

async fn advance(
    tx: &mut Transaction<'static, Sqlite>,
    to: Timestamp,
    except: &[RoomId],
) -> Result<(), StoreError> {
    let except = serde_json::Value::from(except.iter().map(RoomId::as_str).collect::<Vec<_>>()).to_string();
    sqlx::query(
        "UPDATE room SET cursor = ?1 WHERE cursor < ?1 AND id NOT IN (SELECT value FROM json_each(?2))",
    )
    .bind(millis(to))
    .bind(except)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
