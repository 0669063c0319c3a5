//! What the realtime session tells: events for whoever handles messages, a state for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::LostReason;
use crate::rest::{RoomInfo, Subscription};
use crate::{Fatal, Identity, Message, RoomId, RoomKind};

/// Something happened. Events come in the order in which the server sent them.
#[derive(Clone, Debug, PartialEq)]
pub enum RealtimeEvent {
    /// A session stands: logged in and subscribed. Messages posted from now on come by themselves; what was posted
    /// before must be asked for.
    Ready {
        /// Counts sessions, from 1.
        session: u64,
        /// Who the bot is.
        identity: Identity,
        /// What the session hears.
        scope: Scope,
        /// Server's clock minus ours, exact to about a second, if known.
        clock_offset: Option<SignedDuration>,
        /// When it came to stand, which a slow receiver learns later.
        since: Instant,
    },
    /// A message was posted, or posted before and changed in any way: the same `_id` comes again at an edit, a
    /// reaction, a link preview, a reply in its thread.
    Message {
        /// The message as it is now.
        message: Box<Message>,
        /// Whether the bot is in the room, where the server says so. Public channels that it is not in come too.
        participant: Option<bool>,
        /// What came along about the room.
        room: RoomHint,
    },
    /// The bot's rooms, or what matters of one, changed. Said once a change, not at each message as the server does.
    RoomsChanged(RoomChange),
    /// There is no session, or the attempt at one failed. The next attempt follows by itself.
    Lost {
        /// Why.
        reason: LostReason,
        /// When the next attempt is made.
        retry_in: Duration,
    },
}

/// What a session hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every room the bot is in or can see, also those joined later (`__my_messages__`).
    AllRooms,
    /// Each room by itself, since the server refuses the subscription to all.
    EachRoom {
        /// How many rooms are heard.
        heard: usize,
        /// The rooms the server lets the bot be in but not listen to.
        refused: Vec<RoomId>,
    },
}

/// What an event says about its room; versions differ in what they send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomHint {
    /// The room's type.
    pub kind: Option<RoomKind>,
    /// The room's name, without `#`.
    pub name: Option<String>,
}

/// A change of the bot's rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomChange {
    /// The bot was added to a room or joined it.
    Joined(Subscription),
    /// The bot was removed from a room or left it.
    Left(RoomId),
    /// Its standing in a room changed: name, roles, archived.
    Subscription(Subscription),
    /// A room of the bot changed: name, archived, encrypted, read only. Also said when first heard of in a session.
    Room(RoomInfo),
    /// A room was deleted.
    Deleted(RoomId),
}

/// Where the realtime session stands.
#[derive(Clone, Debug, PartialEq)]
pub enum ConnectionState {
    /// An attempt is being made.
    Connecting {
        /// Which attempt it is since the last session that held, from 1.
        attempt: u32,
    },
    /// Logged in and subscribed.
    Online {
        /// Since when.
        since: Timestamp,
        /// What is heard.
        scope: Scope,
    },
    /// Waiting to try again.
    Waiting {
        /// Why the last session ended, or did not come to stand.
        reason: LostReason,
        /// When the next attempt is made.
        retry_at: Timestamp,
    },
    /// Stopped: on demand, or for a reason that somebody must mend.
    Stopped(Option<Fatal>),
}

impl ConnectionState {
    /// Whether messages are heard.
    pub fn is_online(&self) -> bool {
        matches!(self, Self::Online { .. })
    }

    /// A short stable name for status and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connecting { .. } => "connecting",
            Self::Online { .. } => "online",
            Self::Waiting { .. } => "waiting",
            Self::Stopped(_) => "stopped",
        }
    }
}

/// Counts what came in, over all sessions.
#[derive(Debug, Default)]
pub struct FrameCounts {
    received: AtomicU64,
    skipped: AtomicU64,
}

impl FrameCounts {
    /// Frames received, readable or not.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Frames and messages that could not be read, and were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    pub(super) fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }
}
