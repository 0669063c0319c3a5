//! Keeps callers from filling the log: a warning that anybody can trigger is written once a minute, with a count.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The shortest time between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// Decides when one log line may be written.
#[derive(Debug, Default)]
pub(crate) struct RateLimitedLog(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    written_at: Option<Instant>,
    unwritten: u64,
}

impl RateLimitedLog {
    /// Counts an occurrence. If a new line is due, returns the number of occurrences since the last one.
    pub(crate) fn count(&self) -> Option<u64> {
        let mut counted = self.0.lock();
        counted.unwritten += 1;
        if counted.written_at.is_some_and(|at| at.elapsed() < INTERVAL) {
            return None;
        }
        counted.written_at = Some(Instant::now());
        Some(std::mem::take(&mut counted.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_minute_with_the_number_of_occurrences() {
        let log = RateLimitedLog::default();
        assert_eq!(log.count(), Some(1));
        for _ in 0..1000 {
            assert_eq!(log.count(), None);
        }
        tokio::time::advance(INTERVAL).await;
        assert_eq!(log.count(), Some(1001));
    }
}
