//! Queries of the status page and the metrics: how much waits and why, and what happened to the last alerts.
//!
//! They run often, so they read no rows that were settled long ago, and no bodies.

use jiff::Timestamp;
use sqlx::{Any, Executor};

use super::rows::{Flag, Millis, millis};
use super::{Alert, AlertId, Queue, Store, StoreError};

/// The maximum number of deliveries, and of events, that are read for the alerts of one page.
const TRAIL_LIMIT: i64 = 1_000;

/// The error is that of the queue's oldest row with one, because the rows behind it wait for that row.
pub(super) const QUEUES: &str = "SELECT d.queue, d.created_at, d.attempts, \
    (SELECT count(*) FROM delivery c WHERE c.queue = d.queue AND c.settled_at IS NULL) AS waiting, \
    (SELECT f.last_error FROM delivery f WHERE f.queue = d.queue AND f.settled_at IS NULL AND f.last_error IS NOT NULL \
    ORDER BY f.id LIMIT 1) AS last_error \
    FROM delivery d WHERE d.id IN (SELECT min(id) FROM delivery WHERE settled_at IS NULL GROUP BY queue) ORDER BY d.queue";
pub(super) const INBOX: &str = "SELECT count(*), min(received_at) FROM event WHERE state = 'waiting'";
/// By row number, which finds the newest without reading the others.
pub(super) const LAST_ALERTS: &str =
    "SELECT * FROM alert WHERE id > (SELECT max(id) FROM alert) - $1 AND created_at >= $2 ORDER BY id DESC";
pub(super) const DELIVERIES_OF: &str = "SELECT alert_id, queue, state, attempts, \
    coalesce(settled_at, created_at) AS at, last_error \
    FROM delivery WHERE alert_id IN (SELECT id FROM alert WHERE id > (SELECT max(id) FROM alert) - $1 AND created_at >= $2) \
    ORDER BY id DESC LIMIT $3";
pub(super) const EVENTS_OF: &str = "SELECT alert_id, coalesce(event_kind, '') AS event_kind, actor, \
    coalesce(outcome, '') AS correlation, received_at \
    FROM event WHERE alert_id IN (SELECT id FROM alert WHERE id > (SELECT max(id) FROM alert) - $1 AND created_at >= $2) \
    ORDER BY seq DESC LIMIT $3";

pub(super) const LAST_ALERT_OF: &str = "SELECT CASE state WHEN 'failed' THEN coalesce(last_error, '') END AS failed, \
    settled_at AS at, CASE WHEN state = 'delivered' AND EXISTS (SELECT 1 FROM alert a WHERE a.id = d.alert_id AND a.event_id IS NULL) \
    AND NOT EXISTS (SELECT 1 FROM event e WHERE e.alert_id = d.alert_id) THEN 1 ELSE 0 END AS unconfirmed \
    FROM delivery d WHERE queue = $1 AND kind = 'alert' AND settled_at IS NOT NULL \
    AND NOT EXISTS (SELECT 1 FROM alert a WHERE a.id = d.alert_id AND a.state = 'withdrawn') \
    ORDER BY settled_at DESC, id DESC LIMIT 1";
/// Only a few alerts are counted, because it only matters whether there are any. An event may arrive up to a minute before the
/// answer to its alert's call.
const CALLBACKS: &str = "SELECT (SELECT received_at FROM event WHERE seq = (SELECT max(seq) FROM event)), \
    count(*), min(settled_at) FROM (SELECT settled_at FROM alert WHERE state = 'sent' AND settled_at > \
    coalesce((SELECT received_at + 60000 FROM event WHERE seq = (SELECT max(seq) FROM event)), 0) \
    ORDER BY settled_at LIMIT 100) AS sent";

/// The last settled alert of a queue.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LastAlert {
    /// Why it was given up; `None` if it was sent.
    pub failed: Option<String>,
    /// Whether it was sent, but SIGNL4's answer had no `eventId`, and no event about it has arrived.
    #[sqlx(try_from = "Flag")]
    pub unconfirmed: bool,
    /// When.
    #[sqlx(try_from = "Millis")]
    pub at: Timestamp,
}

/// Whether SIGNL4 calls back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callbacks {
    /// When the last event arrived.
    pub last_event: Option<Timestamp>,
    /// Alerts that SIGNL4 accepted since then; at most 100 are counted.
    pub sent: u64,
    /// When it accepted the first of them.
    pub first_sent: Option<Timestamp>,
}

/// What waits in one queue of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct QueueDepth {
    /// The queue.
    pub queue: Queue,
    /// The number of open rows; at least one.
    #[sqlx(try_from = "i64")]
    pub waiting: u64,
    /// When the oldest of them was queued.
    #[sqlx(rename = "created_at", try_from = "Millis")]
    pub oldest: Timestamp,
    /// How often the oldest was tried.
    #[sqlx(try_from = "i64")]
    pub attempts: u32,
    /// Why the queue is stuck: the last error of its oldest row with one.
    pub last_error: Option<String>,
}

