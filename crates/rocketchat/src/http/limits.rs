//! Remembers rate limited routes, so that a call that the server would refuse is not made.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

/// Routes that accept no call before a given time; Rocket.Chat limits each route separately. The times are steady, since the
/// wall clock may be set meanwhile.
#[derive(Debug, Default)]
pub(crate) struct RouteLimits(Mutex<HashMap<&'static str, Instant>>);

impl RouteLimits {
    /// Closes a route until the server accepts calls again.
    pub(crate) fn close(&self, route: &'static str, until: Timestamp) {
        let wait = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
        self.close_until(route, Instant::now() + wait);
    }

    /// How long a route is still closed, if it is.
    pub(crate) fn closed_for(&self, route: &'static str) -> Option<Duration> {
        self.closed_at(route, Instant::now())
    }

    fn close_until(&self, route: &'static str, until: Instant) {
        self.0.lock().insert(route, until);
    }

    fn closed_at(&self, route: &'static str, now: Instant) -> Option<Duration> {
        let mut closed = self.0.lock();
        let left = closed.get(route)?.saturating_duration_since(now);
        if left.is_zero() {
            closed.remove(route);
            return None;
        }
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_route_reopens_in_time_and_closes_no_other() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let limits = RouteLimits::default();
        limits.close_until("chat.sendMessage", now + second * 60);
        assert_eq!(limits.closed_at("chat.sendMessage", now + second * 59), Some(second));
        assert_eq!(limits.closed_at("chat.react", now + second * 59), None);
        assert_eq!(limits.closed_at("chat.sendMessage", now + second * 60), None);
    }
}
