//! Keeps what strangers cause from filling the log.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The shortest time between two lines.
const BETWEEN: Duration = Duration::from_secs(60);

/// Lets a line of the log through once a minute.
#[derive(Debug, Default)]
pub(crate) struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Notes that something happened. Where it is time for a line: how often it did since the last one.
    pub(crate) fn happened(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told_at, untold) = &mut *state;
        *untold += 1;
        if told_at.is_some_and(|told| now < told + BETWEEN) {
            return None;
        }
        *told_at = Some(now);
        Some(std::mem::take(untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_minute_that_says_how_often_it_happened() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.happened(now), Some(1));
        for _ in 0..1000 {
            assert_eq!(seldom.happened(now), None);
        }
        assert_eq!(seldom.happened(now + BETWEEN), Some(1001));
    }
}
