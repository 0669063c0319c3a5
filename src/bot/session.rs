//! What holds for one realtime session: who the bot is, and what time it is at the server.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::rocketchat::UserId;

/// How far the server's clock may be from what was measured: HTTP tells whole seconds.
const SKEW: Duration = Duration::from_secs(2);
/// How long a message may travel.
const TRAVEL: Duration = Duration::from_secs(60);

/// One session, from `Ready` until the connection is lost.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) me: UserId,
    /// When it began, by the server's clock; rather a little too early than too late.
    pub(super) begun: Timestamp,
    offset: SignedDuration,
}

impl Session {
    /// `offset` is the server's clock minus ours.
    pub(super) fn new(me: UserId, offset: Option<SignedDuration>) -> Self {
        let offset = offset.unwrap_or_default();
        Self { me, begun: Timestamp::now() + offset - SKEW, offset }
    }

    /// Now, by the server's clock.
    pub(super) fn server_now(&self) -> Timestamp {
        Timestamp::now() + self.offset
    }

    /// Since when a room is watched that was first heard of by something of this time: since then, unless that is long
    /// ago, as it is where a reaction brings back an old message.
    pub(super) fn watching_since(&self, heard: Timestamp) -> Timestamp {
        heard.max(self.server_now() - TRAVEL).max(self.begun)
    }

    /// The time before which nothing alerts, however long a room is watched: `catch_up` ago, or the start of the
    /// session where the past is never looked at.
    pub(super) fn horizon(&self, catch_up: Duration) -> Timestamp {
        match catch_up {
            Duration::ZERO => self.begun,
            _ => self.server_now() - catch_up,
        }
    }
}
