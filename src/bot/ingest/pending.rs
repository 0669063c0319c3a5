//! Messages of rooms that nobody has described yet, and that the server would not describe when it was asked.
//!
//! Versions differ in whether they name the room beside a message. Where they do not, and the server does not answer either,
//! nobody can say whether the room is watched. Such a message waits here, so that those of all other rooms need not.

use std::collections::VecDeque;
use std::time::Duration;

use rocketchat::realtime::RoomHint;
use rocketchat::{Message, RoomId};
use tokio::time::{Instant, sleep_until};

/// Messages that may wait. Further ones are left to the backfill, which reads every room that the bot is in.
const CAPACITY: usize = 4_096;

/// A message as the stream brought it.
#[derive(Debug)]
pub(super) struct StreamMessage {
    pub(super) message: Box<Message>,
    pub(super) participant: Option<bool>,
    pub(super) hint: RoomHint,
}

/// The messages that wait, room by room, and when the server may be asked again.
#[derive(Debug, Default)]
pub(super) struct PendingMessages {
    rooms: VecDeque<(RoomId, Vec<StreamMessage>)>,
    waiting: usize,
    ask_at: Option<Instant>,
    failures: u32,
}

impl PendingMessages {
    /// Whether the server may be asked for a room now.
    pub(super) fn may_ask(&self) -> bool {
        self.ask_at.is_none_or(|at| at <= Instant::now())
    }

    /// How often the server was asked in vain since it last answered.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// The server did not answer, and is not asked again for this long.
    pub(super) fn back_off(&mut self, wait: Duration) {
        self.ask_at = Some(Instant::now() + wait);
        self.failures = self.failures.saturating_add(1);
    }

    /// The server answers.
    pub(super) fn answered(&mut self) {
        (self.ask_at, self.failures) = (None, 0);
    }

    /// Queues a message behind those of its room. `false` where too many wait.
    pub(super) fn push(&mut self, message: StreamMessage) -> bool {
        if self.waiting >= CAPACITY {
            return false;
        }
        self.waiting += 1;
        match self.rooms.iter_mut().find(|(room, _)| *room == message.message.room) {
            Some((_, messages)) => messages.push(message),
            None => self.rooms.push_back((message.message.room.clone(), vec![message])),
        }
        true
    }

    /// The messages of the room whose turn it is. Each room has its turn, whatever is wrong with another one.
    pub(super) fn pop(&mut self) -> Vec<StreamMessage> {
        let messages = self.rooms.pop_front().map(|(_, messages)| messages).unwrap_or_default();
        self.waiting -= messages.len();
        messages
    }

    /// Drops them all: the backfill of the next session reads what was missed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns when it is time to ask for the next room.
    pub(super) async fn due(&self) {
        match self.ask_at {
            _ if self.rooms.is_empty() => std::future::pending().await,
            Some(at) => sleep_until(at).await,
            None => {}
        }
    }
}
