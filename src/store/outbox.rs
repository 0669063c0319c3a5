//! The outbox: rows to deliver, in one queue per destination.
//!
//! The store has the rows; their worker decides when to try them. A row is `waiting`, then `under_way` during an attempt, and is
//! kept until it is settled as delivered or failed.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Alert, AlertId, AlertState, Delivery, DeliveryId, DeliveryKind, NewDelivery, Queue, Store, StoreError,
    engine::Tx,
    rows::{key, millis, text},
};
use signl4::EventId;

/// A waiting row with no older open row of the same ordering.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Head {
    /// The row.
    pub id: DeliveryId,
    /// Earlier calls that may have raised its alert; zero if the row is not an alert.
    #[sqlx(try_from = "i64")]
    pub unanswered: u32,
    /// Attempts since the last outcome that ended in a panic or with the process.
    #[sqlx(try_from = "i64")]
    pub crashes: u32,
    /// Attempts so far.
    #[sqlx(try_from = "i64")]
    pub attempts: u32,
    /// The external ID of its alert; `None` if the row is not an alert.
    pub external_id: Option<String>,
    /// Starts of the bot since its last attempt, if it may have arrived.
    #[sqlx(try_from = "i64")]
    pub starts: u32,
}

/// The outcome of an attempt. For a row of kind alert, it is stored with the alert too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It arrived.
    Delivered {
        /// The alert's `eventId`, if SIGNL4 answered with one.
        event_id: Option<EventId>,
    },
    /// It was given up.
    Failed {
        /// Why, for a person.
        reason: String,
        /// Whether the last attempt may have arrived.
        may_have_arrived: bool,
    },
    /// It need not be delivered any more; nothing failed.
    Withdrawn {
        /// Why, for a person.
        reason: String,
    },
    /// It did not arrive and waits again.
    Retry {
        /// Why, for a person; `None` if it was only postponed.
        reason: Option<String>,
    },
    /// It may have arrived, and waits again.
    Unanswered {
        /// Why, for a person.
        reason: String,
    },
    /// The attempt panicked. It may have arrived, and waits again.
    Crashed {
        /// Why, for a person.
        reason: String,
    },
}

pub(super) const HEADS: &str = "SELECT d.id, d.crashes, d.attempts, d.starts, coalesce(a.unanswered, 0) AS unanswered, a.external_id \
    FROM delivery d \
    LEFT JOIN alert a ON a.id = d.alert_id AND d.kind = 'alert' \
    WHERE d.queue = $1 AND d.kind = $2 AND d.settled_at IS NULL AND d.state = 'waiting' AND NOT EXISTS \
    (SELECT 1 FROM delivery e WHERE e.queue = d.queue AND e.ordering = d.ordering AND e.settled_at IS NULL AND e.id < d.id) \
    ORDER BY d.id LIMIT $3";
/// Counted and committed before anything is sent. After a crash in the middle, it shows that the alert may have been
/// raised, and that the row may have caused the crash.
pub(super) const CLAIM: &str = "UPDATE delivery SET state = 'under_way', attempts = attempts + 1, starts = 0 \
    WHERE id = $1 AND state = 'waiting' RETURNING *";
pub(super) const FIRST_CALL: &str = "UPDATE alert SET first_call = (SELECT coalesce(max(first_call), 0) + 1 FROM alert) \
    WHERE id = $1 AND first_call IS NULL";
/// It finds the row by its ID alone. With the other conditions in WHERE, PostgreSQL would not wait for a claim whose commit is still in
/// progress, as on a stalled disk or without an answer of a synchronous standby, and the row would be under way for ever.
const RELEASE: &str = "UPDATE delivery SET \
    state = CASE WHEN attempts = $2 AND state = 'under_way' THEN 'waiting' ELSE state END, \
    attempts = CASE WHEN attempts = $2 AND state = 'under_way' THEN attempts - 1 ELSE attempts END WHERE id = $1";
pub(super) const UNDER_WAY: &str = "SELECT d.id FROM delivery d JOIN alert a ON a.id = d.alert_id \
    WHERE d.state = 'under_way' AND d.kind = 'alert' AND ($1 IS NULL OR a.external_id = $1)";
pub(super) const UNANSWERED_WHEN_KILLED: &str = "UPDATE alert SET unanswered = unanswered + 1 WHERE id IN \
    (SELECT alert_id FROM delivery WHERE state = 'under_way' AND kind = 'alert')";
