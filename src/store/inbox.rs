//! The inbox: SIGNL4's notifications, from the moment before they are answered until a reply is queued for each.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{FromRow, Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    Alert, AlertId, NewDelivery, Store, StoreError, outbox,
    rows::{millis, timestamp},
};
use signl4::{AlertRef, EventId, NotificationId};

/// No notification is ever told to wait longer. One that would was postponed before the clock was set back, and is due.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(super) const DUE: &str = "SELECT * FROM event WHERE state = 'waiting' AND (not_before <= ? OR not_before > ?) \
    ORDER BY seq LIMIT 1";
pub(super) const EARLIEST: &str = "SELECT min(not_before) FROM event WHERE state = 'waiting'";
pub(super) const BY_EVENT: &str = "SELECT * FROM alert WHERE event_id = ? ORDER BY id DESC LIMIT 1";
pub(super) const BY_CLAIM: &str =
    "SELECT * FROM alert WHERE id = (SELECT alert_id FROM claim WHERE event_id = ?)";
/// An alert that never left, because of a cooldown, cannot be meant.
pub(super) const BY_EXTERNAL: &str =
    "SELECT * FROM alert WHERE external_id = ? AND state <> 'suppressed' ORDER BY id DESC LIMIT 2";
pub(super) const UNANSWERED: &str = "SELECT * FROM alert WHERE external_id = ? AND unanswered > 0 \
    ORDER BY event_id IS NOT NULL, id DESC LIMIT 1";
/// Few calls are under way at any time. A notification without an ExternalID may be about each of them.
pub(super) const IN_FLIGHT: &str =
    "SELECT EXISTS (SELECT 1 FROM alert WHERE in_flight = 1 AND (?1 IS NULL OR external_id = ?1))";

/// What was waited for may be known now. Here and in the outbox, 0 is at once, whatever the clock says.
pub(super) const HURRY: &str = "UPDATE event SET not_before = 0 WHERE state = 'waiting' AND not_before > 0";
/// Not for a call whose answer came meanwhile: whatever came later would pass.
pub(super) const POSTPONE: &str = "UPDATE event SET not_before = ?1 WHERE seq = ?2 AND EXISTS \
    (SELECT 1 FROM alert WHERE in_flight = 1 AND (?3 IS NULL OR external_id = ?3))";

/// A notification that waits to be correlated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its row.
    seq: i64,
    /// The body as SIGNL4 sent it.
    pub body: String,
    /// When it came.
    pub received_at: Timestamp,
}

impl FromRow<'_, SqliteRow> for StoredEvent {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            seq: row.try_get("seq")?,
            body: row.try_get("body")?,
            received_at: timestamp(row.try_get("received_at")?),
        })
    }
}

/// How a notification was settled, in short names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventOutcome<'a> {
    /// How its alert was found, or why it was not looked for.
    pub correlation: &'a str,
    /// The alert it is about.
    pub alert: Option<AlertId>,
    /// What happened to the alert.
    pub event_kind: &'a str,
    /// Who did it.
    pub actor: Option<&'a str>,
    /// SIGNL4's name for the alert, where a call raised it whose answer never came.
    pub claimed: Option<&'a EventId>,
}

/// The alerts a notification may be about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The alert SIGNL4 named so when it took it, or that claimed the name since.
    pub by_event: Option<Alert>,
    /// Up to two alerts with that ExternalID, the newest first: one, or more than one.
    pub by_external: Vec<Alert>,
    /// The newest alert with that ExternalID that may have been raised without our getting the answer.
    pub unanswered: Option<Alert>,
    /// Whether a call for an alert with that ExternalID is under way at this moment; any call, where it has none.
    pub in_flight: bool,
}

