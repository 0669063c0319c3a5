//! Collects the input of [`health`](crate::health).

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{BotView, WatchedBy};
use crate::{
    health::{Facts, Readiness, Team, Watched, assess},
    store::{Callbacks, DeliveryKind, Store, StoreError},
};

/// Time limit for one small write, or for the queries.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the page and the metrics reuse an answer of the store, because each probe is a write that reaches the
/// disk.
const REUSE: Duration = Duration::from_secs(5);

/// Determines whether people can be paged. Clones share their data.
#[derive(Clone, Debug)]
pub struct ReadinessProbe {
    bot: BotView,
    store: StoreProbe,
}

impl ReadinessProbe {
    /// A probe of this bot.
    pub fn new(bot: BotView) -> Self {
        Self { store: StoreProbe::new(bot.store.clone()), bot }
    }

    /// The readiness, probed now.
    pub async fn now(&self) -> Readiness {
        self.assess(self.store.problem().await).await
    }

    /// The same, from a recent answer of the store if there is one.
    pub async fn recent(&self) -> Readiness {
        self.assess(self.store.recent_problem().await).await
    }

    /// The same without a write: whether the store can be read.
    pub async fn glance(&self) -> Readiness {
        self.assess(None).await
    }

    async fn assess(&self, mut store: Option<String>) -> Readiness {
        let found = timeout(STORE_TIMEOUT, self.stored()).await;
        let (teams, callbacks) = match found {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                store.get_or_insert_with(|| error.to_string());
                Default::default()
            }
            Err(_) => {
                store.get_or_insert_with(|| "the store does not answer".to_owned());
                Default::default()
            }
        };
        let watched = self.bot.directory.watched();
        let active = timeout(STORE_TIMEOUT, self.bot.store.active_replica()).await;
        let facts = Facts {
            role: self.bot.store.role(),
            active: active.ok().and_then(Result::ok).flatten(),
            connection: &self.bot.connection.borrow().clone(),
            store,
            health: &self.bot.health,
            watched: watched.iter().map(summary).collect(),
            teams,
            callbacks,
        };
        assess(&facts, Timestamp::now())
    }

    async fn stored(&self) -> Result<(Vec<Team>, Callbacks), StoreError> {
        let store = &self.bot.store;
        let depths = store.outbox_depth().await?;
        let mut teams = vec![];
        for label in self.bot.directory.queues() {
            if label.carries == DeliveryKind::Alert {
                let waiting = depths.iter().find(|depth| depth.queue == label.queue).cloned();
                teams.push(Team {
                    name: label.name,
                    waiting,
                    last: store.last_alert_of(&label.queue).await?,
                });
            }
        }
        Ok((teams, store.callbacks().await?))
    }
}

fn summary(by: &WatchedBy) -> Watched<'_> {
    Watched { trigger: &by.trigger, rooms: by.rooms.len(), unfound: &by.unfound }
}

/// Probes whether the store accepts writes. Clones share the last answer.
#[derive(Clone, Debug)]
struct StoreProbe {
    store: Store,
    last: Arc<Mutex<Option<Answer>>>,
}

/// When the store was probed, and its problem.
type Answer = (Instant, Option<String>);

impl StoreProbe {
    fn new(store: Store) -> Self {
        Self { store, last: Arc::default() }
    }

    /// The store's problem, probed now.
    async fn problem(&self) -> Option<String> {
        let mut last = self.last.lock().await;
        self.probe(&mut last).await
    }

    /// The store's problem, from a recent answer if there is one.
    async fn recent_problem(&self) -> Option<String> {
        let mut last = self.last.lock().await;
        match &*last {
            Some((at, problem)) if at.elapsed() < REUSE => problem.clone(),
            _ => self.probe(&mut last).await,
        }
    }

    async fn probe(&self, last: &mut Option<Answer>) -> Option<String> {
        let problem = match timeout(STORE_TIMEOUT, self.store.check_writable()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the store does not answer".to_owned()),
        };
        *last = Some((Instant::now(), problem.clone()));
        problem
    }
}
