//! The worker of one queue, for any destination.
//!
//! A row is claimed, tried and settled. Each of these steps is on disk before the next one. A row is only removed when
//! it is settled. No row blocks the queue: an attempt has a time limit, a panic is caught and counted, and a slow
//! attempt does not delay the next row. Queues never wait for each other.

#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, field::display, info, warn};

use super::schedule::Schedule;
use crate::{
    bot::retry::until_stored,
    health::{Condition, Health},
    store::{AlertState, Delivery, DeliveryKind, Head, NewDelivery, Queue, Settlement, Store, StoreError},
    telemetry,
};

/// How often to look for rows even without a wake-up.
const POLL: Duration = Duration::from_secs(30);
/// How often to check whether the stored events that a call waits for have been handled.
const EVENTS_POLL: Duration = Duration::from_millis(500);
/// The wait after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(2);
/// A queue with more rows that all wait is not read again at each change of the store, which would take a whole core.
const LONG_QUEUE: usize = 256;
/// How many rows to read, besides those that are known to wait, to find one that is due.
const LOOK_AHEAD: usize = 16;
/// Time limit for an attempt. Destinations have shorter limits; this one is a safety net.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);
/// After this many panics in succession a delivery is given up.
const MOST_PANICS: u32 = 5;
/// The minimum number of attempts before a delivery is given up because of its age.
const LEAST_ATTEMPTS: u32 = 10;

/// A destination's report on an attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The outcome of the delivery.
    pub(super) settlement: Settlement,
    /// How long the destination accepts nothing more.
    pub(super) pause: Option<Duration>,
    /// What to write to the store because of it.
    pub(super) then: Vec<NewDelivery>,
}

impl From<Settlement> for Attempt {
    fn from(settlement: Settlement) -> Self {
        Self { settlement, pause: None, then: vec![] }
    }
}

impl Attempt {
    /// Given up, although the last attempt may have arrived.
    pub(super) fn that_may_have_arrived(mut self) -> Self {
        if let Settlement::Failed { may_have_arrived, .. } = &mut self.settlement {
            *may_have_arrived = true;
        }
        self
    }
}

/// The destination of a queue.
pub(super) trait Destination: Send + Sync + 'static {
    /// Tries one delivery.
    fn attempt(&self, delivery: &Delivery) -> impl Future<Output = Attempt> + Send;

    /// What to settle and report if a delivery is given up.
    fn give_up(&self, delivery: &Delivery, reason: String) -> impl Future<Output = Attempt> + Send;
}

/// Delivers the rows of one kind in a queue until cancelled. Attempts in progress are then finished and settled.
/// Returns earlier only because of a bug.
pub(super) async fn work<D: Destination>(
    context: QueueContext<D>,
    schedule: Schedule,
    cancel: CancellationToken,
) {
    let changes = context.store.changes();
    let unreadable = format!("the outbox {} cannot be read or written", context.queue);
    let mut worker = Worker { context: Arc::new(context), changes, schedule, attempts: JoinSet::new() };
    loop {
        // Armed before the query, so that a row added after the query wakes the worker.
        worker.changes.mark_unchanged();
        let started = worker.start_next().await;
        worker.context.health.store_answered(&unreadable, &started);
        let wake = started.unwrap_or_else(|error| {
            error!(queue = %worker.context.queue, %error, "the outbox cannot be read or written; trying again");
            Wake { at: Instant::now() + STORE_PAUSE, on_changes: false }
        });
        tokio::select! {
            biased;
            () = cancel.cancelled() => break,
            Some(done) = worker.attempts.join_next() => if !worker.finish(done) { return },
            () = sleep_until(wake.at) => {}
            Ok(()) = worker.changes.changed(), if wake.on_changes => {}
        }
    }
    // Nobody tries again, so nothing else would clear what it reported.
    worker.context.health.store_answered(&unreadable, &Ok(()));
    while let Some(done) = worker.attempts.join_next().await {
        worker.finish(done);
    }
}

/// When the worker next looks for rows.
struct Wake {
    at: Instant,
    /// Whether a new row is a reason to look earlier.
    on_changes: bool,
}

