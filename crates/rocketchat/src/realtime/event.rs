//! What a session reports: events, its state, and counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::LostReason;
use crate::rest::Subscription;
use crate::{Identity, Message, Room, RoomId, RoomKind};

/// An event of the session. Events come in the order in which the server sent them.
#[derive(Clone, Debug, PartialEq)]
pub enum RealtimeEvent {
    /// A session is online: logged in and subscribed. Messages posted from now on arrive as events; earlier ones have to
    /// be fetched with [`sync_messages`](crate::RestClient::sync_messages).
    Ready {
        /// The number of the session, from 1.
        session: u64,
        /// The account's user.
        identity: Identity,
        /// When it came online; a slow receiver gets the event later.
        since: Instant,
    },
    /// A message was posted or changed: the same `_id` comes again after an edit, a reaction, a link preview or a reply in
    /// its thread.
    Message(StreamedMessage),
    /// The account's rooms, or the data of one, changed. Reported once per change; the server repeats it for each message.
    RoomsChanged(RoomChange),
    /// The session was lost, or an attempt failed. The next attempt follows automatically.
    Lost {
        /// Why.
        reason: LostReason,
        /// The time until the next attempt.
        retry_in: Duration,
    },
}

/// A message, and what the server says about its room. Server versions differ in what they send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamedMessage {
    /// The message in its current form.
    pub message: Box<Message>,
    /// Whether the account is a member of the room. Messages of other public channels come too.
    pub participant: Option<bool>,
    /// The room's type.
    pub room_kind: Option<RoomKind>,
    /// The room's name, without `#`.
    pub room_name: Option<String>,
}

/// A change of the account's rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomChange {
    /// The account joined a room or was added to it.
    Joined(Subscription),
    /// The account left a room or was removed from it.
    Left(RoomId),
    /// A room of the account changed, or is reported for the first time in a session.
    Changed {
        /// The room as it is now.
        room: Room,
        /// Whether it is archived.
        archived: bool,
        /// `_updatedAt`.
        updated_at: Option<Timestamp>,
    },
    /// A room was deleted.
    Deleted(RoomId),
}

/// The state of the session.
#[derive(Clone, Debug, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ConnectionState {
    /// Connecting or logging in.
    Connecting {
        /// The number of the attempt since the last healthy session, from 1.
        attempt: u32,
    },
    /// Logged in and subscribed.
    Online {
        /// Since when.
        since: Timestamp,
    },
    /// Waiting for the next attempt.
    Waiting {
        /// Why the last session or attempt ended.
        reason: LostReason,
        /// When the next attempt is made.
        retry_at: Timestamp,
    },
    /// Stopped on request.
    Stopped,
}

impl ConnectionState {
    /// Whether messages arrive.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online { .. })
    }

    /// A short stable name for status and metrics.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// Counters of received frames, over all sessions.
#[derive(Debug, Default)]
pub struct FrameCounts {
    pub(super) received: AtomicU64,
    pub(super) skipped: AtomicU64,
}

impl FrameCounts {
    /// Frames received, readable or not.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Frames and messages skipped because they could not be read.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}
