//! The times a session keeps.

use std::time::Duration;

/// When to ping, when to give up, when to try again. The defaults suit both kinds of server; tests shorten them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Own ping after this long without a frame. Monoliths ping after 15 s of silence, streamers after 30 s.
    pub ping_after: Duration,
    /// The connection is dead after this long without a frame.
    pub dead_after: Duration,
    /// Longest wait for each answer on the way to a session: name, TCP, proxy, TLS and upgrade together; `connected`;
    /// the login; `ready`.
    pub step: Duration,
    /// Longest wait for the socket to take a frame.
    pub send: Duration,
    /// First wait between attempts; it doubles from one to the next.
    pub first_retry: Duration,
    /// Longest wait between attempts.
    pub last_retry: Duration,
    /// How long a session must hold for the next wait to be the first again.
    pub healthy_after: Duration,
    /// Time between two subscriptions where each room needs its own. A server takes 40 in 10 s.
    pub subscribe_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping_after: Duration::from_secs(25),
            dead_after: Duration::from_secs(45),
            step: Duration::from_secs(20),
            send: Duration::from_secs(10),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_secs(60),
            healthy_after: Duration::from_secs(60),
            subscribe_every: Duration::from_millis(300),
        }
    }
}