pub(super) const WAITING_AGAIN: &str =
    "UPDATE delivery SET state = 'waiting', crashes = crashes + 1 WHERE state = 'under_way'";
pub(super) const STARTED_AGAIN: &str = "UPDATE delivery SET starts = starts + 1 WHERE kind = 'alert' AND settled_at IS NULL \
    AND alert_id IN (SELECT id FROM alert WHERE unanswered > 0)";
pub(super) const LATE: &str = "SELECT * FROM alert WHERE state = 'queued' AND told_waiting = 0 AND created_at < $1 \
    ORDER BY created_at, id LIMIT 200";
const MARK_REPORTED: &str =
    "UPDATE alert SET told_waiting = 1 WHERE id = $1 AND state = 'queued' AND told_waiting = 0";
pub(super) const WAITING_BECAUSE: &str = "SELECT w.last_error FROM delivery w \
    WHERE w.settled_at IS NULL AND w.last_error IS NOT NULL AND w.queue = \
    (SELECT d.queue FROM delivery d WHERE d.alert_id = $1 AND d.kind = 'alert' AND d.settled_at IS NULL) \
    ORDER BY w.id LIMIT 1";
pub(super) const QUEUES_IN_USE: &str = "SELECT DISTINCT queue, kind FROM delivery WHERE settled_at IS NULL";
pub(super) const MOVE: &str = "UPDATE delivery SET queue = $1 \
    WHERE queue = $2 AND kind = $3 AND settled_at IS NULL AND state = 'waiting' RETURNING alert_id";

pub(super) const SUPPRESSED_BEHIND: &str = "SELECT o.* FROM alert a JOIN alert o ON o.id > a.id \
    WHERE a.id = $1 AND o.trigger_name = a.trigger_name AND o.room_id = a.room_id AND o.state = 'suppressed' \
    AND NOT EXISTS (SELECT 1 FROM alert n WHERE n.trigger_name = a.trigger_name AND n.room_id = a.room_id \
    AND n.state IN ('queued', 'sent') AND n.id > a.id AND n.id < o.id) ORDER BY o.id LIMIT $2";

pub(super) const OTHER_ALERT_OF_THREAD: &str = "SELECT (SELECT d.body FROM delivery d WHERE d.alert_id = $1 AND d.kind = 'alert' \
    ORDER BY d.id LIMIT 1) AS event \
    WHERE EXISTS (SELECT 1 FROM alert WHERE thread_id = $2 AND state <> 'suppressed' AND id <> $1)";

pub(super) const NOT_SENT_SINCE: &str = "SELECT 1 FROM alert a JOIN delivery d ON d.alert_id = a.id \
    WHERE a.id = $1 AND a.state IN ('not_sent', 'suppressed') AND d.queue = $2 AND d.id > $3 LIMIT 1";

