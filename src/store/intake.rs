//! The transaction that settles messages: their alerts and replies are committed together.

use std::time::Duration;

use jiff::Timestamp;

use super::engine::Tx;
use super::rows::{key, millis, text};
use super::{Alert, AlertId, AlertState, NewAlert, NewDelivery, Store, StoreError, outbox};
use rocketchat::{MessageId, RoomId};

pub(super) const PAGED_WITHIN: &str = "SELECT 1 FROM alert WHERE trigger_name = $1 AND room_id = $2 \
    AND state IN ('queued', 'sent') AND created_at > $3 AND created_at <= $4 LIMIT 1";

pub(super) const HAD_ALERT: &str = "SELECT 1 FROM alert WHERE message_id = $1 AND id <= $2 LIMIT 1";

impl Store {
    /// Starts to settle messages. Every other write waits until this is committed or dropped. So do nothing slow in
    /// between, and no other write in the same task: it would wait for itself.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn intake(&self) -> Result<Intake<'_>, StoreError> {
        Ok(Intake { store: self, tx: self.write().await?, now: Timestamp::now() })
    }
}

/// Messages being settled. All of it takes effect on [`Intake::commit`].
#[derive(Debug)]
pub struct Intake<'a> {
    store: &'a Store,
    tx: Tx,
    now: Timestamp,
}

impl Intake<'_> {
    /// Whether the trigger alerted in the room within `period`. Suppressed alerts do not count, or a steady flood would be
    /// suppressed forever; nor do those that were given up, because they paged nobody.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn alerted_within(
        &mut self,
        period: Duration,
        trigger: &str,
        room: &RoomId,
    ) -> Result<bool, StoreError> {
        let paged = sqlx::query(PAGED_WITHIN)
            .bind(key(trigger))
            .bind(key(room.as_str()))
            .bind(millis(self.now - period))
            .bind(millis(self.now));
        self.tx.finds(paged).await
    }

    /// Adds an alert in the given state. Returns `None` if the pair of message and trigger already has one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_alert(
        &mut self,
        alert: &NewAlert,
        state: AlertState,
    ) -> Result<Option<Alert>, StoreError> {
        let now = millis(self.now);
        // Not ON CONFLICT, because that uses up a row number, which people see.
        let add = sqlx::query_as(
            "INSERT INTO alert (message_id, trigger_name, room_id, thread_id, author, external_id, state, created_at, settled_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9 \
             WHERE NOT EXISTS (SELECT 1 FROM alert WHERE message_id = $1 AND trigger_name = $2) RETURNING *",
        )
        .bind(key(alert.message.as_str()))
        .bind(key(&alert.trigger))
        .bind(key(alert.room.as_str()))
        .bind(key(alert.thread.as_str()))
        .bind(alert.author.as_deref().map(text))
        .bind(key(&alert.external_id))
        .bind(state.name())
        .bind(now)
        .bind((state != AlertState::Queued).then_some(now));
        self.store.run(add.fetch_optional(&mut *self.tx.connection)).await
    }

    /// Whether there is an alert of that message, and not only newer ones than `until`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn had_alert(&mut self, id: &MessageId, until: Option<AlertId>) -> Result<bool, StoreError> {
        let until = until.unwrap_or(AlertId(i64::MAX));
        self.tx.finds(sqlx::query(HAD_ALERT).bind(key(id.as_str())).bind(until)).await
    }

    /// Adds a row to the outbox.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn add_delivery(&mut self, delivery: &NewDelivery) -> Result<(), StoreError> {
        outbox::insert(&mut self.tx, delivery, self.now).await
    }

    /// Commits the transaction, and wakes the workers.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.tx.commit().await?;
        self.store.changed();
        Ok(())
    }
}
