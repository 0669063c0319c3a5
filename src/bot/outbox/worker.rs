//! The worker of one queue, whatever its destination.
//!
//! A row is claimed, tried and settled: three steps, each of which is on disk before the next. A row leaves only when it is
//! settled. No row stops the queue: an attempt has a time limit, a panic is caught and counted, and a slow attempt does not
//! hold up the next row. Queues never wait for each other.

#[cfg(test)]
mod tests;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, field::display, info, warn};

use super::schedule::Schedule;
use crate::{
    health::{Condition, Health},
    store::{AlertState, Delivery, DeliveryKind, NewDelivery, Queue, Settlement, Store, StoreError},
    telemetry,
};

/// The worker looks for rows at least this often, should a wake-up ever fail.
const POLL: Duration = Duration::from_secs(30);
/// The wait after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(2);
/// Rows that are looked at for one that is due, besides those that are known to wait.
const LOOK_AHEAD: usize = 16;
/// How long an attempt may take. Destinations have shorter limits of their own; this one is for what they overlook.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(30);
/// After so many panics in a row a delivery is given up.
const MOST_PANICS: u32 = 5;
/// How often a delivery is tried at least before it is given up for its age.
const LEAST_ATTEMPTS: u32 = 10;

/// What a destination says of one attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What came of the delivery.
    pub(super) settlement: Settlement,
    /// For how long the destination takes nothing more.
    pub(super) pause: Option<Duration>,
    /// What follows from it.
    pub(super) then: Vec<NewDelivery>,
}

impl From<Settlement> for Attempt {
    fn from(settlement: Settlement) -> Self {
        Self { settlement, pause: None, then: vec![] }
    }
}

/// Where a queue leads to.
pub(super) trait Destination: Send + Sync + 'static {
    /// Tries one delivery.
    fn attempt(&self, delivery: &Delivery) -> impl Future<Output = Attempt> + Send;

    /// What is to be settled and told where a delivery is given up.
    fn give_up(&self, delivery: &Delivery, reason: String) -> impl Future<Output = Attempt> + Send;
}

/// Delivers the rows of one kind in a queue until cancelled. Attempts that are under way then are finished and settled
/// first. Returns earlier only by a bug.
pub(super) async fn work<D: Destination>(
    (queue, kind): (Queue, DeliveryKind),
    to: D,
    (store, health): (Store, Health),
    schedule: Schedule,
    cancel: CancellationToken,
) {
    let line = Line { queue, kind, to: Arc::new(to), store: store.clone(), health };
    let mut worker = Worker { line, changes: store.changes(), schedule, attempts: JoinSet::new() };
    loop {
        // Armed before the query, so that a row added after it wakes the worker.
        worker.changes.mark_unchanged();
        let wake = worker.start_next().await.unwrap_or_else(|error| {
            error!(queue = %worker.line.queue, %error, "the outbox cannot be read or written; trying again");
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
    while worker.attempts.join_next().await.is_some() {}
}

/// When the worker looks for the next row.
struct Wake {
    at: Instant,
    /// Whether a new row is a reason to look earlier.
    on_changes: bool,
}

/// A delivery, and what came of the attempt, which is written down.
type Done = (Delivery, Attempt);

struct Worker<D> {
    line: Line<D>,
    changes: watch::Receiver<()>,
    schedule: Schedule,
    attempts: JoinSet<Done>,
}

impl<D: Destination> Worker<D> {
    /// Starts the oldest row that is due, if the queue is open.
    async fn start_next(&mut self) -> Result<Wake, StoreError> {
        let now = Instant::now();
        match self.schedule.opens_at(now) {
            None => return Ok(Wake { at: now + POLL, on_changes: false }),
            Some(at) if at > now => return Ok(Wake { at, on_changes: false }),
            Some(_) => {}
        }
        let limit = self.schedule.waiting() + LOOK_AHEAD;
        let heads = self.line.store.heads(&self.line.queue, self.line.kind, limit).await?;
        let is_all = heads.len() < limit;
        if is_all {
            self.schedule.keep(&heads);
        }
        let Some(head) = heads.iter().find(|head| self.schedule.is_due(head, now)) else {
            let at = match is_all {
                true => self.schedule.next_due().map_or(now + POLL, |due| due.min(now + POLL)),
                // All of these wait for a time of their own; there may be others.
                false => now,
            };
            return Ok(Wake { at, on_changes: true });
        };
        match self.line.store.claim(head.id).await? {
            None => self.schedule.forget(head.id),
            Some(delivery) => {
                self.schedule.started(delivery.id, now);
                self.attempts.spawn(self.line.clone().deliver(delivery));
            }
        }
        Ok(Wake { at: now, on_changes: true })
    }

    /// Learns what came of an attempt. `false` where that is not known: then nobody knows whether it was written down.
    fn finish(&mut self, done: Result<Done, JoinError>) -> bool {
        match done {
            Ok((delivery, Attempt { settlement, pause, .. })) => {
                let wait = self.schedule.finished(delivery.id, &settlement, pause, Instant::now());
                self.line.log(&delivery, &settlement, pause, wait);
                true
            }
            Err(error) => {
                error!(queue = %self.line.queue, %error, "an outcome could not be written down");
                false
            }
        }
    }
}

/// What each attempt of a queue needs.
struct Line<D> {
    queue: Queue,
    kind: DeliveryKind,
    to: Arc<D>,
    store: Store,
    health: Health,
}

impl<D> Clone for Line<D> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            kind: self.kind,
            to: self.to.clone(),
            store: self.store.clone(),
            health: self.health.clone(),
        }
    }
}

