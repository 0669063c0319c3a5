//! Whether the clock of this machine was set, by NTP or by hand, while the bot runs.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// The two clocks of this machine at one moment: the one that may be set, and the one that only goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct OurClock {
    wall: Timestamp,
    steady: Instant,
}

impl OurClock {
    pub(super) fn now() -> Self {
        Self { wall: Timestamp::now(), steady: Instant::now() }
    }

    /// By how much the clock was set since then. A machine that slept looks the same.
    pub(super) fn set_by(self) -> SignedDuration {
        let passed = SignedDuration::try_from(self.steady.elapsed()).unwrap_or(SignedDuration::MAX);
        Timestamp::now().duration_since(self.wall).saturating_sub(passed)
    }
}