impl Store {
    /// Recovers the attempts that were under way when the last run ended. They will never be answered, so their rows wait
    /// again, and their alerts may have been raised. Call this before any worker starts, in one process only.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn recover(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for statement in [UNANSWERED_WHEN_KILLED, WAITING_AGAIN, STARTED_AGAIN] {
            tx.execute(sqlx::query(statement)).await?;
        }
        tx.commit().await
    }

    /// The oldest `limit` waiting rows of that kind in a queue that have no older open row of the same ordering.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn heads(
        &self,
        queue: &Queue,
        kind: DeliveryKind,
        limit: usize,
    ) -> Result<Vec<Head>, StoreError> {
        self.release_uncertain_claims().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let heads = sqlx::query_as(HEADS).bind(queue).bind(kind.name()).bind(limit);
        self.run(heads.fetch_all(&self.readers)).await
    }

    /// Lets rows wait again whose claim was committed although the commit seemed to fail: PostgreSQL may lose the connection
    /// after it committed. Nothing was sent for them.
    async fn release_uncertain_claims(&self) -> Result<(), StoreError> {
        // Locked until they are released, so that no other worker reads, claims and tries one that is then released here.
        let mut rows = self.uncertain_claims.lock().await;
        while let Some((row, attempts)) = rows.last() {
            self.execute(sqlx::query(RELEASE).bind(*row).bind(i64::from(*attempts))).await?;
            rows.pop();
        }
        Ok(())
    }

    /// Marks a row as under way and counts the attempt. Returns `None` if it no longer waits.
    ///
    /// # Errors
    /// When the store fails; then nothing may be sent.
    pub async fn claim(&self, row: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let mut tx = self.write().await?;
        // All rows, because the first one arrives before the statement has finished.
        let claim = sqlx::query_as(CLAIM).bind(row).fetch_all(&mut *tx.connection);
        let mut claimed: Vec<Delivery> = self.run(claim).await?;
        let claimed = claimed.pop();
        if let Some(alert) =
            claimed.as_ref().filter(|row| row.kind == DeliveryKind::Alert).and_then(|row| row.alert)
        {
            tx.execute(sqlx::query(FIRST_CALL).bind(alert)).await?;
        }
        let committed = tx.commit().await;
        if let (Err(_), Some(Delivery { attempts, .. })) = (&committed, &claimed) {
            self.uncertain_claims.lock().await.push((row, *attempts));
        }
        committed.map(|()| claimed)
    }

    /// Stores the outcome of an attempt, for its alert too, and adds the deliveries `then` to the outbox, in one transaction. Does
    /// nothing if this attempt is no longer under way. Returns `false` and stores nothing if an alert is to be withdrawn whose cooldown
    /// has suppressed others meanwhile.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn settle_delivery(
        &self,
        delivery: &Delivery,
        settlement: &Settlement,
        then: &[NewDelivery],
    ) -> Result<bool, StoreError> {
        let now = Timestamp::now();
        let mut tx = self.write().await?;
        if matches!(settlement, Settlement::Withdrawn { .. })
            && tx.finds(sqlx::query(SUPPRESSED_BEHIND).bind(delivery.alert).bind(1)).await?
        {
            return Ok(false);
        }
        if !settle(&mut tx, delivery, settlement, now).await? {
            return Ok(true);
        }
        if let (DeliveryKind::Alert, Some(alert)) = (delivery.kind, delivery.alert) {
            settle_alert(&mut tx, alert, settlement, now).await?;
        }
        for next in then {
            insert(&mut tx, next, now).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(true)
    }

    /// What distinguishes an alert from the others in its thread: the event that raised it, or JSON's null if that was deleted.
    /// `None` if it is the only alert there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn among_others(&self, alert: &Alert) -> Result<Option<Value>, StoreError> {
        let event = sqlx::query_scalar(OTHER_ALERT_OF_THREAD).bind(alert.id).bind(key(alert.thread.as_str()));
        let event: Option<Option<String>> = self.run(event.fetch_optional(&self.readers)).await?;
        Ok(event.map(|event| event.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default()))
    }

    /// The first `limit` alerts suppressed by the cooldown that an alert began: if that alert is not sent, nobody is paged for
    /// them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn suppressed_behind(&self, alert: AlertId, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let behind = sqlx::query_as(SUPPRESSED_BEHIND).bind(alert).bind(i64::from(limit));
        self.run(behind.fetch_all(&self.readers)).await
    }

    /// Whether a later row of `queue` reports in the thread that its alert was not sent.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_reported_not_sent(&self, delivery: &Delivery, queue: &Queue) -> Result<bool, StoreError> {
        let query = sqlx::query(NOT_SENT_SINCE).bind(delivery.alert).bind(queue).bind(delivery.id);
        Ok(self.run(query.fetch_optional(&self.readers)).await?.is_some())
    }

    /// The alert of that row.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        let alert = sqlx::query_as("SELECT * FROM alert WHERE id = $1").bind(id);
        self.run(alert.fetch_optional(&self.readers)).await
    }

    /// The newest alert.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn newest_alert(&self) -> Result<Option<AlertId>, StoreError> {
        self.run(sqlx::query_scalar("SELECT max(id) FROM alert").fetch_one(&self.readers)).await
    }

    /// Queued alerts created before `since` whose delay was not yet reported in their threads; the oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn late_alerts(&self, since: Timestamp) -> Result<Vec<Alert>, StoreError> {
        self.run(sqlx::query_as(LATE).bind(millis(since)).fetch_all(&self.readers)).await
    }

    /// Records that an alert's delay is reported in its thread, and adds the reply, if there is one, to the outbox, only once.
    /// Does nothing if the alert was settled meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn report_late(&self, alert: AlertId, reply: Option<&NewDelivery>) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        if let (1, Some(reply)) = (tx.execute(sqlx::query(MARK_REPORTED).bind(alert)).await?, reply) {
            insert(&mut tx, reply, Timestamp::now()).await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Why the queue of a queued alert is stuck: the last error of its oldest row with one. `None` if no row failed, so the
    /// alert only waits for its turn.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn waiting_because(&self, alert: AlertId) -> Result<Option<String>, StoreError> {
        self.run(sqlx::query_scalar(WAITING_BECAUSE).bind(alert).fetch_optional(&self.readers)).await
    }

    /// Every queue with open rows, and their kind; `None` for a kind that this release does not know.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn queues_in_use(&self) -> Result<Vec<(Queue, Option<DeliveryKind>)>, StoreError> {
        let rows = sqlx::query_as(QUEUES_IN_USE).fetch_all(&self.readers);
        let rows: Vec<(Queue, String)> = self.run(rows).await?;
        Ok(rows.into_iter().map(|(queue, kind)| (queue, kind.parse().ok())).collect())
    }

    /// Moves the waiting rows of one kind to another queue. Returns the alert of each row that moved.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn move_queue(
        &self,
        from: &Queue,
        kind: DeliveryKind,
        into: &Queue,
    ) -> Result<Vec<Option<AlertId>>, StoreError> {
        let mut tx = self.write().await?;
        let moved = sqlx::query_scalar(MOVE).bind(into).bind(from).bind(kind.name());
        let moved = self.run(moved.fetch_all(&mut *tx.connection)).await?;
        tx.commit().await?;
        self.changed();
        Ok(moved)
    }
}

