//! How far the server's clock is from ours.

use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};

/// A clock further off than this is not believed: adding it to a time must always give a time.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 50);

/// The server's clock, as its HTTP answers tell of it.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Option<SignedDuration>>);

impl ServerClock {
    /// Takes in an answer's `Date`, and when the call was made and answered by our clock.
    pub(super) fn observe(&self, date: Timestamp, sent: Timestamp, answered: Timestamp) {
        let halfway = answered.duration_since(sent) / 2;
        // `Date` names whole seconds: on average half a second has passed since.
        let offset = date.duration_since(sent) - halfway + SignedDuration::from_millis(500);
        if offset.abs() <= FARTHEST
            && let Ok(mut known) = self.0.lock()
        {
            *known = Some(offset);
        }
    }

    /// Server's time minus ours, exact to about a second; unknown before the first answer.
    pub(super) fn offset(&self) -> Option<SignedDuration> {
        self.0.lock().ok().and_then(|known| *known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_the_servers_time_minus_ours() {
        let clock = ServerClock::default();
        assert_eq!(clock.offset(), None);
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        clock.observe(at(7_000), at(2_400), at(2_600));
        assert_eq!(clock.offset(), Some(SignedDuration::from_millis(5_000)));
    }

    #[test]
    fn a_clock_that_is_absurdly_off_is_not_believed() {
        let clock = ServerClock::default();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        for date in [Timestamp::MAX, Timestamp::MIN] {
            clock.observe(date, now, now);
            assert_eq!(clock.offset(), None);
        }
    }
}
