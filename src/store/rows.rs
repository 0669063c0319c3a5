//! The rows of the store as types.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{FromRow, Row, sqlite::SqliteRow};

use rocketchat::{MessageId, RoomId};
use signl4::EventId;

/// Row number of an alert; also the id that follows it through the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertId(pub(super) i64);

/// Row number of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub(super) i64);

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The destination of a delivery. Queues do not wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Queue(String);

impl Queue {
    /// Names a queue; the name is what the store keeps.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name the store keeps.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What has become of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// In the outbox.
    Queued,
    /// SIGNL4 took it.
    Sent,
    /// Given up: rejected, or too old.
    NotSent,
    /// Never meant to be sent: its trigger's cooldown was running.
    Suppressed,
}

impl AlertState {
    /// The name the store keeps.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::NotSent => "not_sent",
            Self::Suppressed => "suppressed",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Queued, Self::Sent, Self::NotSent, Self::Suppressed]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// An alert that a message asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlert {
    /// The message that asks.
    pub message: MessageId,
    /// The trigger it matched.
    pub trigger: String,
    /// The message's room.
    pub room: RoomId,
    /// Where replies go: the message's thread, or else the message itself.
    pub thread: MessageId,
    /// Our name for it at SIGNL4.
    pub external_id: String,
    /// The team's queue.
    pub queue: Queue,
    /// The event to send, rendered.
    pub event: Value,
}

/// An alert as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its row.
    pub id: AlertId,
    /// The message that asked.
    pub message: MessageId,
    /// The trigger it matched.
    pub trigger: String,
    /// The message's room.
    pub room: RoomId,
    /// Where replies go.
    pub thread: MessageId,
    /// Our name for it at SIGNL4.
    pub external_id: String,
    /// What has become of it.
    pub state: AlertState,
    /// SIGNL4's name for it, once it answered.
    pub event_id: Option<EventId>,
    /// Calls that may have raised it, but whose answer never came.
    pub unanswered: u32,
    /// Whether its thread was told that it is late.
    pub told_waiting: bool,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// Something to put into the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// Where it goes.
    pub queue: Queue,
    /// Rows of a queue that share this leave one after the other.
    pub ordering: String,
    /// What to deliver, as the queue's worker reads it.
    pub body: Value,
    /// The alert it belongs to.
    pub alert: Option<AlertId>,
}

/// A row of the outbox that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its row.
    pub id: DeliveryId,
    /// What to deliver.
    pub body: String,
    /// The alert it belongs to.
    pub alert: Option<AlertId>,
    /// How often it was tried before.
    pub attempts: u32,
    /// When it was queued.
    pub created_at: Timestamp,
}

pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A time out of a row. The column is ours, so a number out of range means damage: the epoch is as good as any.
pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl FromRow<'_, SqliteRow> for Alert {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let state: String = row.try_get("state")?;
        Ok(Self {
            id: AlertId(row.try_get("id")?),
            message: MessageId::new(row.try_get::<String, _>("message_id")?),
            trigger: row.try_get("trigger_name")?,
            room: RoomId::new(row.try_get::<String, _>("room_id")?),
            thread: MessageId::new(row.try_get::<String, _>("thread_id")?),
            external_id: row.try_get("external_id")?,
            state: AlertState::of(&state)
                .ok_or_else(|| sqlx::Error::Decode(format!("unknown alert state {state}").into()))?,
            event_id: row.try_get::<Option<String>, _>("event_id")?.map(EventId::new),
            unanswered: row.try_get("unanswered")?,
            told_waiting: row.try_get("told_waiting")?,
            created_at: timestamp(row.try_get("created_at")?),
        })
    }
}

impl FromRow<'_, SqliteRow> for Delivery {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: DeliveryId(row.try_get("id")?),
            body: row.try_get("body")?,
            alert: row.try_get::<Option<i64>, _>("alert_id")?.map(AlertId),
            attempts: row.try_get("attempts")?,
            created_at: timestamp(row.try_get("created_at")?),
        })
    }
}
