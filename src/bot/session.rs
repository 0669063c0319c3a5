//! The data of one session, realtime or polling: the bot's user, and the server's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rocketchat::UserId;
use tokio::time::Instant;

use super::context::Context;
use super::progress::SKEW;
use super::settings::{KEEP_LONGER, Settings};

/// How long a message may be in transit.
const MAX_TRANSIT: Duration = Duration::from_secs(60);

/// One session, and what its parts share: from `Ready` until the connection is lost; or one without a stream, until the next `Ready`.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) context: Context,
    pub(super) me: UserId,
    begun: Instant,
    /// The settings that messages are judged by.
    pub(super) settings: Arc<Settings>,
    /// Whether there is no stream, so that messages only arrive over REST.
    pub(super) is_polling: bool,
    /// Whether the watched rooms were listed and recorded.
    listed: AtomicBool,
}

impl Session {
    /// A session that began at `begun`. If the store was slow, that is earlier than the bot notices it.
    pub(super) fn new(
        context: Context,
        me: UserId,
        begun: Instant,
        settings: Arc<Settings>,
        is_polling: bool,
    ) -> Self {
        Self { context, me, begun, settings, is_polling, listed: AtomicBool::new(false) }
    }

    /// The same session under other settings.
    pub(super) fn under(&self, settings: Arc<Settings>) -> Self {
        Self::new(self.context.clone(), self.me.clone(), self.begun, settings, self.is_polling)
    }

    /// Whether the server has answered yet, and so reported its time.
    pub(super) fn knows_time(&self) -> bool {
        self.context.rest.account().server_now().is_some()
    }

    /// The current time by the server's clock.
    pub(super) fn server_now(&self) -> Timestamp {
        self.context.server_now()
    }

    /// When it began.
    pub(super) fn begun(&self) -> Timestamp {
        self.context.time_of(self.begun)
    }

    /// From when the settings apply.
    pub(super) fn settings_since(&self) -> Timestamp {
        self.context.time_of(self.settings.since)
    }

    /// From when a room is watched that first appeared in a message with this timestamp: from a little earlier,
    /// because messages arrive out of order. The message itself may be older, for example if a reaction brings it
    /// back.
    pub(super) fn received_since(&self, stamped: Timestamp) -> Timestamp {
        let stamped = self.not_ahead(stamped);
        (stamped - MAX_TRANSIT).max(self.begun())
    }

    /// From when a room is watched that became watched at this time, by the clock of one of the servers.
    pub(super) fn changed_at(&self, changed: Timestamp) -> Timestamp {
        self.not_ahead(changed) - SKEW
    }

    /// A server's timestamp, limited to plausible values: if that server's clock is ahead of the others', all their
    /// messages until then would seem older.
    fn not_ahead(&self, stamped: Timestamp) -> Timestamp {
        stamped.min(self.server_now())
    }

    /// Records that every watched room is known that existed when the rooms were listed.
    pub(super) fn rooms_are_listed(&self) {
        self.listed.store(true, Ordering::Relaxed);
    }

    /// Whether that is so. Until then, an unknown room may be one that was joined while the bot was away.
    pub(super) fn has_listed_rooms(&self) -> bool {
        self.listed.load(Ordering::Relaxed)
    }

    /// Whether messages raise alerts that no stream delivered. Without a stream all of them do from the start of the
    /// session, because they do not count as missed.
    pub(super) fn looks_back(&self) -> bool {
        self.is_polling || !self.catch_up().is_zero()
    }

    /// The time before which nothing raises an alert: `catch_up` before the start of the session. It does not change
    /// during the session, so that nothing becomes too old because the store or the server was slow; except that, in a long
    /// session, an old message whose alert may have been deleted raises none.
    pub(super) fn horizon(&self) -> Timestamp {
        let kept = self.settings.keep_alerts() - KEEP_LONGER;
        (self.begun() - self.catch_up()).max(self.server_now() - kept)
    }

    /// How old missed messages may be and still raise alerts; zero for never.
    fn catch_up(&self) -> Duration {
        self.settings.config.rocketchat.catch_up
    }
}
