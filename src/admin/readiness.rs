//! Collects the input of [`health`](crate::health).

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::{BotView, QueueLabel};
use crate::{
    health::{Facts, QueueState, Readiness, assess},
    store::{Callbacks, DeliveryKind, StoreError},
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
        let (queues, callbacks) = stored.unwrap_or_default();
        let facts = Facts {
            is_standby: self.bot.store.is_standby(),
            lost_lease: self.bot.store.lost_lease(),
            active: answer(self.bot.store.active_replica()).await.ok().flatten(),
            connection: &self.bot.connection.borrow().clone(),
            store,
            health: &self.bot.health,
            watched: self.bot.directory.watched(),
            queues,
            callbacks,
        };
        assess(&facts, Timestamp::now())
    }

    async fn stored(&self) -> Result<(Vec<QueueState>, Callbacks), StoreError> {
        let store = &self.bot.store;
        let depths = store.outbox_depth().await?;
        let mut queues = vec![];
        for QueueLabel { queue, name, carries } in self.bot.directory.queues() {
            let waiting = depths.iter().find(|depth| depth.queue == queue).cloned();
            let last = match carries {
                DeliveryKind::Alert => store.last_alert_of(&queue).await?,
                DeliveryKind::Reply | DeliveryKind::Reaction => None,
            };
            queues.push(QueueState { name, carries, waiting, last });
        }
        Ok((queues, store.callbacks().await?))
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
