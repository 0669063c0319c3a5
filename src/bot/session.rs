//! What holds for one session, realtime or polling: who the bot is, and what time it is at the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rocketchat::{Account, UserId};
use tokio::time::Instant;

use super::settings::Settings;

/// How exact the server's time is known: HTTP tells whole seconds.
pub(super) const SKEW: Duration = Duration::from_secs(2);
/// How long a message may travel.
const TRAVEL: Duration = Duration::from_secs(60);

/// One session, from `Ready` until the connection is lost; or one without a stream, until the next `Ready`.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) me: UserId,
    begun: Instant,
    /// Since when the settings hold that this session is judged by.
    settings_since: Instant,
    account: Arc<Account>,
    /// Whether there is no stream, so that messages come by REST alone.
    pub(super) is_polling: bool,
    /// How far back messages missed while away still alert; zero for never.
    catch_up: Duration,
    /// Whether the watched rooms were listed, and each was noted.
    listed: AtomicBool,
}

impl Session {
    /// A session that began at `begun`, which is earlier than it is heard of where the store was slow.
    pub(super) fn new(me: UserId, begun: Instant, account: Arc<Account>, settings: &Settings) -> Self {
        let catch_up = settings.config.rocketchat.catch_up;
        let listed = AtomicBool::new(false);
        Self { me, begun, settings_since: settings.since, account, is_polling: false, catch_up, listed }
    }

    /// The same as a session without a stream.
    pub(super) fn polling(self) -> Self {
        Self { is_polling: true, ..self }
    }

    /// The same session under other settings.
    pub(super) fn under(&self, settings: &Settings) -> Self {
        let new = Self::new(self.me.clone(), self.begun, self.account.clone(), settings);
        Self { is_polling: self.is_polling, ..new }
    }

    /// Whether the server has answered yet, and so told its time.
    pub(super) fn knows_time(&self) -> bool {
        self.account.server_now().is_some()
    }

    /// Now, by the server's clock: the `Date` of its last answer plus steady time since. Before the first answer there is nothing
    /// better than this machine's clock.
    pub(super) fn server_now(&self) -> Timestamp {
        self.account.server_now().unwrap_or_else(Timestamp::now)
    }

    /// When a moment was, by the server's clock as it is now; a little too early rather than too late.
    fn time_of(&self, moment: Instant) -> Timestamp {
        self.server_now() - moment.elapsed() - SKEW
    }

    /// When it began.
    pub(super) fn begun(&self) -> Timestamp {
        self.time_of(self.begun)
    }

    /// Since when the settings hold.
    pub(super) fn settings_since(&self) -> Timestamp {
        self.time_of(self.settings_since)
    }

    /// Whether something that just happened at this time suggests that the server's clock was set back since it was last
    /// measured. A server that sends an old message again, exactly as it was, looks the same.
    pub(super) fn is_doubted_by(&self, just_now: Timestamp) -> bool {
        just_now < self.server_now() - TRAVEL
    }

    /// Since when a room is watched that was first heard of by a message stamped with this time: since a little before,
    /// for messages come out of order. The message itself may be older, as it is where a reaction brings it back.
    pub(super) fn heard_since(&self, stamped: Timestamp) -> Timestamp {
        let stamped = self.not_ahead(stamped);
        (stamped - TRAVEL).max(self.begun())
    }

    /// Since when a room is watched that came to be watched at this time, by the clock of one of the servers.
    pub(super) fn changed_at(&self, changed: Timestamp) -> Timestamp {
        self.not_ahead(changed) - SKEW
    }

    /// A time that one of the servers stamped, as far as it may be believed: where its clock is ahead of the others', whatever they
    /// stamp until then would be older than that.
    fn not_ahead(&self, stamped: Timestamp) -> Timestamp {
        stamped.min(self.server_now())
    }

    /// Notes that every watched room is known that was there when the rooms were listed.
    pub(super) fn rooms_are_listed(&self) {
        self.listed.store(true, Ordering::Relaxed);
    }

    /// Whether that is so. Until then a room that is not noted may be one that was joined while the bot was away.
    pub(super) fn has_listed_rooms(&self) -> bool {
        self.listed.load(Ordering::Relaxed)
    }

    /// Whether messages alert that no stream has brought. Without a stream all of them do, since the session began: what is written
    /// while it lasts is not missed.
    pub(super) fn looks_back(&self) -> bool {
        self.is_polling || !self.catch_up.is_zero()
    }

    /// The time before which nothing alerts: `catch_up` before the session began. It stands still while the session lasts, so
    /// that nothing becomes too old because the store or the server was slow.
    pub(super) fn horizon(&self) -> Timestamp {
        self.begun() - self.catch_up
    }
}
