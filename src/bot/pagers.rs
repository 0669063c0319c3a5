//! One worker for each SIGNL4 team, however the teams change while the bot runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    drain::drain,
    notice::chat_queues,
    pager::{Pager, pager_queue},
    settings::{Current, Settings},
};
use crate::{
    alerting::TeamName,
    config::Signl4,
    store::{Queue, Store, StoreError},
};
use signl4::{WebhookClient, WebhookUrl};

/// How often it is looked for alerts of teams that are gone: a message that is judged at the moment of a change may
/// still page one.
const SWEEP: Duration = Duration::from_secs(10);
/// The wait after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(2);

/// What every worker is made with.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) client: WebhookClient,
    pub(super) store: Store,
    pub(super) current: Current,
}

/// The workers.
pub(super) struct Pagers {
    tools: Tools,
    changes: watch::Receiver<Arc<Settings>>,
    cancel: CancellationToken,
    /// How each team's worker is told to stop, and where it posts to.
    teams: BTreeMap<TeamName, (CancellationToken, WebhookUrl)>,
    workers: JoinSet<TeamName>,
}

/// A worker ended by itself.
struct Ended;

impl Pagers {
    /// Starts a worker for each team. What waits for teams that are gone goes to the default one.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn start(tools: Tools, cancel: CancellationToken) -> Result<Self, StoreError> {
        let mut changes = tools.current.changes();
        let settings = changes.borrow_and_update().clone();
        let (teams, workers) = (BTreeMap::new(), JoinSet::new());
        let mut pagers = Self { tools, changes, cancel, teams, workers };
        pagers.adopt_orphans(&settings.config.signl4).await?;
        for (team, url) in wanted(&settings.config.signl4) {
            pagers.employ(team, url);
        }
        Ok(pagers)
    }

    /// Follows the settings until cancelled. Returns earlier where a worker ended by itself.
    pub(super) async fn run(mut self) {
        let mut sweep = interval(SWEEP);
        loop {
            let done = tokio::select! {
                biased;
                () = self.cancel.cancelled() => break,
                ended = self.workers.join_next() => ended.map_or(Ok(()), |ended| Err(told(ended))),
                Ok(()) = self.changes.changed() => self.rearrange().await,
                _ = sweep.tick() => self.sweep().await,
            };
            if let Err(Ended) = done {
                return;
            }
        }
        while self.workers.join_next().await.is_some() {}
    }

    fn employ(&mut self, team: TeamName, url: WebhookUrl) {
        let stop = self.cancel.child_token();
        self.teams.insert(team.clone(), (stop.clone(), url.clone()));
        let Tools { client, store, current } = self.tools.clone();
        let queue = pager_queue(&team);
        let pager = Pager { team: team.clone(), url, client, store: store.clone(), current };
        self.workers.spawn(async move {
            drain(queue, pager, store, stop).await;
            team
        });
    }

    /// Goes over to the teams that are there now.
    async fn rearrange(&mut self) -> Result<(), Ended> {
        let settings = self.changes.borrow_and_update().clone();
        let wanted = wanted(&settings.config.signl4);
        let unchanged = |team: &TeamName, url: &WebhookUrl| wanted.get(team) == Some(url);
        let leaving = self.teams.iter().filter(|(team, (_, url))| !unchanged(team, url));
        let leaving: BTreeSet<TeamName> = leaving.map(|(team, _)| team.clone()).collect();
        self.dismiss(leaving.clone()).await?;
        for (team, url) in wanted {
            if self.teams.contains_key(&team) {
                continue;
            }
            match leaving.contains(&team) {
                true => {
                    info!(%team, host = url.host(), "a team is paged through another webhook from now on")
                }
                false => info!(%team, host = url.host(), "a team was added"),
            }
            self.hurry(&pager_queue(&team)).await;
            self.employ(team, url);
        }
        self.sweep().await
    }

    /// Stops the workers of these teams, each after what it is doing: two workers on one queue would page twice.
    async fn dismiss(&mut self, mut leaving: BTreeSet<TeamName>) -> Result<(), Ended> {
        for team in &leaving {
            if let Some((stop, _)) = self.teams.remove(team) {
                stop.cancel();
            }
        }
        while !leaving.is_empty() && !self.cancel.is_cancelled() {
            match self.workers.join_next().await {
                Some(Ok(team)) if leaving.remove(&team) || self.cancel.is_cancelled() => {}
                Some(other) => return Err(told(other)),
                None => break,
            }
        }
        Ok(())
    }

    async fn sweep(&mut self) -> Result<(), Ended> {
        let settings = self.tools.current.now();
        if let Err(error) = self.adopt_orphans(&settings.config.signl4).await {
            error!(%error, "alerts of teams that are gone cannot be looked for; trying again");
        }
        Ok(())
    }

    async fn adopt_orphans(&self, signl4: &Signl4) -> Result<(), StoreError> {
        let mut queues: Vec<Queue> = chat_queues().into();
        queues.extend(wanted(signl4).keys().chain(self.teams.keys()).map(pager_queue));
        for alert in self.tools.store.adopt_orphans(&queues, &pager_queue(&TeamName::Default)).await? {
            warn!(
                alert = alert.map(display),
                "an alert waited for a team that bot.toml no longer names; [signl4] is paged instead"
            );
        }
        Ok(())
    }

    /// What waits because of the old webhook need not wait any longer.
    async fn hurry(&self, queue: &Queue) {
        while let Err(error) = self.tools.store.hurry(queue).await {
            error!(%error, "the outbox cannot be written; trying again");
            sleep(STORE_PAUSE).await;
        }
    }
}

/// Every team and its webhook.
fn wanted(signl4: &Signl4) -> BTreeMap<TeamName, WebhookUrl> {
    signl4.webhooks().map(|(team, url)| (team, url.clone())).collect()
}

fn told(ended: Result<TeamName, JoinError>) -> Ended {
    match ended {
        Ok(team) => error!(%team, "the worker of a team stopped by itself"),
        Err(panic) => error!(%panic, "the worker of a team panicked"),
    }
    Ended
}