/// What waits in the inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboxDepth {
    /// The number of waiting notifications.
    pub waiting: u64,
    /// When the oldest of them arrived.
    pub oldest: Option<Timestamp>,
}

/// The last alerts, and what happened to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAlerts {
    /// The newest first.
    pub alerts: Vec<Alert>,
    /// Their rows of the outbox, the oldest first.
    pub deliveries: Vec<DeliveryTrail>,
    /// The notifications about them, in the order of their arrival.
    pub events: Vec<EventTrail>,
}

/// A row of the outbox without its body.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DeliveryTrail {
    /// The alert it belongs to.
    #[sqlx(rename = "alert_id")]
    pub alert: AlertId,
    /// Where it goes.
    pub queue: Queue,
    /// Its state.
    #[sqlx(try_from = "&'a str")]
    pub state: DeliveryState,
    /// How often it was tried.
    #[sqlx(try_from = "i64")]
    pub attempts: u32,
    /// When it was settled; when it was queued, if it is not settled.
    #[sqlx(try_from = "Millis")]
    pub at: Timestamp,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
}

/// The state of a row of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum DeliveryState {
    /// It waits for its next attempt.
    Waiting,
    /// It is being tried.
    UnderWay,
    /// It arrived.
    Delivered,
    /// It was given up.
    Failed,
}

/// A settled notification without its body.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EventTrail {
    /// The alert it is about.
    #[sqlx(rename = "alert_id")]
    pub alert: AlertId,
    /// What happened, a short name.
    pub event_kind: String,
    /// Who did it.
    pub actor: Option<String>,
    /// How its alert was found, a short name.
    pub correlation: String,
    /// When it arrived.
    #[sqlx(try_from = "Millis")]
    pub received_at: Timestamp,
}

impl Store {
    /// What waits in each queue that is not empty.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn outbox_depth(&self) -> Result<Vec<QueueDepth>, StoreError> {
        self.run(sqlx::query_as(QUEUES).fetch_all(&self.readers)).await
    }

    /// What waits in the inbox.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn inbox_depth(&self) -> Result<InboxDepth, StoreError> {
        let depth = sqlx::query_as(INBOX).fetch_one(&self.readers);
        let (waiting, oldest): (i64, Option<Millis>) = self.run(depth).await?;
        Ok(InboxDepth { waiting: waiting.unsigned_abs(), oldest: oldest.map(Into::into) })
    }

    /// The last settled alert of a queue.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last_alert_of(&self, queue: &Queue) -> Result<Option<LastAlert>, StoreError> {
        self.run(sqlx::query_as(LAST_ALERT_OF).bind(queue).fetch_optional(&self.readers)).await
    }

    /// Whether SIGNL4 calls back.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn callbacks(&self) -> Result<Callbacks, StoreError> {
        self.run(callbacks(&self.readers)).await
    }

    /// The last alerts, at most `limit` and none queued before `since`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn last_alerts(&self, limit: u32, since: Timestamp) -> Result<LastAlerts, StoreError> {
        // One snapshot: an event must not appear beside an alert that was not sent yet.
        let mut snapshot = self.snapshot().await?;
        let (limit, since) = (i64::from(limit), millis(since));
        let alerts = sqlx::query_as(LAST_ALERTS).bind(limit).bind(since);
        let alerts = self.run(alerts.fetch_all(&mut *snapshot.connection)).await?;
        let deliveries = sqlx::query_as(DELIVERIES_OF).bind(limit).bind(since).bind(TRAIL_LIMIT);
        let mut deliveries: Vec<DeliveryTrail> =
            self.run(deliveries.fetch_all(&mut *snapshot.connection)).await?;
        let events = sqlx::query_as(EVENTS_OF).bind(limit).bind(since).bind(TRAIL_LIMIT);
        let mut events: Vec<EventTrail> = self.run(events.fetch_all(&mut *snapshot.connection)).await?;
        // The newest were read first, because of the limit.
        deliveries.reverse();
        events.reverse();
        Ok(LastAlerts { alerts, deliveries, events })
    }
}

pub(super) async fn callbacks(database: impl Executor<'_, Database = Any>) -> Result<Callbacks, sqlx::Error> {
    let (last, sent, first): (Option<Millis>, i64, Option<Millis>) =
        sqlx::query_as(CALLBACKS).fetch_one(database).await?;
    let (last_event, first_sent) = (last.map(Into::into), first.map(Into::into));
    Ok(Callbacks { last_event, sent: sent.unsigned_abs(), first_sent })
}
