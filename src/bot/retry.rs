//! Repeats failed operations of the store or the server.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use rocketchat::RestError;
use scopeguard::guard;
use tokio::time::sleep;
use tracing::{error, warn};

use super::tempo::Tempo;
use crate::health::Health;
use crate::store::StoreError;

/// The wait after the store failed.
const STORE_WAIT: Duration = Duration::from_secs(2);
/// The shortest and the longest wait between two calls, in units of [`Tempo::retry_unit`].
const CALL_WAIT: (u32, u32) = (2, 30);

/// Repeats an operation of the store until it succeeds, because a message that is not settled must not be skipped.
pub(super) async fn until_stored<T, F: Future<Output = Result<T, StoreError>>>(
    health: &Health,
    what: &str,
    mut act: impl FnMut() -> F,
) -> T {
    // After success, and also if it is aborted: nothing else would clear the condition.
    let _cleared = guard((), |()| health.store_answered(what, &Ok(())));
    loop {
        let error = match act().await {
            Ok(done) => return done,
            Err(error) => error,
        };
        error!(%error, "{what}; trying again");
        health.store_answered::<()>(what, &Err(error));
        sleep(STORE_WAIT).await;
    }
}

/// How often a call may be throttled. Then its caller gives up, and repeats it later.
const MOST_THROTTLED: u32 = 10;

impl Tempo {
    /// Repeats a call at most `tries` times. Being throttled does not count as a try, but has a limit of its own.
    pub(super) async fn retry<T, F: Future<Output = Result<T, RestError>>>(
        &self,
        tries: u32,
        what: &str,
        mut call: impl FnMut() -> F,
    ) -> Result<T, RestError> {
        let (mut failures, mut throttled) = (0, 0);
        loop {
            let error = match call().await {
                Err(error) if error.is_retryable() => error,
                done => return done,
            };
            match error {
                RestError::RateLimited { .. } => throttled += 1,
                _ => failures += 1,
            }
            if failures >= tries || throttled >= MOST_THROTTLED {
                return Err(error);
            }
            warn!(%error, "{what}; trying again");
            sleep(self.wait_after(&error, failures.saturating_sub(1))).await;
        }
    }

    /// The wait after this error and this many earlier failures.
    pub(super) fn wait_after(&self, error: &RestError, failures: u32) -> Duration {
        let (first, longest) = (self.retry_unit * CALL_WAIT.0, self.retry_unit * CALL_WAIT.1);
        let wait = match error {
            RestError::RateLimited { wait } => *wait,
            _ => {
                let waits = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest);
                waits.without_max_times().build().nth(failures as usize).unwrap_or(longest)
            }
        };
        wait.max(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a call is made that always fails with this error.
    async fn calls(error: RestError) -> u32 {
        let mut calls = 0;
        let failed: Result<(), _> = Tempo::default()
            .retry(4, "a test", || {
                calls += 1;
                let error = error.clone();
                async { Err(error) }
            })
            .await;
        assert!(failed.is_err());
        calls
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_always_throttled_ends() {
        assert_eq!(calls(RestError::RateLimited { wait: Duration::ZERO }).await, MOST_THROTTLED);
        assert_eq!(calls(RestError::unavailable("away")).await, 4);
    }
}
