//! Counts calls in fixed windows, as Meteor's `rate-limit` package does: the window starts with the first call; a call over
//! the limit is refused with the time until the window ends.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::options::Limit;
use super::refusal::Refusal;

#[derive(Debug)]
struct Window {
    since: Instant,
    calls: u32,
}

/// The outcome of a counted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) allowed: bool,
    /// Calls left in the window.
    pub(super) left: u32,
    /// Time until the window ends.
    pub(super) reset_in: Duration,
}

/// Windows by key.
#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<String, Window>);

impl Windows {
    /// Counts a call.
    pub(super) fn count(&mut self, key: &str, limit: Limit) -> Count {
        let now = Instant::now();
        let window = self.0.entry(key.to_owned()).or_insert(Window { since: now, calls: 0 });
        if now.duration_since(window.since) >= limit.window {
            *window = Window { since: now, calls: 0 };
        }
        window.calls += 1;
        Count {
            allowed: window.calls <= limit.calls,
            left: limit.calls.saturating_sub(window.calls),
            reset_in: limit.window.saturating_sub(now.duration_since(window.since)),
        }
    }

    /// Counts a DDP call and refuses it with `too-many-requests` over the limit.
    pub(super) fn admit(&mut self, key: &str, limit: Option<Limit>) -> Result<(), Refusal> {
        let Some(limit) = limit else { return Ok(()) };
        let count = self.count(key, limit);
        if count.allowed { Ok(()) } else { Err(too_many(count.reset_in)) }
    }
}

/// Meteor's own words (`DDPRateLimiter.getErrorMessage`).
fn too_many(reset_in: Duration) -> Refusal {
    let seconds = whole_seconds(reset_in);
    let reason = format!(
        "Error, too many requests. Please slow down. You must wait {seconds} seconds before trying again."
    );
    Refusal::meteor("too-many-requests", reason).with_details(
        serde_json::json!({ "timeToReset": u64::try_from(reset_in.as_millis()).unwrap_or(u64::MAX) }),
    )
}

/// Rounded up, as `Math.ceil(timeToReset / 1000)`.
pub(super) fn whole_seconds(time: Duration) -> u64 {
    time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_call_over_the_limit_is_refused_until_the_window_ends() {
        let mut windows = Windows::default();
        let limit = Limit::per_seconds(2, 10);
        assert!(windows.count("login", limit).allowed);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(windows.count("login", limit).allowed);
        let refused = windows.count("login", limit);
        assert_eq!(refused, Count { allowed: false, left: 0, reset_in: Duration::from_secs(6) });
        assert!(windows.count("other", limit).allowed, "another key has its own window");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(windows.count("login", limit).allowed);
    }
}