pub(super) async fn insert(tx: &mut Tx, delivery: &NewDelivery, now: Timestamp) -> Result<(), StoreError> {
    let insert = sqlx::query(
        "INSERT INTO delivery (queue, kind, ordering, body, alert_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&delivery.queue)
    .bind(delivery.kind.name())
    .bind(key(&delivery.ordering))
    .bind(delivery.body.to_string())
    .bind(delivery.alert)
    .bind(millis(now));
    tx.execute(insert).await.map(drop)
}

/// Returns `false` if this attempt is no longer under way.
async fn settle(
    tx: &mut Tx,
    delivery: &Delivery,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, crashes, reason) = match settlement {
        Settlement::Delivered { .. } => ("delivered", 0, None),
        Settlement::Failed { reason, .. } | Settlement::Withdrawn { reason } => ("failed", 0, Some(reason)),
        Settlement::Retry { reason } => ("waiting", 0, reason.as_ref()),
        Settlement::Unanswered { reason } => ("waiting", 0, Some(reason)),
        Settlement::Crashed { reason } => ("waiting", delivery.crashes + 1, Some(reason)),
    };
    let settle = sqlx::query(
        "UPDATE delivery SET state = $1, crashes = $2, last_error = $3, settled_at = $4 \
         WHERE id = $5 AND attempts = $6 AND state = 'under_way'",
    )
    .bind(state)
    .bind(i64::from(crashes))
    .bind(reason.map(|reason| text(reason)))
    .bind((state != "waiting").then_some(millis(now)))
    .bind(delivery.id)
    .bind(i64::from(delivery.attempts));
    Ok(tx.execute(settle).await? == 1)
}

async fn settle_alert(
    tx: &mut Tx,
    alert: AlertId,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (state, event_id, may_be_raised) = match settlement {
        // Accepted without an `eventId`: its events are recognized like those of an unanswered call.
        Settlement::Delivered { event_id } => (Some(AlertState::Sent), event_id.as_ref(), event_id.is_none()),
        Settlement::Failed { may_have_arrived, .. } => (Some(AlertState::NotSent), None, *may_have_arrived),
        Settlement::Withdrawn { .. } => (Some(AlertState::Withdrawn), None, false),
        Settlement::Unanswered { .. } | Settlement::Crashed { .. } => (None, None, true),
        Settlement::Retry { .. } => return Ok(()),
    };
    let settle = sqlx::query(
        "UPDATE alert SET state = coalesce($1, state), event_id = coalesce($2, event_id), unanswered = unanswered + $3, \
         settled_at = coalesce($4, settled_at), \
         settled_call = CASE WHEN $4 IS NULL THEN settled_call ELSE (SELECT max(first_call) FROM alert) END WHERE id = $5",
    )
    .bind(state.map(AlertState::name))
    .bind(event_id.map(|event_id| key(event_id.as_str())))
    .bind(i64::from(may_be_raised))
    .bind(state.map(|_| millis(now)))
    .bind(alert);
    tx.execute(settle).await.map(drop)
}
