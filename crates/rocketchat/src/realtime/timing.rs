//! Timeouts and intervals of a session.

use std::time::Duration;

/// Timeouts and intervals. The defaults suit monolith and streamer; tests shorten them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Ping after this long without a frame. Monoliths ping after 15 s of silence, streamers after 30 s.
    pub ping_after: Duration,
    /// Give the connection up after this long without a frame.
    pub dead_after: Duration,
    /// First wait between attempts; it doubles each time.
    pub first_retry: Duration,
    /// Longest wait between attempts.
    pub last_retry: Duration,
    /// How long a session has to live to reset the waits.
    pub healthy_after: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(15),
            dead_after: Duration::from_secs(30),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_secs(60),
            healthy_after: Duration::from_secs(60),
        }
    }
}
