//! What holds for one realtime session: who the bot is, and what time it is at the server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::settings::Settings;
use rocketchat::{Account, UserId};

/// How far the server's clock may be from what was measured: HTTP tells whole seconds.
pub(super) const SKEW: Duration = Duration::from_secs(2);
/// How long a message may travel.
const TRAVEL: Duration = Duration::from_secs(60);
/// Half of the time a message may wait for its turn at the least, however short the look back.
const REACH_AT_LEAST: Duration = Duration::from_hours(24);
/// How far the clocks of the server and its database, and ours as far as it is known, may be apart.
pub(super) const CLOCKS: Duration = Duration::from_secs(30);

/// One session, from `Ready` until the connection is lost.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) me: UserId,
    begun: Instant,
    account: Arc<Account>,
    /// How far back messages missed while away still alert; zero for never.
    catch_up: Duration,
    /// Whether the watched rooms were listed, and each was noted.
    listed: AtomicBool,
}

impl Session {
    /// A session that came to stand at `begun`, which is earlier than it is heard of where the store was slow.
    pub(super) fn new(me: UserId, begun: Instant, account: Arc<Account>, catch_up: Duration) -> Self {
        Self { me, begun, account, catch_up, listed: AtomicBool::new(false) }
    }

    /// The same session under other settings.
    pub(super) fn under(&self, settings: &Settings) -> Self {
        Self::new(self.me.clone(), self.begun, self.account.clone(), settings.config.rocketchat.catch_up)
    }

    /// Whether the settings changed while it lasts.
    pub(super) fn is_older_than(&self, settings: &Settings) -> bool {
        self.begun < settings.since
    }

    /// When it began, by the server's clock as it is now; rather a little too early than too late.
    pub(super) fn begun(&self) -> Timestamp {
        self.server_now() - self.begun.elapsed() - SKEW
    }

    /// Now, by the server's clock. Measured anew by every REST call: a server's clock may be set while we listen.
    pub(super) fn server_now(&self) -> Timestamp {
        self.account.server_now().unwrap_or_else(Timestamp::now)
    }

    /// What was written before has surely arrived wherever messages are read from.
    pub(super) fn arrived(&self) -> Timestamp {
        self.server_now() - CLOCKS
    }

    /// Whether something that just happened at this time says that the server's clock was set back since it was last
    /// measured. A server that tells an old message again, exactly as it was, looks the same.
    pub(super) fn is_doubted_by(&self, just_now: Timestamp) -> bool {
        just_now < self.server_now() - TRAVEL
    }

    /// Since when a room is watched that was first heard of by a message stamped with this time: since a little before,
    /// for messages come out of order. The message itself may be older, as it is where a reaction brings it back.
    pub(super) fn heard_since(&self, stamped: Timestamp) -> Timestamp {
        let stamped = self.not_ahead(stamped);
        stamped.saturating_sub(TRAVEL).map_or(stamped, |earlier| earlier.max(self.begun()))
    }

    /// Since when a room is watched that came to be so at this time, by the clock of one of the servers.
    pub(super) fn changed_at(&self, changed: Timestamp) -> Timestamp {
        let changed = self.not_ahead(changed);
        changed.checked_sub(SKEW).map_or(changed, |earlier| earlier.max(self.begun()))
    }

    /// A time that one of the servers stamped, as it may be believed: where its clock is ahead of the others', whatever they
    /// stamp until then would be older than that.
    pub(super) fn not_ahead(&self, stamped: Timestamp) -> Timestamp {
        stamped.min(self.server_now())
    }

    /// Notes that every watched room is noted that was there when the rooms were listed.
    pub(super) fn rooms_are_listed(&self) {
        self.listed.store(true, Ordering::Relaxed);
    }

    /// Whether that is so. Until then a room that is not noted may be one that was joined while the bot was away.
    pub(super) fn has_listed_rooms(&self) -> bool {
        self.listed.load(Ordering::Relaxed)
    }

    /// What was written before never alerts in a room that is watched since `since`.
    pub(super) fn oldest(&self, since: Timestamp) -> Timestamp {
        since.max(self.horizon())
    }

    /// The time before which nothing alerts, however long a room is watched: `catch_up` before the session began. It
    /// stands still while the session lasts, so that nothing becomes too old because the store or the server was slow,
    /// but for what may be forgotten already.
    pub(super) fn horizon(&self) -> Timestamp {
        (self.begun() - self.catch_up).max(self.server_now() - reach(self.catch_up))
    }
}

/// How long after it was written a message may still alert. It is remembered for longer.
pub(super) fn reach(catch_up: Duration) -> Duration {
    catch_up.max(REACH_AT_LEAST) * 2
}
