//! How long it is insisted on what the store or the server will not do at once.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;
use tracing::{error, warn};

use crate::store::StoreError;
use rocketchat::rest::RestError;

/// The wait after the store or the server failed, before the same is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest wait between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Repeats what the store refuses until it takes it: a message that is not settled must not be passed over.
pub(super) async fn insist<T, F: Future<Output = Result<T, StoreError>>>(
    what: &str,
    mut act: impl FnMut() -> F,
) -> T {
    loop {
        match act().await {
            Ok(done) => return done,
            Err(error) => error!(%error, "{what}; trying again"),
        }
        sleep(PAUSE).await;
    }
}

/// Repeats a call until the server answers it, with yes or no. A new session aborts the wait.
pub(super) async fn patiently<T, F: Future<Output = Result<T, RestError>>>(
    what: &str,
    call: impl FnMut() -> F,
) -> Result<T, RestError> {
    at_most(u32::MAX, what, call).await
}

/// The same, but no more often than so many times: what is wrong with one room must not keep the others waiting. A server
/// that asks for fewer calls has said nothing of this one, and is waited for.
pub(super) async fn at_most<T, F: Future<Output = Result<T, RestError>>>(
    times: u32,
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
        if failures >= times {
            return Err(error);
        }
        warn!(%error, "{what}; trying again");
        wait_after(&error, failures.saturating_sub(1)).await;
    }
}

/// Waits as long as the error asks for, and longer from one failure to the next.
pub(super) async fn wait_after(error: &RestError, failures: u32) {
    sleep(pause_after(error, failures)).await;
}

/// How long that is.
pub(super) fn pause_after(error: &RestError, failures: u32) -> Duration {
    let wait = match error {
        RestError::RateLimited { until } => {
            Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or(PAUSE)
        }
        _ => PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE),
    };
    wait.max(PAUSE)
}
