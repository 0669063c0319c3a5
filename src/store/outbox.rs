//! The outbox: rows that wait for their destination, drained queue by queue.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::{
    Alert, AlertId, Delivery, NewDelivery, Queue, Store, StoreError, inbox,
    rows::{millis, timestamp},
};
use signl4::EventId;

/// No wait that the program ever asks for is longer. A row that would wait longer was written before the clock was set
/// back, and is due.
const LONGEST_WAIT: Duration = Duration::from_secs(2 * 3600);

/// The next row of a queue.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This one, now.
    Due(Delivery),
    /// None before this time.
    At(Timestamp),
    /// None at all.
    Empty,
}

/// What came of trying a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It arrived.
    Delivered,
    /// It never will.
    Failed {
        /// Why, for a person.
        reason: String,
    },
    /// It stays in the outbox.
    Retry {
        /// Not before this time.
        at: Timestamp,
        /// Why, for a person; `None` where nothing is wrong with it but its turn.
        reason: Option<String>,
    },
}

/// What came of it for its alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertChange {
    /// SIGNL4 took it, and named it so.
    Sent(Option<EventId>),
    /// It is given up.
    NotSent,
    /// It stays queued; the call may have raised it all the same.
    StillQueued {
        /// Whether the call may have raised an alert.
        maybe_raised: bool,
    },
}

/// The oldest row of a queue that is due and free. It is free where no older one of its ordering waits.
pub(super) const DUE: &str = "SELECT * FROM delivery WHERE id = (SELECT d.id FROM delivery d \
    WHERE d.queue = ?1 AND d.state = 'waiting' AND (d.not_before <= ?2 OR d.not_before > ?3) AND NOT EXISTS \
    (SELECT 1 FROM delivery e WHERE e.queue = d.queue AND e.ordering = d.ordering AND e.state = 'waiting' AND e.id < d.id) \
    ORDER BY d.id LIMIT 1)";
pub(super) const EARLIEST: &str = "SELECT min(d.not_before) FROM delivery d WHERE d.queue = ?1 AND d.state = 'waiting' \
    AND NOT EXISTS \
    (SELECT 1 FROM delivery e WHERE e.queue = d.queue AND e.ordering = d.ordering AND e.state = 'waiting' AND e.id < d.id)";
pub(super) const LATE: &str = "SELECT * FROM alert WHERE state = 'queued' AND told_waiting = 0 AND created_at < ? \
    ORDER BY created_at, id LIMIT 200";
/// The alert's own queue is that of its oldest row: replies about it come later.
pub(super) const WAITING_BECAUSE: &str = "SELECT w.last_error FROM delivery w \
    WHERE w.state = 'waiting' AND w.last_error IS NOT NULL AND w.queue = \
    (SELECT d.queue FROM delivery d WHERE d.alert_id = ? AND d.state = 'waiting' ORDER BY d.id LIMIT 1) \
    ORDER BY w.id LIMIT 1";
pub(super) const ADOPT: &str = "UPDATE delivery SET queue = ?1, not_before = 0 WHERE state = 'waiting' AND queue NOT IN (SELECT value FROM json_each(?2)) \
    RETURNING alert_id";
pub(super) const HURRY: &str = "UPDATE delivery SET not_before = 0 WHERE state = 'waiting' AND queue = ?";
pub(super) const WAITING_IN: &str = "SELECT count(*) FROM delivery WHERE queue = ? AND state = 'waiting'";

