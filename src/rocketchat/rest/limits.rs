//! Remembers which routes are exhausted, so that a call the server has said it will refuse is not made.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::Timestamp;

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

    /// Until when a route is closed, if it is.
    pub(crate) fn closed_until(&self, route: &'static str, now: Timestamp) -> Option<Timestamp> {
        let mut closed = self.0.lock().ok()?;
        match closed.get(route) {
            Some(until) if *until > now => Some(*until),
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
}