impl<D: Destination> Line<D> {
    /// One attempt, from the call to its outcome on disk.
    async fn deliver(self, delivery: Delivery) -> Done {
        let attempt =
            AssertUnwindSafe(timeout(ATTEMPT_LIMIT, self.to.attempt(&delivery))).catch_unwind().await;
        let attempt = match attempt {
            Ok(Ok(attempt)) => attempt,
            Ok(Err(_)) => self.timed_out().into(),
            Err(_) => self.panicked(&delivery).await,
        };
        self.settle(&delivery, &attempt).await;
        if delivery.kind == DeliveryKind::Alert {
            self.count_alert(&delivery, &attempt.settlement);
        }
        (delivery, attempt)
    }

    /// What is posted to Rocket.Chat can be repeated.
    fn timed_out(&self) -> Settlement {
        let reason = "no answer in time".to_owned();
        match self.kind {
            DeliveryKind::Alert => Settlement::Unanswered { reason },
            DeliveryKind::Reply | DeliveryKind::Reaction => Settlement::Retry { reason: Some(reason) },
        }
    }

    async fn panicked(&self, delivery: &Delivery) -> Attempt {
        telemetry::panicked("delivery");
        let panics = delivery.crashes + 1;
        error!(queue = %self.queue, delivery = %delivery.id, alert = delivery.alert.map(display), panics, "an attempt panicked; this is a bug, please report it with the log");
        let reason = format!("the bot failed at it ({panics} times in a row), which is a bug: see its log");
        if panics < MOST_PANICS {
            return Settlement::Crashed { reason }.into();
        }
        let give_up = self.to.give_up(delivery, reason.clone());
        let given_up = AssertUnwindSafe(give_up).catch_unwind().await;
        given_up.unwrap_or_else(|_| Settlement::Failed { reason }.into())
    }

    /// Writes down what came of an attempt, as often as it takes: an outcome that is forgotten is a second page.
    async fn settle(&self, delivery: &Delivery, attempt: &Attempt) {
        while let Err(error) = self.store.settle_delivery(delivery, &attempt.settlement, &attempt.then).await
        {
            error!(queue = %self.queue, delivery = %delivery.id, alert = delivery.alert.map(display), %error, "an outcome cannot be stored; trying again");
            sleep(STORE_PAUSE).await;
        }
    }

    /// Says and counts what became of an alert, once it is written down: until then a crash would send it again.
    fn count_alert(&self, delivery: &Delivery, settlement: &Settlement) {
        let alert = delivery.alert.map(display);
        match settlement {
            Settlement::Delivered { event_id } => {
                match event_id {
                    Some(event_id) => info!(alert, %event_id, queue = %self.queue, "alert sent"),
                    None => {
                        warn!(alert, queue = %self.queue, "alert sent, unconfirmed: SIGNL4's answer has no eventId")
                    }
                }
                telemetry::alert(AlertState::Sent.name());
                telemetry::alert_sent(age(delivery, Timestamp::now()));
            }
            Settlement::Failed { .. } => telemetry::alert(AlertState::NotSent.name()),
            Settlement::Withdrawn { .. } => telemetry::alert(AlertState::Withdrawn.name()),
            _ => {}
        }
    }

    fn log(&self, row: &Delivery, settlement: &Settlement, pause: Option<Duration>, retry_in: Duration) {
        let (queue, delivery, alert, attempts) = (&self.queue, row.id, row.alert.map(display), row.attempts);
        match settlement {
            Settlement::Delivered { .. } => {}
            Settlement::Failed { reason } => {
                error!(%queue, %delivery, alert, %reason, "given up");
                // Of an alert, the store tells; for a reaction, a reply stands in.
                if self.kind == DeliveryKind::Reply {
                    let what =
                        format!("A reply was not posted in Rocket.Chat (delivery {delivery}): {reason}");
                    self.health.note(Condition::Reply, what);
                }
            }
            Settlement::Withdrawn { reason } => info!(%queue, %delivery, alert, %reason, "not sent"),
            Settlement::Retry { reason: None } => {
                info!(%queue, %delivery, alert, ?pause, "paused: the limit is reached");
            }
            Settlement::Retry { reason: Some(reason) } => {
                info!(%queue, %delivery, alert, attempts, %reason, ?retry_in, "not delivered yet");
            }
            Settlement::Unanswered { reason } | Settlement::Crashed { reason } => {
                warn!(%queue, %delivery, alert, attempts, %reason, ?retry_in, "it is not known whether it was delivered");
            }
        }
    }
}

/// Whether a delivery that failed once more is to be given up. Its age, by the wall clock, does not tell alone: a clock that
/// was wrong when the row was written, as on a machine that starts without a battery, makes it a day old at once, and a
/// bot that was off has not tried at all meanwhile.
pub(super) fn tried_long_enough(delivery: &Delivery, retry_for: Duration, now: Timestamp) -> bool {
    let least = (retry_for.as_secs() / 60).min(LEAST_ATTEMPTS.into());
    u64::from(delivery.attempts) >= least && age(delivery, now) > retry_for
}

pub(super) fn age(delivery: &Delivery, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(delivery.created_at)).unwrap_or_default()
}