/// A delivery and the outcome of the attempt, which is already stored.
type Done = (Delivery, Attempt);

struct Worker<D> {
    context: Arc<QueueContext<D>>,
    changes: watch::Receiver<()>,
    schedule: Schedule,
    attempts: JoinSet<Done>,
}

impl<D: Destination> Worker<D> {
    /// Starts the first row that is due, if the queue is open.
    async fn start_next(&mut self) -> Result<Wake, StoreError> {
        let now = Instant::now();
        match self.schedule.opens_at(now) {
            None => return Ok(Wake { at: now + POLL, on_changes: false }),
            Some(at) if at > now => return Ok(Wake { at, on_changes: false }),
            Some(_) => {}
        }
        // Twice as many, so that a few rounds reach the end of a queue whose rows are held back.
        let limit = 2 * self.schedule.waiting(now) + LOOK_AHEAD;
        let heads = self.context.store.heads(&self.context.queue, self.context.kind, limit).await?;
        let is_all = heads.len() < limit;
        self.schedule.keep(&heads, heads.last().filter(|_| !is_all).map(|head| head.id));
        self.schedule.resume(&heads, now);
        let mut due: Vec<&Head> = heads.iter().filter(|head| self.schedule.is_due(head, now)).collect();
        // While this process hung, another replica may have stored an event about the call. Repeating it would page twice.
        let events_wait =
            due.iter().any(|head| head.unanswered > 0) && self.context.store.inbox_depth().await?.waiting > 0;
        if !events_wait {
            self.schedule.events_are_handled();
        }
        due.sort_by_key(|head| self.schedule.precedence(head));
        let is_next = |head: &&&Head| !(events_wait && self.schedule.waits_for_events(head, now));
        let Some(head) = due.iter().find(is_next) else {
            let at = match is_all {
                _ if !due.is_empty() => now + EVENTS_POLL,
                true => self.schedule.next_due(now).map_or(now + POLL, |due| due.min(now + POLL)),
                // All of these have their own waiting time; there may be others.
                false => now,
            };
            let is_long = heads.len() > LONG_QUEUE;
            let at = if is_long { at.min(now + EVENTS_POLL) } else { at };
            return Ok(Wake { at, on_changes: !is_long });
        };
        match self.context.store.claim(head.id).await? {
            None => self.schedule.forget(head.id),
            Some(delivery) => {
                self.schedule.started(head, now);
                self.attempts.spawn(self.context.clone().deliver(delivery));
            }
        }
        Ok(Wake { at: now, on_changes: true })
    }

    /// Receives the outcome of an attempt. `false` if it is unknown; then it is also unknown whether it was stored.
    fn finish(&mut self, done: Result<Done, JoinError>) -> bool {
        match done {
            Ok((delivery, Attempt { settlement, pause, .. })) => {
                let wait = self.schedule.finished(delivery.id, &settlement, pause, Instant::now());
                self.context.report(&delivery, &settlement, pause, wait);
                true
            }
            Err(error) => {
                error!(queue = %self.context.queue, %error, "the outcome of a delivery could not be stored");
                false
            }
        }
    }
}

/// What each attempt in a queue needs.
pub(super) struct QueueContext<D> {
    pub(super) queue: Queue,
    pub(super) kind: DeliveryKind,
    pub(super) to: D,
    pub(super) store: Store,
    pub(super) health: Health,
}

