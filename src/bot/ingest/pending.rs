//! Messages of rooms that the server has not described, even when it was asked.
//!
//! Some versions do not describe the room beside a message. If the server does not answer either, it is unknown
//! whether the room is watched. Such a message waits here, so that messages of other rooms do not have to.

use std::time::Duration;

use rocketchat::Message;
use rocketchat::realtime::RoomHint;
use tokio::time::{Instant, sleep_until};

/// Maximum number of waiting messages. Further ones are left to the backfill, which reads every room that the bot is
/// in.
const CAPACITY: usize = 4_096;

/// A message from the stream.
#[derive(Debug)]
pub(super) struct StreamMessage {
    pub(super) message: Box<Message>,
    pub(super) participant: Option<bool>,
    pub(super) hint: RoomHint,
}

/// The waiting messages, and when the server may be asked again.
#[derive(Debug, Default)]
pub(super) struct PendingMessages {
    messages: Vec<StreamMessage>,
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

    /// Queues a message. `false` if too many are waiting.
    pub(super) fn push(&mut self, message: StreamMessage) -> bool {
        let has_space = self.messages.len() < CAPACITY;
        self.messages.extend(has_space.then_some(message));
        has_space
    }

    /// The messages of the room whose message was queued first. Each room has its turn, even if another one has a problem.
    pub(super) fn pop(&mut self) -> Vec<StreamMessage> {
        let Some(room) = self.messages.first().map(|first| first.message.room.clone()) else { return vec![] };
        self.messages.extract_if(.., |pending| pending.message.room == room).collect()
    }

    /// Drops all messages: the backfill of the next session reads them.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns when it is time to request the next room.
    pub(super) async fn due(&self) {
        match self.ask_at {
            _ if self.messages.is_empty() => std::future::pending().await,
            Some(at) => sleep_until(at).await,
            None => {}
        }
    }
}
