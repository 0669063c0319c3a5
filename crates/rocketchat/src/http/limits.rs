//! Remembers rate limited routes, so that a call that the server would refuse is not made.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Routes that accept no call before a given time; Rocket.Chat limits each route separately. The times are steady, since the
/// wall clock may be set meanwhile.
#[derive(Debug, Default)]
pub(crate) struct RouteLimits(Mutex<HashMap<&'static str, Instant>>);

impl RouteLimits {
    /// Closes a route for as long as the server accepts no calls.
    pub(crate) fn close(&self, route: &'static str, wait: Duration) {
        self.0.lock().insert(route, Instant::now() + wait);
    }

    /// How long a route is still closed, if it is.
    pub(crate) fn closed_for(&self, route: &'static str) -> Option<Duration> {
        let left = self.0.lock().get(route)?.saturating_duration_since(Instant::now());
        Some(left).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_closed_route_reopens_in_time_and_closes_no_other() {
        let second = Duration::from_secs(1);
        let limits = RouteLimits::default();
        limits.close("chat.sendMessage", second * 60);
        advance(second * 58).await;
        assert!(limits.closed_for("chat.sendMessage").is_some_and(|left| left <= second * 2));
        assert_eq!(limits.closed_for("chat.react"), None);
        advance(second * 2).await;
        assert_eq!(limits.closed_for("chat.sendMessage"), None);
    }
}