impl<D: Destination> QueueContext<D> {
    /// One attempt, from the call to the stored outcome.
    async fn deliver(self: Arc<Self>, delivery: Delivery) -> Done {
        let attempt =
            AssertUnwindSafe(timeout(ATTEMPT_LIMIT, self.to.attempt(&delivery))).catch_unwind().await;
        let mut attempt = match attempt {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(_)) => self.timed_out().into(),
            Err(_) => self.panicked(&delivery).await,
        };
        // A lost outcome would cause a second page.
        let what = format!("the outcome of a delivery cannot be stored (delivery {})", delivery.id);
        while !until_stored(&self.health, &what, || {
            self.store.settle_delivery(&delivery, &attempt.settlement, &attempt.then)
        })
        .await
        {
            // Its cooldown suppressed another alert in the meantime.
            attempt = Settlement::Retry { reason: None }.into();
        }
        (delivery, attempt)
    }

    /// Posts to Rocket.Chat can be repeated.
    fn timed_out(&self) -> Settlement {
        let reason = "no answer in time".to_owned();
        match self.kind {
            DeliveryKind::Alert => Settlement::Unanswered { reason },
            DeliveryKind::Reply | DeliveryKind::Reaction => Settlement::Retry { reason: Some(reason) },
        }
    }

    async fn panicked(&self, delivery: &Delivery) -> Attempt {
        telemetry::PANICS.count(&[("what", "delivery")]);
        let panics = delivery.crashes + 1;
        error!(queue = %self.queue, delivery = %delivery.id, alert = delivery.alert.map(display), panics, "an attempt panicked; this is a bug, please report it with the log");
        let reason = format!("the bot failed at it ({panics} times in a row), which is a bug: see its log");
        if panics < MOST_PANICS {
            return Settlement::Crashed { reason }.into();
        }
        let give_up = self.to.give_up(delivery, reason.clone());
        let given_up = AssertUnwindSafe(give_up).catch_unwind().await;
        let failed = |_| Settlement::Failed { reason, may_have_arrived: true }.into();
        given_up.map_or_else(failed, Attempt::that_may_have_arrived)
    }

    /// Logs the outcome of an attempt, and counts that of an alert, after it is stored: a crash before that would send the alert
    /// again.
    fn report(&self, row: &Delivery, settlement: &Settlement, pause: Option<Duration>, retry_in: Duration) {
        let (queue, delivery, alert, attempts) = (&self.queue, row.id, row.alert.map(display), row.attempts);
        let is_alert = self.kind == DeliveryKind::Alert;
        let state = match settlement {
            Settlement::Delivered { event_id } => {
                match event_id {
                    Some(event_id) => info!(alert, %event_id, %queue, "alert sent"),
                    None if is_alert => {
                        warn!(alert, %queue, "alert sent, unconfirmed: SIGNL4's answer has no eventId")
                    }
                    None => {}
                }
                if is_alert {
                    telemetry::ALERT_DELIVERY.record(age(row, Timestamp::now()));
                }
                AlertState::Sent
            }
            Settlement::Failed { reason, .. } => {
                error!(%queue, %delivery, alert, %reason, "given up");
                // For an alert, the store reports it. For a reaction, a reply is posted.
                if self.kind == DeliveryKind::Reply {
                    let what =
                        format!("A reply was not posted in Rocket.Chat (delivery {delivery}): {reason}");
                    self.health.note(Condition::Reply, what);
                }
                AlertState::NotSent
            }
            Settlement::Withdrawn { reason } => {
                info!(%queue, %delivery, alert, %reason, "not sent");
                AlertState::Withdrawn
            }
            Settlement::Retry { reason: None } => {
                return info!(%queue, %delivery, alert, ?pause, "paused: the limit is reached");
            }
            Settlement::Retry { reason: Some(reason) } => {
                return info!(%queue, %delivery, alert, attempts, %reason, ?retry_in, "not delivered yet");
            }
            Settlement::Unanswered { reason } | Settlement::Crashed { reason } => {
                return warn!(%queue, %delivery, alert, attempts, %reason, ?retry_in, "unknown whether it was delivered");
            }
        };
        if is_alert {
            telemetry::ALERTS.count(&[("state", state.name())]);
        }
    }
}

/// Whether to give up a delivery that failed again. Its age by the wall clock is not enough. If that clock was wrong
/// when the row was written, as on a machine without a clock battery, the row may seem a day old at once. And a bot
/// that was off has made no attempts meanwhile.
pub(super) fn tried_long_enough(delivery: &Delivery, retry_for: Duration, now: Timestamp) -> bool {
    let least = (retry_for.as_secs() / 60).clamp(2, LEAST_ATTEMPTS.into());
    u64::from(delivery.attempts) >= least && age(delivery, now) > retry_for
}

pub(super) fn age(delivery: &Delivery, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(delivery.created_at)).unwrap_or_default()
}
