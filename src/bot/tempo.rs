//! The waits and intervals of the running bot.

use std::time::Duration;

use rocketchat::realtime::Timing;

use crate::store::BUSY_TIMEOUT;

/// The waits and intervals of the running bot. Tests shorten them; everything else uses the defaults.
#[derive(Clone, Debug)]
pub struct Tempo {
    /// An alert that has not been sent after this time is reported in its thread.
    pub late_after: Duration,
    /// Time between two searches for messages that the stream may have dropped.
    pub look_again: Duration,
    /// Time between two lists of the changed rooms: six calls a minute, where an account without
    /// `api-bypass-rate-limit` may make ten.
    pub poll_every: Duration,
    /// How long to wait for a realtime session before polling the rooms without one.
    pub poll_after: Duration,
    /// The session with Rocket.Chat: pings, timeouts and the waits between attempts.
    pub realtime: Timing,
    /// How long a statement waits for a store that another process has locked.
    pub store_busy: Duration,
    /// How long the store may fail at something, although it answers, before the bot is not ready.
    pub store_late: Duration,
    /// How often to look for rooms that triggers name and that the bot is not in.
    pub search_again: Duration,
    /// How long missed messages may be impossible to find before the bot is degraded.
    pub stalled_after: Duration,
    /// How long an alert whose call got no answer waits for SIGNL4's event before the call is repeated.
    pub confirmation_wait: Duration,
    /// The unit of the waits between failed calls and deliveries: a second.
    pub retry_unit: Duration,
}

impl Default for Tempo {
    fn default() -> Self {
        Self {
            late_after: Duration::from_secs(60),
            look_again: Duration::from_secs(60),
            poll_every: Duration::from_secs(10),
            poll_after: Duration::from_secs(10),
            realtime: Timing::default(),
            store_busy: BUSY_TIMEOUT,
            store_late: Duration::from_secs(15),
            search_again: Duration::from_secs(300),
            stalled_after: Duration::from_secs(300),
            confirmation_wait: Duration::from_secs(20),
            retry_unit: Duration::from_secs(1),
        }
    }
}