impl Store {
    /// Stores a notification. `false` where it is there already.
    ///
    /// # Errors
    /// When the store fails; then the notification must not be answered with 2xx.
    pub async fn receive_event(&self, id: &NotificationId, body: &str) -> Result<bool, StoreError> {
        let now = millis(Timestamp::now());
        let inserted = sqlx::query(
            "INSERT INTO event (id, body, not_before, received_at) VALUES (?, ?, 0, ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(body)
        .bind(now)
        .execute(&self.writer)
        .await?;
        self.changed();
        Ok(inserted.rows_affected() == 1)
    }

    /// The oldest notification that is due, or when the next one will be.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next_event(
        &self,
        now: Timestamp,
    ) -> Result<Result<StoredEvent, Option<Timestamp>>, StoreError> {
        let due: Option<StoredEvent> = sqlx::query_as(DUE)
            .bind(millis(now))
            .bind(millis(now + LONGEST_WAIT))
            .fetch_optional(&self.readers)
            .await?;
        if let Some(event) = due {
            return Ok(Ok(event));
        }
        let (at,): (Option<i64>,) = sqlx::query_as(EARLIEST).fetch_one(&self.readers).await?;
        Ok(Err(at.map(timestamp)))
    }

    /// The alerts that `alert` may mean.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn candidates(&self, alert: &AlertRef) -> Result<Candidates, StoreError> {
        let mut found = Candidates::default();
        // One snapshot: were the answer to the call stored between two of these, it would be in none of them.
        let mut snapshot = self.readers.begin().await?;
        if let Some(event_id) = &alert.event_id {
            for statement in [BY_EVENT, BY_CLAIM] {
                if found.by_event.is_none() {
                    let named = sqlx::query_as(statement).bind(event_id.as_str());
                    found.by_event = named.fetch_optional(&mut *snapshot).await?;
                }
            }
        }
        if let Some(external_id) = &alert.external_id {
            found.by_external =
                sqlx::query_as(BY_EXTERNAL).bind(external_id).fetch_all(&mut *snapshot).await?;
            found.unanswered =
                sqlx::query_as(UNANSWERED).bind(external_id).fetch_optional(&mut *snapshot).await?;
        }
        (found.in_flight,) =
            sqlx::query_as(IN_FLIGHT).bind(&alert.external_id).fetch_one(&mut *snapshot).await?;
        Ok(found)
    }

    /// Settles a notification, queues its reply, and keeps the name that it gives to an alert, if there are such: all or
    /// nothing.
    ///
    /// # Errors
    /// When the store fails; then nothing holds.
    pub async fn settle_event(
        &self,
        event: &StoredEvent,
        outcome: &EventOutcome<'_>,
        reply: Option<&NewDelivery>,
    ) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let mut tx = self.write().await?;
        let settled = sqlx::query(
            "UPDATE event SET state = 'settled', outcome = ?, alert_id = ?, event_kind = ?, actor = ?, settled_at = ? \
             WHERE seq = ? AND state = 'waiting'",
        )
        .bind(outcome.correlation)
        .bind(outcome.alert.map(|alert| alert.0))
        .bind(outcome.event_kind)
        .bind(outcome.actor)
        .bind(millis(now))
        .bind(event.seq)
        .execute(&mut *tx)
        .await?;
        if settled.rows_affected() == 1 {
            if let Some(reply) = reply {
                outbox::insert(&mut tx, reply, now).await?;
            }
            if let (Some(alert), Some(name)) = (outcome.alert, outcome.claimed) {
                claim(&mut tx, alert, name).await?;
            }
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Lets a notification wait for the answer to a call, as long as one is under way that it may be about. With the answer it becomes due again, so that notifications keep their order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn postpone_event(
        &self,
        event: &StoredEvent,
        alert: &AlertRef,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(POSTPONE)
            .bind(millis(until))
            .bind(event.seq)
            .bind(&alert.external_id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Makes due what waits for the answer to a call.
pub(super) async fn hurry(tx: &mut Transaction<'static, Sqlite>) -> Result<(), StoreError> {
    sqlx::query(HURRY).execute(&mut **tx).await?;
    Ok(())
}

/// Keeps an alert's name. A call raises one alert at the most, so one that was lost has found its own.
async fn claim(
    tx: &mut Transaction<'static, Sqlite>,
    alert: AlertId,
    name: &EventId,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO claim (event_id, alert_id) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(name.as_str())
        .bind(alert.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE alert SET unanswered = unanswered - 1 WHERE id = ? AND unanswered > 0")
        .bind(alert.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
