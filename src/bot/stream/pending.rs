//! Messages of rooms that the server has not described, even when it was asked.
//!
//! Some versions do not describe the room beside a message. If the server does not answer either, it is unknown
//! whether the room is watched. Such a message waits here, so that messages of other rooms do not have to.

use std::time::Duration;

use rocketchat::realtime::StreamedMessage;
use tokio::time::Instant;
use tracing::warn;

/// Maximum number of waiting messages. Further ones are left to the backfill, which reads every room that the bot is
/// in.
const CAPACITY: usize = 4_096;

/// The waiting messages, and when the server may be asked again.
#[derive(Debug, Default)]
pub(super) struct PendingMessages {
    messages: Vec<StreamedMessage>,
    ask_at: Option<Instant>,
}

impl PendingMessages {
    /// Whether the server may be asked for a room now.
    pub(super) fn may_ask(&self) -> bool {
        self.ask_at.is_none_or(|at| at <= Instant::now())
    }

    /// The server did not answer. It is not asked again for this long.
    pub(super) fn back_off(&mut self, wait: Duration) {
        self.ask_at = Some(Instant::now() + wait);
    }

    /// Queues a message, unless too many are waiting.
    pub(super) fn push(&mut self, message: StreamedMessage) {
        if self.messages.len() < CAPACITY {
            return self.messages.push(message);
        }
        let room = message.message.room;
        warn!(%room, "the server does not describe a message's room; the backfill reads the message");
    }

    /// The messages of the room whose message was queued first. Each room has its turn, even if another one has a problem.
    pub(super) fn pop(&mut self) -> Vec<StreamedMessage> {
        let Some(room) = self.messages.first().map(|first| first.message.room.clone()) else { return vec![] };
        self.messages.extract_if(.., |pending| pending.message.room == room).collect()
    }

    /// Drops all messages: the backfill of the next session reads them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When to request the next room; `None` if no message waits.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.messages.is_empty()).then(|| self.ask_at.unwrap_or_else(Instant::now))
    }
}
