//! How long something is repeated that the store or the server will not do at once.

use std::time::Duration;

use jiff::Timestamp;
use rocketchat::RestError;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::store::StoreError;

/// The wait after the store or the server failed, before the same is tried again.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Repeats what the store refuses until it takes it: a message that is not settled must not be passed over.
pub(super) async fn until_stored<T, F: Future<Output = Result<T, StoreError>>>(
    what: &str,
    mut act: impl FnMut() -> F,
) -> T {
    loop {
        match act().await {
            Ok(done) => return done,
            Err(error) => error!(%error, "{what}; trying again"),
        }
        sleep(FIRST_WAIT).await;
    }
}

/// Repeats a call that the server does not answer, at most `tries` times. A server that asks for fewer calls has said nothing of
/// this one, so being throttled does not count as a try.
pub(super) async fn up_to<T, F: Future<Output = Result<T, RestError>>>(
    tries: u32,
    what: &str,
    mut call: impl FnMut() -> F,
) -> Result<T, RestError> {
    let mut failures = 0;
    loop {
        let error = match call().await {
            Err(error) if error.is_retryable() => error,
            done => return done,
        };
        if !matches!(error, RestError::RateLimited { .. }) {
            failures += 1;
        }
        if failures >= tries {
            return Err(error);
        }
        warn!(%error, "{what}; trying again");
        sleep(wait_after(&error, failures.saturating_sub(1))).await;
    }
}

/// How long to wait after this error, and after so many failures before it.
pub(super) fn wait_after(error: &RestError, failures: u32) -> Duration {
    let wait = match error {
        RestError::RateLimited { until } => {
            Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or(FIRST_WAIT)
        }
        _ => FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_WAIT),
    };
    wait.max(FIRST_WAIT)
}
