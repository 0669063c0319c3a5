//! The worker that drains one queue of the outbox, whatever its destination.
//!
//! A row leaves only when it is settled. A failure of one row delays that row, and for a moment its queue; it never
//! stops the queue, and queues never wait for each other.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    store::{
        AlertChange, AlertId, AlertState, Delivery, NewDelivery, Next, Queue, Settlement, Store, StoreError,
    },
    telemetry,
};

/// The worker looks for rows at least this often, should a wake-up ever fail.
const POLL: Duration = Duration::from_secs(30);
/// The wait after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(2);
/// First and longest wait of one row between two attempts.
const ROW_BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// First and longest wait of a queue whose last attempts all failed.
const QUEUE_BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// How often a delivery is tried at least before it is given up for its age; with the waits between, some minutes.
const LEAST_ATTEMPTS: u32 = 10;

/// What a destination says of one attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What came of the delivery.
    pub(super) outcome: Outcome,
    /// What came of it for its alert.
    pub(super) change: Option<AlertChange>,
    /// What follows from it.
    pub(super) then: Vec<NewDelivery>,
}

/// What came of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It arrived. Where the destination says so, it takes nothing more before a time.
    Delivered { pause: Option<Timestamp> },
    /// It never will; the queue rests for a moment where the destination limits errors.
    Failed { reason: String, rest: Duration },
    /// The destination is in trouble: the row waits, and its queue for a moment too.
    Retry { reason: String },
    /// The destination takes nothing before this time.
    Paused { until: Timestamp, reason: String },
}

/// Where a queue leads to.
pub(super) trait Destination: Send + Sync {
    /// Tries one delivery. Must end by itself within its own timeouts.
    ///
    /// # Errors
    /// Where the store failed before anything was sent.
    fn attempt(&self, delivery: &Delivery) -> impl Future<Output = Result<Attempt, StoreError>> + Send;
}

/// Drains a queue until cancelled. An attempt under way at that moment is finished and settled first.
pub(super) async fn drain<D: Destination>(queue: Queue, to: D, store: Store, cancel: CancellationToken) {
    let mut worker = Worker { changes: store.changes(), queue, to, store, cancel, failures: 0 };
    while !worker.cancel.is_cancelled() {
        match worker.step().await {
            Ok(wait) => worker.rest(wait).await,
            Err(error) => {
                error!(queue = %worker.queue, %error, "the outbox cannot be read or written; trying again");
                worker.rest(Wait::Firmly(STORE_PAUSE)).await;
            }
        }
    }
}

/// How long to wait before the next step.
#[derive(Debug, PartialEq, Eq)]
enum Wait {
    /// Not at all.
    No,
    /// So long, or until a row is added.
    ForNews(Duration),
    /// So long, whatever is added.
    Firmly(Duration),
}

struct Worker<D> {
    queue: Queue,
    to: D,
    store: Store,
    changes: watch::Receiver<()>,
    cancel: CancellationToken,
    /// Attempts that failed in a row: the queue's health.
    failures: u32,
}

