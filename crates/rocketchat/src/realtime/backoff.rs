//! When to try again: exponentially longer waits, jittered so that many clients do not come back at once.

use std::time::Duration;

use super::Timing;

/// The waits between attempts.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    last: Duration,
    healthy_after: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(timing: &Timing) -> Self {
        Self {
            first: timing.first_retry,
            last: timing.last_retry,
            healthy_after: timing.healthy_after,
            failures: 0,
        }
    }

    /// The wait after an attempt whose session, if it came to stand, held for `lived`. Only one that held long enough
    /// starts the waits anew: a server that accepts and closes is not met with a storm. `asked` is what the server
    /// wants, and is never undercut. `jitter` is in `0.0..1.0`.
    pub(super) fn next(&mut self, lived: Option<Duration>, asked: Option<Duration>, jitter: f64) -> Duration {
        if lived.is_some_and(|lived| lived >= self.healthy_after) {
            self.failures = 0;
        }
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        let full = doubled.min(self.last);
        // Half of it is certain, so that there is always a pause; half is drawn.
        let wait = full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        // What was asked for is stretched by a little, so that not all come back at the same moment.
        let asked = asked.map(|asked| asked + self.first.mul_f64(jitter.clamp(0.0, 1.0)));
        wait.max(asked.unwrap_or_default())
    }

    /// Which attempt the next one is since the last session that held, from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.failures.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut backoff = Backoff::new(&Timing::default());
        let waits: Vec<_> = (0..9).map(|_| backoff.next(None, None, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.attempt(), 10);
    }

    #[test]
    fn only_a_session_that_held_a_minute_starts_the_waits_anew() {
        let mut backoff = Backoff::new(&Timing::default());
        for _ in 0..5 {
            backoff.next(Some(secs(59.9)), None, 1.0);
        }
        assert_eq!(backoff.next(Some(secs(1.0)), None, 1.0), secs(32.0), "accept and close is no success");
        assert_eq!(backoff.next(Some(secs(60.0)), None, 1.0), secs(1.0));
    }

    #[test]
    fn what_the_server_asks_for_is_never_undercut() {
        let mut backoff = Backoff::new(&Timing::default());
        assert!(backoff.next(None, Some(secs(90.0)), 0.0) >= secs(90.0));
        assert!(backoff.next(None, Some(secs(0.1)), 0.0) >= secs(1.0), "nor does it shorten our own wait");
    }

    proptest! {
        #[test]
        fn every_wait_is_between_half_and_all_of_its_step(failures in 0_usize..200, jitter in 0.0..1.0) {
            let mut backoff = Backoff::new(&Timing::default());
            let mut wait = backoff.next(None, None, jitter);
            for _ in 0..failures {
                wait = backoff.next(None, None, jitter);
            }
            let step = secs(2_f64.powi(failures as i32).min(60.0));
            prop_assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
    }
}
