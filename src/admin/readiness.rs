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
    store::{Callbacks, DeliveryKind, QueueDepth, StoreError},
};

/// Time limit for one small write, or for the queries.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the page and the metrics reuse an answer of the store, because each probe is a write that reaches the
/// disk.
const REUSE: Duration = Duration::from_secs(5);

/// The store's answer, or why there is none.
pub(super) async fn answer<T>(query: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match timeout(STORE_TIMEOUT, query).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("the store does not answer".to_owned()),
    }
}

/// Determines whether people can be paged. Clones share their data.
#[derive(Clone, Debug)]
pub struct ReadinessProbe {
    bot: BotView,
    written: Arc<Mutex<Option<Written>>>,
}

/// When a write to the store was last tried, and its problem.
type Written = (Instant, Option<String>);

impl ReadinessProbe {
    /// A probe of this bot.
    pub fn new(bot: BotView) -> Self {
        Self { bot, written: Arc::default() }
    }

    /// The readiness, probed now.
    pub async fn now(&self) -> Readiness {
        self.assess(self.write(Duration::ZERO).await).await
    }

    /// The same, from a recent answer of the store if there is one.
    pub async fn recent(&self) -> Readiness {
        self.assess(self.write(REUSE).await).await
    }

    /// The same without a write: whether the store can be read.
    pub async fn glance(&self) -> Readiness {
        self.assess(None).await
    }

    async fn assess(&self, unwritable: Option<String>) -> Readiness {
        let stored = answer(self.stored()).await;
        let store = unwritable.or(stored.as_ref().err().cloned());
        let (teams, replies, callbacks) = stored.unwrap_or_default();
        let watched = self.bot.directory.watched();
        let facts = Facts {
            role: self.bot.store.role(),
            lost_lease: self.bot.store.lost_lease(),
            active: answer(self.bot.store.active_replica()).await.ok().flatten(),
            connection: &self.bot.connection.borrow().clone(),
            store,
            health: &self.bot.health,
            watched: watched.iter().map(summary).collect(),
            teams,
            replies,
            callbacks,
        };
        assess(&facts, Timestamp::now())
    }

    async fn stored(&self) -> Result<(Vec<Team>, Vec<(String, QueueDepth)>, Callbacks), StoreError> {
        let store = &self.bot.store;
        let depths = store.outbox_depth().await?;
        let (mut teams, mut replies) = (vec![], vec![]);
        for label in self.bot.directory.queues() {
            let name = label.name;
            let waiting = depths.iter().find(|depth| depth.queue == label.queue).cloned();
            match label.carries {
                DeliveryKind::Alert => {
                    let last = store.last_alert_of(&label.queue).await?;
                    teams.push(Team { name, waiting, last });
                }
                DeliveryKind::Reply | DeliveryKind::Reaction => {
                    replies.extend(waiting.map(|waiting| (name, waiting)));
                }
            }
        }
        Ok((teams, replies, store.callbacks().await?))
    }

    /// Why the store accepts no writes, if it does not; as found before if that is younger than `reuse`.
    async fn write(&self, reuse: Duration) -> Option<String> {
        let mut written = self.written.lock().await;
        if let Some((at, problem)) = &*written
            && at.elapsed() < reuse
        {
            return problem.clone();
        }
        let problem = answer(self.bot.store.check_writable()).await.err();
        *written = Some((Instant::now(), problem.clone()));
        problem
    }
}

fn summary(by: &WatchedBy) -> Watched<'_> {
    Watched { trigger: &by.trigger, rooms: by.rooms.len(), unfound: &by.unfound }
}
