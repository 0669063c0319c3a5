//! Remembers which routes are exhausted, so that a call the server has said it will refuse is not made.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::Timestamp;

use super::exchange::LONGEST_WAIT;

/// The routes that take no call before a given time. Rocket.Chat limits each route by itself.
#[derive(Debug, Default)]
pub(crate) struct RouteLimits(Mutex<HashMap<&'static str, Timestamp>>);

impl RouteLimits {
    /// Closes a route until the server takes calls again.
    pub(crate) fn close(&self, route: &'static str, until: Timestamp) {
        if let Ok(mut closed) = self.0.lock() {
            closed.insert(route, until);
        }
    }

    /// Until when a route is closed, if it is. No server closes one for longer than is believed of it: where it seems so, our
    /// clock was set back since.
    pub(crate) fn closed_until(&self, route: &'static str, now: Timestamp) -> Option<Timestamp> {
        let mut closed = self.0.lock().ok()?;
        match closed.get(route) {
            Some(until) if *until > now && until.duration_since(now) <= LONGEST_WAIT => Some(*until),
            Some(_) => {
                closed.remove(route);
                None
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_route_opens_by_itself_and_closes_no_other() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let limits = RouteLimits::default();
        limits.close("chat.sendMessage", at(60));
        assert_eq!(limits.closed_until("chat.sendMessage", at(59)), Some(at(60)));
        assert_eq!(limits.closed_until("chat.react", at(59)), None);
        assert_eq!(limits.closed_until("chat.sendMessage", at(60)), None);
    }
    #[test]
    fn a_clock_that_is_set_back_keeps_no_route_closed_for_longer_than_any_server_asks() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let limits = RouteLimits::default();
        limits.close("rooms.get", at(7_260));
        assert_eq!(limits.closed_until("rooms.get", at(0)), None, "two hours back");
    }
}
