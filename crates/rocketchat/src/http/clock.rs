//! The server's clock.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

/// A time further off is ignored, so that arithmetic with it cannot overflow.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 50);
/// `Date` has whole seconds, so on average it is half a second late.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// The server's clock, from the `Date` of its answers plus steady time since. This machine's wall clock, which may
/// be set, only serves to ignore a `Date` that is decades off.
#[derive(Debug, Default)]
pub(crate) struct ServerClock(Mutex<Option<(Timestamp, Instant)>>);

impl ServerClock {
    /// Takes the `Date` of an answer to a call made at `sent` and answered at `answered`.
    pub(super) fn observe(&self, date: Timestamp, sent: Instant, answered: Instant) {
        let halfway = answered.duration_since(sent) / 2;
        let believed = date.duration_since(Timestamp::now()).abs() <= FARTHEST;
        if let Some(server) = date.checked_add(halfway + HALF_A_SECOND).ok().filter(|_| believed) {
            *self.0.lock() = Some((server, answered));
        }
    }

    /// The server's time now, exact to about a second; `None` before the first answer.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let (server, at) = (*self.0.lock())?;
        server.checked_add(at.elapsed()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_answers_plus_the_time_since() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        let (hour, ms) = (SignedDuration::from_hours(1), Duration::from_millis);
        let date = Timestamp::now() - hour;
        let answered = Instant::now();
        clock.observe(date, answered - ms(400), answered);
        let now = clock.now().unwrap();
        let passed = answered.elapsed();
        assert!(date + ms(700) <= now && now <= date + ms(700) + passed, "{date} {now}");
    }

    #[test]
    fn an_implausible_time_is_ignored() {
        let clock = ServerClock::default();
        for date in [Timestamp::MAX, Timestamp::MIN] {
            clock.observe(date, Instant::now(), Instant::now());
            assert_eq!(clock.now(), None);
        }
    }
}
