//! Keeps callers from filling the log: a warning that anybody can trigger is written once a minute, with a count.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// The shortest time between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// Decides when one log line may be written.
#[derive(Debug)]
pub(crate) struct RateLimitedLog<C: Clock = DefaultClock> {
    limit: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    unwritten: AtomicU64,
}

impl Default for RateLimitedLog {
    fn default() -> Self {
        Self::with_clock(DefaultClock::default())
    }
}

impl<C: Clock> RateLimitedLog<C> {
    #[expect(clippy::expect_used, reason = "the interval is a constant other than zero")]
    fn with_clock(clock: C) -> Self {
        let quota = Quota::with_period(INTERVAL).expect("not zero");
        Self { limit: RateLimiter::direct_with_clock(quota, clock), unwritten: AtomicU64::new(0) }
    }

    /// Counts an occurrence. If a new line is due, returns the number of occurrences since the last one.
    pub(crate) fn count(&self) -> Option<u64> {
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        self.limit.check().ok().map(|()| self.unwritten.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_with_the_number_of_occurrences() {
        let clock = FakeRelativeClock::default();
        let log = RateLimitedLog::with_clock(clock.clone());
        assert_eq!(log.count(), Some(1));
        for _ in 0..1000 {
            assert_eq!(log.count(), None);
        }
        clock.advance(INTERVAL);
        assert_eq!(log.count(), Some(1001));
    }
}
