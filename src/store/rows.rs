//! The rows of the store as types.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use rocketchat::{MessageId, RoomId};

/// A time as the store keeps it: milliseconds of Unix time.
#[derive(Clone, Copy, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Millis(i64);

impl From<Millis> for Timestamp {
    /// Only the bot writes the column, so a number out of range means damage, and any time will do.
    fn from(Millis(millis): Millis) -> Self {
        Self::from_millisecond(millis).unwrap_or(Self::UNIX_EPOCH)
    }
}

pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A truth value as the store keeps it: 0 or 1.
#[derive(Clone, Copy, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Flag(i64);

impl From<Flag> for bool {
    fn from(Flag(flag): Flag) -> Self {
        flag != 0
    }
}

/// The longest text that is looked up, in bytes. An index entry in PostgreSQL can have 2,700.
const MAX_KEY: usize = 1_000;

/// A text from outside as the store keeps it: PostgreSQL does not accept NUL.
pub(super) fn text(text: &str) -> String {
    text.replace('\0', "")
}

/// A text from outside that is looked up. One that is too long is replaced with its digest.
pub(super) fn key(key: &str) -> String {
    let key = text(key);
    if key.len() <= MAX_KEY {
        return key;
    }
    Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Row number of an alert; also its ID in the log.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type, Serialize, Deserialize,
)]
#[sqlx(transparent)]
pub struct AlertId(pub(super) i64);

/// Row number of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
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

/// What is delivered. A queue has one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum DeliveryKind {
    /// A call to SIGNL4 that raises an alert.
    Alert,
    /// A message in Rocket.Chat.
    Reply,
    /// A reaction to a message in Rocket.Chat.
    Reaction,
}

impl DeliveryKind {
    /// A short name for the store and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The state of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum AlertState {
    /// In the outbox.
    Queued,
    /// SIGNL4 accepted it.
    Sent,
    /// Given up: rejected, or too old.
    NotSent,
    /// Not to be sent, because it matched during its trigger's cooldown.
    Suppressed,
    /// No longer to be sent, because its message was deleted while it waited.
    Withdrawn,
}

impl AlertState {
    /// A short name for the store, logs and metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// An alert that a message requests.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAlert {
    /// The message that requests it.
    pub message: MessageId,
    /// The trigger it matched.
    pub trigger: String,
    /// The message's room.
    pub room: RoomId,
    /// Where replies go: the message's thread, or else the message itself.
    pub thread: MessageId,
    /// The username of who wrote the message; `None` for an integration, which reads nothing.
    pub author: Option<String>,
    /// The external ID that SIGNL4 gets.
    pub external_id: String,
    /// The team's queue.
    pub queue: Queue,
    /// The event to send, rendered.
    pub event: Value,
}

/// A stored alert.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Alert {
    /// Its row.
    pub id: AlertId,
    /// The message that requested it.
    #[sqlx(rename = "message_id", try_from = "String")]
    pub message: MessageId,
    /// The trigger it matched.
    #[sqlx(rename = "trigger_name")]
    pub trigger: String,
    /// The message's room.
    #[sqlx(rename = "room_id", try_from = "String")]
    pub room: RoomId,
    /// Where replies go.
    #[sqlx(rename = "thread_id", try_from = "String")]
    pub thread: MessageId,
    /// The username of who wrote the message; `None` for an integration, which reads nothing.
    pub author: Option<String>,
    /// The external ID that SIGNL4 gets.
    pub external_id: String,
    /// Its state.
    #[sqlx(try_from = "&'a str")]
    pub state: AlertState,
    /// The `eventId` in SIGNL4's answer to the last call. One learned from an event is in `learned_event_id` instead.
    pub event_id: Option<String>,
    /// Calls that may have raised it with an unknown `eventId`.
    #[sqlx(try_from = "i64")]
    pub unanswered: u32,
    /// Whether its delay was reported in its thread.
    #[sqlx(try_from = "Flag")]
    pub told_waiting: bool,
    /// When it was queued.
    #[sqlx(try_from = "Millis")]
    pub created_at: Timestamp,
}

/// A row to add to the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// Where it goes.
    pub queue: Queue,
    /// What it is.
    pub kind: DeliveryKind,
    /// Rows of a queue with the same value are delivered one after the other.
    pub ordering: String,
    /// What to deliver, as the queue's destination reads it.
    pub body: Value,
    /// The alert it belongs to.
    pub alert: Option<AlertId>,
}

/// A row of the outbox whose attempt is under way.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Delivery {
    /// Its row.
    pub id: DeliveryId,
    /// What it is.
    #[sqlx(try_from = "&'a str")]
    pub kind: DeliveryKind,
    /// What to deliver.
    pub body: String,
    /// The alert it belongs to.
    #[sqlx(rename = "alert_id")]
    pub alert: Option<AlertId>,
    /// How often it was tried, including this attempt.
    #[sqlx(try_from = "i64")]
    pub attempts: u32,
    /// Attempts before this one, since the last outcome, that ended in a panic or with the process.
    #[sqlx(try_from = "i64")]
    pub crashes: u32,
    /// When it was queued.
    #[sqlx(try_from = "Millis")]
    pub created_at: Timestamp,
}
