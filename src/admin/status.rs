//! The picture of the bot that the status page shows: plain data, taken at one moment.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::{
    BotView, Readiness, WatchedBy,
    offline::Offline,
    readiness::StoreProbe,
    timeline::{Story, Teller},
};
use crate::{
    logging::Line,
    store::{InboxDepth, QueueDepth, StoreError},
};
use rocketchat::realtime::ConnectionState;

/// How long the store may take to tell all that is shown.
const STORE_PATIENCE: Duration = Duration::from_secs(3);
/// Alerts that are shown, and how old they may be.
const ALERTS: u32 = 50;
const DAYS: Duration = Duration::from_secs(7 * 24 * 3600);

/// The bot at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    pub(super) taken_at: Timestamp,
    pub(super) started_at: Timestamp,
    /// The server's address, for people to open.
    pub(super) server: String,
    /// The bot's user name, once it has logged in.
    pub(super) user: Option<String>,
    pub(super) readiness: Readiness,
    pub(super) connection: ConnectionState,
    /// Since when there is no connection.
    pub(super) offline_since: Option<Timestamp>,
    pub(super) watched: Vec<WatchedBy>,
    /// What the store knows, or why it does not tell.
    pub(super) stored: Result<Stored, String>,
    pub(super) log: Vec<Line>,
}

/// What stands in the store.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    /// Every queue in which something waits, by its name for people.
    pub(super) waiting: Vec<(String, QueueDepth)>,
    pub(super) inbox: InboxDepth,
    /// The last alerts, the newest first.
    pub(super) alerts: Vec<Story>,
}

/// Takes pictures of the bot. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Photographer {
    pub(super) bot: BotView,
    pub(super) probe: StoreProbe,
    pub(super) offline: Offline,
}

impl Photographer {
    pub(super) fn new(bot: BotView) -> Self {
        let (probe, offline) = (StoreProbe::new(bot.store.clone()), Offline::since(bot.started_at));
        Self { bot, probe, offline }
    }

    /// Whether the bot can do its work, tried now.
    pub(super) async fn readiness(&self) -> Readiness {
        let problem = self.probe.problem().await;
        Readiness::of(&self.bot.connection.borrow(), problem)
    }

    /// The same, content with what the store said a moment ago.
    pub(super) async fn recent_readiness(&self) -> Readiness {
        let problem = self.probe.recent_problem().await;
        Readiness::of(&self.bot.connection.borrow(), problem)
    }

    /// The bot as it is now.
    pub(super) async fn picture(&self) -> Status {
        let now = Timestamp::now();
        let stored = match timeout(STORE_PATIENCE, self.stored(now)).await {
            Ok(stored) => stored.map_err(|error| error.to_string()),
            Err(_) => Err("the store does not answer".to_owned()),
        };
        Status {
            taken_at: now,
            started_at: self.bot.started_at,
            server: self.bot.account.server().base().to_string(),
            user: self.bot.account.identity().map(|identity| identity.username),
            readiness: self.recent_readiness().await,
            connection: self.bot.connection.borrow().clone(),
            offline_since: self.offline.get(),
            watched: self.bot.directory.watched(),
            stored,
            log: self.bot.log.lines(),
        }
    }

    async fn stored(&self, now: Timestamp) -> Result<Stored, StoreError> {
        let store = &self.bot.store;
        let server = self.bot.account.server().base();
        let names = self.bot.directory.queues();
        let teller = Teller { server, directory: &*self.bot.directory, queues: &names };
        let alerts = store.last_alerts(ALERTS, now - DAYS).await?;
        let queues = store.outbox_depth().await?;
        let named = queues.into_iter().map(|depth| {
            let name = names.iter().find(|label| label.queue == depth.queue).map(|label| label.name.clone());
            (name.unwrap_or_else(|| depth.queue.to_string()), depth)
        });
        Ok(Stored {
            waiting: named.collect(),
            inbox: store.inbox_depth().await?,
            alerts: alerts.iter().map(|trail| teller.tell(trail)).collect(),
        })
    }
}
