//! The outbox: delivers queued rows to SIGNL4 and to Rocket.Chat.
//!
//! One [`worker`] for each queue claims its rows, tries and settles them; its [`schedule`] says when. The destinations are
//! [`signl4`] and [`rocketchat`]. The latter posts a [`reply`], and uses [`fallback`] if that is rejected. This module adapts the
//! workers to the configuration.

mod fallback;
mod message_now;
mod queues;
mod reply;
mod rocketchat;
mod schedule;
mod signl4;
mod worker;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::interval,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::{rocketchat::RocketChat, schedule::Schedule, signl4::Signl4Team};
use super::ingest::Rooms;
use super::settings::{Current, Settings};
use crate::{
    alerting::TeamName,
    health::Health,
    store::{DeliveryKind, Queue, Store, StoreError},
};
use ::rocketchat::rest::RestClient;
use ::signl4::{WebhookClient, WebhookUrl};

#[cfg(any(test, fuzzing))]
pub(crate) use self::fallback::fuzzing;
use self::message_now::MessageNow;
pub(crate) use self::queues::labels;
pub(super) use self::{
    queues::{of_team, team_label},
    reply::{Renderer, Reply, is_reply_id, which},
};

/// How often to look for rows of removed queues. A message that is settled while the settings change may still be
/// queued for a removed team.
const SWEEP: Duration = Duration::from_secs(10);

/// What the workers need.
pub(super) struct Tools {
    pub(super) webhooks: WebhookClient,
    pub(super) rest: RestClient,
    pub(super) store: Store,
    pub(super) current: Current,
    pub(super) health: Health,
    pub(super) rooms: Arc<Rooms>,
    /// How long an alert that may have been raised waits for SIGNL4's event.
    pub(super) sign_wait: Duration,
    /// The unit of the waits between attempts: a second, except in tests.
    pub(super) retry_unit: Duration,
}

/// The workers.
pub(super) struct Outbox {
    tools: Tools,
    changes: watch::Receiver<Arc<Settings>>,
    cancel: CancellationToken,
    /// How to stop each team's worker, and its webhook.
    teams: BTreeMap<TeamName, (CancellationToken, WebhookUrl)>,
    workers: JoinSet<Queue>,
}

/// A worker ended unexpectedly.
struct Ended;