impl Store {
    /// The oldest row of a queue that may leave now. A row waits while an older one of the same ordering does.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next_delivery(&self, queue: &Queue, now: Timestamp) -> Result<Next, StoreError> {
        let due: Option<Delivery> = sqlx::query_as(DUE)
            .bind(queue.as_str())
            .bind(millis(now))
            .bind(millis(now + LONGEST_WAIT))
            .fetch_optional(&self.readers)
            .await?;
        if let Some(delivery) = due {
            return Ok(Next::Due(delivery));
        }
        let (earliest,): (Option<i64>,) =
            sqlx::query_as(EARLIEST).bind(queue.as_str()).fetch_one(&self.readers).await?;
        Ok(earliest.map_or(Next::Empty, |at| Next::At(timestamp(at))))
    }

    /// Notes that a call for the alert is about to be made. After a crash in the middle this is what tells that it
    /// may have been raised.
    ///
    /// # Errors
    /// When the store fails; then the call must not be made.
    pub async fn mark_in_flight(&self, alert: AlertId) -> Result<(), StoreError> {
        sqlx::query("UPDATE alert SET in_flight = 1 WHERE id = ?")
            .bind(alert.0)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Writes down what came of a delivery, for its alert too, and puts what follows from it into the outbox: all or
    /// nothing. Nothing happens where the delivery is settled already.
    ///
    /// # Errors
    /// When the store fails; then nothing holds.
    pub async fn settle_delivery(
        &self,
        delivery: &Delivery,
        settlement: &Settlement,
        change: Option<&AlertChange>,
        then: &[NewDelivery],
    ) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let mut tx = self.write().await?;
        if !settle(&mut tx, delivery, settlement, now).await? {
            return Ok(());
        }
        if let (Some(alert), Some(change)) = (delivery.alert, change) {
            change_alert(&mut tx, alert, change, now).await?;
        }
        for next in then {
            insert(&mut tx, next, now).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// The alert of that row.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        Ok(sqlx::query_as("SELECT * FROM alert WHERE id = ?")
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?)
    }

    /// Alerts queued before `since` whose threads were not yet told that they are late; the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn late_alerts(&self, since: Timestamp) -> Result<Vec<Alert>, StoreError> {
        Ok(sqlx::query_as(LATE).bind(millis(since)).fetch_all(&self.readers).await?)
    }

    /// Notes that an alert's thread is told of the delay, and puts the reply, if there is one, into the outbox: once.
    /// Nothing happens where the alert went out meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn tell_late(&self, alert: AlertId, reply: Option<&NewDelivery>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let told = sqlx::query(
            "UPDATE alert SET told_waiting = 1 WHERE id = ? AND state = 'queued' AND told_waiting = 0",
        )
        .bind(alert.0)
        .execute(&mut *tx)
        .await?;
        if let (1, Some(reply)) = (told.rows_affected(), reply) {
            insert(&mut tx, reply, Timestamp::now()).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Why the queue of a queued alert does not move, in the words of the last attempt at its oldest row that failed.
    /// `None` where nothing is wrong but that it is not the alert's turn.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting_because(&self, alert: AlertId) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> =
            sqlx::query_as(WAITING_BECAUSE).bind(alert.0).fetch_optional(&self.readers).await?;
        Ok(row.and_then(|(error,)| error))
    }

    /// Moves what waits in queues that no longer exist into another one, where it is due at once. Returns the alert of
    /// each row that moved.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn adopt_orphans(
        &self,
        queues: &[Queue],
        into: &Queue,
    ) -> Result<Vec<Option<AlertId>>, StoreError> {
        let known = serde_json::Value::from(queues.iter().map(Queue::as_str).collect::<Vec<_>>()).to_string();
        let moved: Vec<(Option<i64>,)> =
            sqlx::query_as(ADOPT).bind(into.as_str()).bind(known).fetch_all(&self.writer).await?;
        if !moved.is_empty() {
            self.changed();
        }
        Ok(moved.into_iter().map(|(alert,)| alert.map(AlertId)).collect())
    }

    /// Makes due what waits in a queue: whatever it waits for is no longer so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn hurry(&self, queue: &Queue) -> Result<(), StoreError> {
        sqlx::query(HURRY).bind(queue.as_str()).execute(&self.writer).await?;
        self.changed();
        Ok(())
    }

    /// How many rows wait in a queue.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting_in(&self, queue: &Queue) -> Result<u64, StoreError> {
        let (count,): (i64,) =
            sqlx::query_as(WAITING_IN).bind(queue.as_str()).fetch_one(&self.readers).await?;
        Ok(count.unsigned_abs())
    }
}

pub(super) async fn insert(
    tx: &mut Transaction<'static, Sqlite>,
    delivery: &NewDelivery,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO delivery (queue, ordering, body, alert_id, not_before, created_at) VALUES (?, ?, ?, ?, 0, ?)",
    )
    .bind(delivery.queue.as_str())
    .bind(&delivery.ordering)
    .bind(delivery.body.to_string())
    .bind(delivery.alert.map(|alert| alert.0))
    .bind(millis(now))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// `false` where it is settled already.
async fn settle(
    tx: &mut Transaction<'static, Sqlite>,
    delivery: &Delivery,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, not_before, reason) = match settlement {
        Settlement::Delivered => ("delivered", now, None),
        Settlement::Failed { reason } => ("failed", now, Some(reason)),
        Settlement::Retry { at, reason } => ("waiting", *at, reason.as_ref()),
    };
    let settled = sqlx::query(
        "UPDATE delivery SET state = ?, attempts = attempts + 1, not_before = ?, last_error = ?, settled_at = ? \
         WHERE id = ? AND state = 'waiting'",
    )
    .bind(state)
    .bind(millis(not_before))
    .bind(reason)
    .bind((state != "waiting").then_some(millis(now)))
    .bind(delivery.id.0)
    .execute(&mut **tx)
    .await?;
    Ok(settled.rows_affected() == 1)
}

async fn change_alert(
    tx: &mut Transaction<'static, Sqlite>,
    alert: AlertId,
    change: &AlertChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (state, event_id, unanswered) = match change {
        // Taken without a name: for finding its thread this is as if no answer had come.
        AlertChange::Sent(event_id) => ("sent", event_id.as_ref().map(EventId::as_str), event_id.is_none()),
        AlertChange::NotSent => ("not_sent", None, false),
        AlertChange::StillQueued { maybe_raised } => ("queued", None, *maybe_raised),
    };
    sqlx::query(
        "UPDATE alert SET state = ?, event_id = ?, unanswered = unanswered + ?, in_flight = 0, settled_at = ? WHERE id = ?",
    )
    .bind(state)
    .bind(event_id)
    .bind(unanswered)
    .bind((state != "queued").then_some(millis(now)))
    .bind(alert.0)
    .execute(&mut **tx)
    .await?;
    inbox::hurry(tx).await
}
