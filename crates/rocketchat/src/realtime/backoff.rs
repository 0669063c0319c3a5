//! When to reconnect: after exponentially growing waits, with jitter so that many clients do not return at once.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::Timing;

/// The waits between attempts.
#[derive(Debug)]
pub(super) struct Backoff<'a> {
    timing: &'a Timing,
    waits: ExponentialBackoff,
    /// The number of the next attempt since the last healthy session, from 1.
    pub(super) attempt: u32,
}

impl<'a> Backoff<'a> {
    pub(super) fn new(timing: &'a Timing) -> Self {
        // Jitter adds up to the wait itself, so half of each step is certain and half is random.
        let policy = ExponentialBuilder::new()
            .with_min_delay(timing.first_retry / 2)
            .with_max_delay(timing.last_retry / 2)
            .without_max_times()
            .with_jitter();
        Self { timing, waits: policy.build(), attempt: 1 }
    }

    /// The wait after an attempt. `lived` is how long its session was online, if it was; only a session that lived
    /// `healthy_after` resets the waits, so that a server that accepts and closes is not flooded. `asked` is the wait
    /// that the server asked for; the wait is never shorter.
    pub(super) fn next(&mut self, lived: Option<Duration>, asked: Option<Duration>) -> Duration {
        if lived.is_some_and(|lived| lived >= self.timing.healthy_after) {
            *self = Self::new(self.timing);
        }
        self.attempt = self.attempt.saturating_add(1);
        let wait = self.waits.next().unwrap_or(self.timing.last_retry);
        asked.map_or(wait, |asked| wait.max(asked + wait.min(self.timing.first_retry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Whether a wait is between half and all of a step.
    fn is_of_step(wait: Duration, step: f64) -> bool {
        (secs(step) / 2..=secs(step)).contains(&wait)
    }

    #[test]
    fn waits_double_up_to_a_minute() {
        for _ in 0..100 {
            let timing = Timing::default();
            let mut backoff = Backoff::new(&timing);
            assert_eq!(backoff.attempt, 1);
            for (n, step) in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0].into_iter().enumerate() {
                let wait = backoff.next(None, None);
                assert!(is_of_step(wait, step), "{wait:?} of {step} s");
                assert_eq!(backoff.attempt, n as u32 + 2);
            }
        }
    }

    #[test]
    fn waits_differ_between_clients() {
        let timing = Timing::default();
        let wait = || Backoff::new(&timing).next(None, None);
        let first = wait();
        assert!((0..20).any(|_| wait() != first));
    }

    #[test]
    fn only_a_session_of_a_minute_resets_the_waits() {
        let timing = Timing::default();
        let mut backoff = Backoff::new(&timing);
        for _ in 0..5 {
            backoff.next(Some(secs(59.9)), None);
        }
        assert!(is_of_step(backoff.next(Some(secs(1.0)), None), 32.0), "accept and close is no success");
        assert!(is_of_step(backoff.next(Some(secs(60.0)), None), 1.0));
        assert_eq!(backoff.attempt, 2);
    }

    #[test]
    fn the_wait_is_never_shorter_than_the_server_asks_for() {
        let timing = Timing::default();
        let mut backoff = Backoff::new(&timing);
        assert!(backoff.next(None, Some(secs(90.0))) >= secs(90.0));
        assert!(backoff.next(None, Some(secs(0.1))) >= secs(1.0), "nor does it shorten the backoff");
    }
}
