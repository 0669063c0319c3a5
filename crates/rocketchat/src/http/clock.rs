//! What time it is at the server.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

/// A clock further off than this is not believed: adding it to a time must always give a time.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 50);
/// `Date` names whole seconds: on average half a second has passed since.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// The server's clock, as its HTTP answers tell of it. Between two answers it goes on by the steady clock of this machine:
/// the other one may be set, by hand or by NTP.
#[derive(Debug, Default)]
pub(super) struct ServerClock(Mutex<Option<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    server: Timestamp,
    at: Instant,
}

impl ServerClock {
    /// Takes in an answer's `Date`, and when the call was made and answered.
    pub(super) fn observe(&self, date: Timestamp, sent: Instant, answered: Instant) {
        let halfway = answered.duration_since(sent) / 2;
        let believed = date.duration_since(Timestamp::now()).abs() <= FARTHEST;
        if let Some(server) = date.checked_add(halfway + HALF_A_SECOND).ok().filter(|_| believed) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reading { server, at: answered });
        }
    }

    /// Server's time now, exact to about a second; unknown before the first answer.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.and_then(|reading| reading.server.checked_add(reading.at.elapsed()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_answers_and_goes_on_since() {
        let clock = ServerClock::default();
        assert_eq!(clock.now(), None);
        let (hour, ms) = (SignedDuration::from_hours(1), Duration::from_millis);
        let date = Timestamp::now() - hour;
        let answered = Instant::now();
        clock.observe(date, answered - ms(400), answered);
        let told = clock.now().unwrap();
        let passed = answered.elapsed();
        assert!(date + ms(700) <= told && told <= date + ms(700) + passed, "{date} {told}");
    }

    #[test]
    fn a_clock_that_is_absurdly_off_is_not_believed() {
        let clock = ServerClock::default();
        for date in [Timestamp::MAX, Timestamp::MIN] {
            clock.observe(date, Instant::now(), Instant::now());
            assert_eq!(clock.now(), None);
        }
    }
}