impl<D: Destination> Worker<D> {
    async fn step(&mut self) -> Result<Wait, StoreError> {
        // Armed before the query, so that a row added after it wakes the worker.
        self.changes.mark_unchanged();
        let now = Timestamp::now();
        match self.store.next_delivery(&self.queue, now).await? {
            Next::Due(delivery) => self.deliver(&delivery).await,
            Next::At(at) => Ok(Wait::ForNews(until(at, now).min(POLL))),
            Next::Empty => Ok(Wait::ForNews(POLL)),
        }
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Result<Wait, StoreError> {
        let attempt = self.to.attempt(delivery).await?;
        let now = Timestamp::now();
        let (settlement, wait) = self.judge(attempt.outcome, delivery, now);
        self.settle(delivery, &settlement, attempt.change.as_ref(), &attempt.then).await;
        if let (Some(alert), Some(change)) = (delivery.alert, &attempt.change) {
            self.told(alert, change, delivery);
        }
        Ok(wait)
    }

    /// Says and counts what became of an alert, once it is written down: until then a crash would send it again.
    fn told(&self, alert: AlertId, change: &AlertChange, delivery: &Delivery) {
        match change {
            AlertChange::Sent(event_id) => {
                match event_id {
                    Some(event_id) => info!(%alert, %event_id, queue = %self.queue, "alert sent"),
                    None => {
                        warn!(%alert, queue = %self.queue, "alert sent, but SIGNL4's answer names no eventId")
                    }
                }
                telemetry::alert(AlertState::Sent.name());
                telemetry::alert_sent(until(Timestamp::now(), delivery.created_at));
            }
            AlertChange::NotSent => telemetry::alert(AlertState::NotSent.name()),
            AlertChange::StillQueued { .. } => {}
        }
    }

    fn judge(&mut self, outcome: Outcome, delivery: &Delivery, now: Timestamp) -> (Settlement, Wait) {
        match outcome {
            Outcome::Delivered { pause } => {
                self.failures = 0;
                let wait = pause.map_or(Wait::No, |at| {
                    debug!(queue = %self.queue, until = %at, "the limit is reached");
                    Wait::Firmly(until(at, now))
                });
                (Settlement::Delivered, wait)
            }
            Outcome::Failed { reason, rest } => {
                error!(queue = %self.queue, delivery = %delivery.id, alert = delivery.alert.map(display), %reason, "given up");
                (Settlement::Failed { reason }, Wait::Firmly(rest))
            }
            Outcome::Retry { reason } => {
                let at = now + backoff(ROW_BACKOFF, delivery.attempts);
                let rest = backoff(QUEUE_BACKOFF, self.failures);
                self.failures = self.failures.saturating_add(1);
                info!(queue = %self.queue, delivery = %delivery.id, alert = delivery.alert.map(display), attempts = delivery.attempts + 1, %reason, retry_at = %at, "not delivered yet");
                (Settlement::Retry { at, reason: Some(reason) }, Wait::Firmly(rest))
            }
            Outcome::Paused { until: at, reason } => {
                info!(queue = %self.queue, delivery = %delivery.id, alert = delivery.alert.map(display), until = %at, %reason, "paused");
                (Settlement::Retry { at, reason: None }, Wait::Firmly(until(at, now)))
            }
        }
    }

    /// Writes down what came of an attempt, as often as it takes: an outcome that is forgotten is a second page.
    async fn settle(
        &self,
        delivery: &Delivery,
        settlement: &Settlement,
        change: Option<&AlertChange>,
        then: &[NewDelivery],
    ) {
        while let Err(error) = self.store.settle_delivery(delivery, settlement, change, then).await {
            error!(queue = %self.queue, delivery = %delivery.id, alert = delivery.alert.map(display), %error, "an outcome cannot be stored; trying again");
            tokio::time::sleep(STORE_PAUSE).await;
        }
    }

    async fn rest(&mut self, wait: Wait) {
        let (time, news) = match wait {
            Wait::No => return,
            Wait::ForNews(time) => (time, true),
            Wait::Firmly(time) => (time, false),
        };
        tokio::select! {
            () = self.cancel.cancelled() => {}
            () = tokio::time::sleep(time) => {}
            Ok(()) = self.changes.changed(), if news => {}
        }
    }
}

/// Whether a delivery that failed once more is to be given up. Age alone does not tell: a clock that was wrong when the
/// row was written, as on a machine that starts without a battery, makes it a day old at once, and a bot that was off
/// has not tried at all meanwhile.
pub(super) fn tried_long_enough(delivery: &Delivery, retry_for: Duration, now: Timestamp) -> bool {
    let least = (retry_for.as_secs() / 60).min(LEAST_ATTEMPTS.into());
    u64::from(delivery.attempts) + 1 >= least && until(now, delivery.created_at) > retry_for
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// Doubles from the first wait to the longest, then takes off up to a quarter at random, so that many do not come
/// back at once.
fn backoff((first, longest): (Duration, Duration), failures: u32) -> Duration {
    let full = first.saturating_mul(2_u32.saturating_pow(failures)).min(longest);
    full.mul_f64(rand::rng().random_range(0.75..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeliveryId;

    #[test]
    fn backoff_grows_to_its_limit_and_never_beyond() {
        for failures in [0, 1, 5, 31, 32, u32::MAX] {
            let wait = backoff(ROW_BACKOFF, failures);
            assert!(wait >= ROW_BACKOFF.0.mul_f64(0.75) && wait <= ROW_BACKOFF.1, "{failures}: {wait:?}");
        }
        assert!(backoff(ROW_BACKOFF, 3) > backoff(ROW_BACKOFF, 0) * 4);
    }

    #[test]
    fn what_looks_old_is_not_given_up_before_it_was_really_tried() {
        const DAY: Duration = Duration::from_hours(24);
        let now = Timestamp::now();
        let over = |attempts, age: Duration, retry_for| {
            let (id, body, alert) = (DeliveryId::default(), String::new(), None);
            let delivery = Delivery { id, body, alert, attempts, created_at: now - age };
            tried_long_enough(&delivery, retry_for, now)
        };
        assert!(!over(3, DAY * 365, DAY), "the clock was set");
        assert!(over(9, DAY * 365, DAY));
        assert!(!over(5_000, DAY, DAY));
        assert!(over(1, Duration::from_secs(121), Duration::from_secs(120)), "the last of two tries");
        assert!(!over(0, Duration::from_secs(121), Duration::from_secs(120)));
    }
}