impl Outbox {
    /// Starts a worker for each queue, after it adopts the rows of removed queues.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn start(tools: Tools, cancel: CancellationToken) -> Result<Self, StoreError> {
        let mut changes = tools.current.changes();
        let settings = changes.borrow_and_update().clone();
        let mut outbox = Self { tools, changes, cancel, teams: BTreeMap::new(), workers: JoinSet::new() };
        outbox.adopt(&settings).await?;
        outbox.start_chat();
        for (team, url) in teams(&settings) {
            outbox.start_team(team, url);
        }
        Ok(outbox)
    }

    /// Follows the settings until cancelled. Returns earlier if a worker ended unexpectedly.
    pub(super) async fn run(mut self) {
        let mut sweep = interval(SWEEP);
        loop {
            let done = tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                ended = self.workers.join_next() => ended.map_or(Ok(()), |ended| Err(log_end(ended))),
                Ok(()) = self.changes.changed() => self.rearrange().await,
                _ = sweep.tick() => {
                    self.sweep().await;
                    Ok(())
                }
            };
            if let Err(Ended) = done {
                return;
            }
        }
        while self.workers.join_next().await.is_some() {}
    }

    fn start_chat(&mut self) {
        let to = Arc::new(RocketChat::new(
            self.tools.rest.clone(),
            self.tools.current.clone(),
            self.tools.rooms.clone(),
        ));
        for route in queues::of_chat() {
            self.start_worker(route, to.clone(), self.cancel.clone());
        }
    }

    fn start_team(&mut self, team: TeamName, url: WebhookUrl) {
        let stop = self.cancel.child_token();
        self.teams.insert(team.clone(), (stop.clone(), url.clone()));
        let Tools { webhooks, store, current, retry_unit, rest, rooms, .. } = &self.tools;
        let message_now = MessageNow { rest: rest.clone(), rooms: rooms.clone(), current: current.clone() };
        let (client, store, current) = (webhooks.clone(), store.clone(), current.clone());
        let retry_unit = *retry_unit;
        let queue = of_team(&team);
        self.start_worker(
            (queue, DeliveryKind::Alert),
            Signl4Team { team, url, client, store, current, message_now, retry_unit },
            stop,
        );
    }

    fn start_worker(
        &mut self,
        route: (Queue, DeliveryKind),
        to: impl worker::Destination,
        stop: CancellationToken,
    ) {
        let (store, health) = (self.tools.store.clone(), self.tools.health.clone());
        let schedule = Schedule::new(self.tools.sign_wait, self.tools.retry_unit);
        self.workers.spawn(async move {
            let queue = route.0.clone();
            worker::work(route, to, (store, health), schedule, stop).await;
            queue
        });
    }

    /// Switches to the teams of the current configuration. A worker with a new webhook does not know what its queue
    /// was waiting for, so it tries everything at once.
    async fn rearrange(&mut self) -> Result<(), Ended> {
        let settings = self.changes.borrow_and_update().clone();
        let wanted = teams(&settings);
        let leaving = self.teams.iter().filter(|(team, (_, url))| wanted.get(team) != Some(url));
        let leaving: Vec<TeamName> = leaving.map(|(team, _)| team.clone()).collect();
        self.stop(&leaving).await?;
        for (team, url) in wanted {
            if self.teams.contains_key(&team) {
                continue;
            }
            match leaving.contains(&team) {
                true => {
                    info!(%team, host = url.host(), "a team has a new webhook")
                }
                false => info!(%team, host = url.host(), "a team was added"),
            }
            self.start_team(team, url);
        }
        self.sweep().await;
        Ok(())
    }

    /// Stops the workers of these teams after their current work.
    async fn stop(&mut self, teams: &[TeamName]) -> Result<(), Ended> {
        let mut stopping: Vec<Queue> = teams.iter().map(of_team).collect();
        for (stop, _) in teams.iter().filter_map(|team| self.teams.remove(team)) {
            stop.cancel();
        }
        while !stopping.is_empty() && !self.cancel.is_cancelled() {
            match self.workers.join_next().await {
                Some(Ok(queue)) if stopping.contains(&queue) => stopping.retain(|other| *other != queue),
                Some(_) if self.cancel.is_cancelled() => {}
                Some(other) => return Err(log_end(other)),
                None => break,
            }
        }
        Ok(())
    }

    async fn sweep(&mut self) {
        let settings = self.tools.current.now();
        if let Err(error) = self.adopt(&settings).await {
            error!(%error, "cannot look for the rows of removed queues; trying again");
        }
    }

    /// Moves the rows of a queue that is no longer configured to a queue for the same kind of rows.
    async fn adopt(&self, settings: &Settings) -> Result<(), StoreError> {
        let teams: Vec<Queue> = teams(settings).keys().chain(self.teams.keys()).map(of_team).collect();
        let known: Vec<Queue> = queues::of_chat().into_iter().map(|(queue, _)| queue).chain(teams).collect();
        let store = &self.tools.store;
        for (queue, kind) in store.queues_in_use().await? {
            let (Some(into), Some(kind)) = (queues::adopting(&queue, kind, &known), kind) else { continue };
            for alert in store.move_queue(&queue, kind, &into).await? {
                warn!(%queue, %into, alert = alert.map(display), "a delivery was waiting for a team or queue that bot.toml no longer names; moved it to another one");
            }
        }
        Ok(())
    }
}

/// Every team and its webhook.
fn teams(settings: &Settings) -> BTreeMap<TeamName, WebhookUrl> {
    settings.config.signl4.webhooks().map(|(team, url)| (team, url.clone())).collect()
}

fn log_end(ended: Result<Queue, JoinError>) -> Ended {
    match ended {
        Ok(queue) => error!(%queue, "an outbox worker stopped unexpectedly"),
        Err(panic) => error!(%panic, "an outbox worker panicked"),
    }
    Ended
}
