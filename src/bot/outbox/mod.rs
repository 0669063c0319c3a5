//! The outbox: delivers queued rows to SIGNL4 and to Rocket.Chat.
//!
//! One [`worker`] for each queue claims its rows, tries and settles them; its [`schedule`] says when. The destinations are
//! [`signl4`] and [`rocketchat`]. The latter posts a [`reply`], and uses [`fallback`] if that is rejected. This module adapts the
//! workers to the configuration.

mod fallback;
mod queues;
mod reply;
mod rocketchat;
mod schedule;
mod signl4;
mod worker;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinSet, time::interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::{rocketchat::RocketChat, schedule::Schedule, signl4::Signl4Team, worker::QueueContext};
use super::{context::Context, settings::Settings};
use crate::alerting::TeamName;
use crate::store::{DeliveryKind, Queue, StoreError};
use ::signl4::{WebhookClient, WebhookUrl};

#[cfg(any(test, fuzzing))]
pub(crate) use self::fallback::fuzzing;
pub(crate) use self::queues::labels;
pub(super) use self::queues::{of_team, team_label};
pub(super) use self::reply::{Renderer, Reply, is_reply_id, which};

/// How often to look for rows of removed queues. A message that is settled while the settings change may still be
/// queued for a removed team.
const SWEEP: Duration = Duration::from_secs(10);

/// The workers.
pub(super) struct Outbox {
    context: Context,
    webhooks: WebhookClient,
    changes: watch::Receiver<Arc<Settings>>,
    cancel: CancellationToken,
    /// How to stop each team's worker, and its webhook.
    teams: BTreeMap<TeamName, (CancellationToken, WebhookUrl)>,
    workers: JoinSet<Result<(), Queue>>,
}

impl Outbox {
    /// Starts a worker for each queue, after it adopts the rows of removed queues.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn start(
        context: Context,
        webhooks: WebhookClient,
        cancel: CancellationToken,
    ) -> Result<Self, StoreError> {
        let (changes, workers) = (context.current.changes(), JoinSet::new());
        let mut outbox = Self { context, webhooks, changes, cancel, teams: BTreeMap::new(), workers };
        outbox.adopt().await?;
        let chat = Arc::new(RocketChat::new(outbox.context.clone()));
        for queue in queues::of_chat() {
            outbox.start_worker(queue.queue, queue.carries, chat.clone(), outbox.cancel.clone());
        }
        outbox.arrange_teams();
        Ok(outbox)
    }

    /// Follows the settings until cancelled. Returns earlier if a worker ended unexpectedly.
    pub(super) async fn run(mut self) {
        let mut sweep = interval(SWEEP);
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                Some(ended) = self.workers.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(queue)) => return error!(%queue, "an outbox worker stopped unexpectedly"),
                    Err(panic) => return error!(%panic, "an outbox worker panicked"),
                },
                Ok(()) = self.changes.changed() => {
                    self.arrange_teams();
                    self.sweep().await;
                }
                _ = sweep.tick() => self.sweep().await,
            }
        }
        while self.workers.join_next().await.is_some() {}
    }

    /// Starts and stops workers as the current settings say. One that is stopped finishes its current attempts, whose rows no
    /// other one can claim. A worker with a new webhook does not know what its queue was waiting for, so it tries everything at
    /// once.
    fn arrange_teams(&mut self) {
        let settings = self.changes.borrow_and_update().clone();
        let mut running = std::mem::take(&mut self.teams);
        for (team, url) in settings.config.signl4.webhooks() {
            if running.get(&team).is_some_and(|(_, current)| current == url) {
                self.teams.extend(running.remove_entry(&team));
                continue;
            }
            info!(%team, host = url.host(), "sending a team's alerts");
            let (stop, url) = (self.cancel.child_token(), url.clone());
            self.teams.insert(team.clone(), (stop.clone(), url.clone()));
            let (client, context) = (self.webhooks.clone(), self.context.clone());
            let to = Signl4Team { team, url, client, context, stop: stop.clone() };
            self.start_worker(of_team(&to.team), DeliveryKind::Alert, to, stop);
        }
        for (stop, _) in running.into_values() {
            stop.cancel();
        }
    }

    /// The worker's result is its queue if it ended although nobody stopped it.
    fn start_worker(
        &mut self,
        queue: Queue,
        kind: DeliveryKind,
        to: impl worker::Destination,
        stop: CancellationToken,
    ) {
        let Context { store, health, tempo, .. } = self.context.clone();
        let schedule = Schedule::new(tempo.confirmation_wait, tempo.retry_unit);
        let queue_context = QueueContext { queue: queue.clone(), kind, to, store, health };
        self.workers.spawn(async move {
            worker::work(queue_context, schedule, stop.clone()).await;
            if stop.is_cancelled() { Ok(()) } else { Err(queue) }
        });
    }

    async fn sweep(&self) {
        if let Err(error) = self.adopt().await {
            error!(%error, "cannot look for the rows of removed queues; trying again");
        }
    }

    /// Moves the rows of a queue that is no longer configured to a queue for the same kind of rows.
    async fn adopt(&self) -> Result<(), StoreError> {
        let settings = self.context.current.now();
        let known = labels(&settings.config.signl4);
        let store = &self.context.store;
        for (queue, kind) in store.queues_in_use().await? {
            // Rows of a kind that this release does not know are left alone.
            let Some(kind) = kind.filter(|_| known.iter().all(|known| known.queue != queue)) else {
                continue;
            };
            let into = queues::adopting(kind);
            for alert in store.move_queue(&queue, kind, &into).await? {
                warn!(%queue, %into, alert = alert.map(display), "a delivery was waiting for a team or queue that bot.toml no longer names; moved it to another one");
            }
        }
        Ok(())
    }
}
