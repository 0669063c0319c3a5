//! Collects the data of the status page.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    BotView, ReadinessProbe,
    readiness::answer,
    timeline::{AlertTimeline, alert_timeline},
};
use crate::{
    health::{Readiness, WatchedBy},
    logging::{self, Line},
    store::{Callbacks, InboxDepth, QueueDepth, StoreError},
};
use rocketchat::realtime::ConnectionState;

/// Maximum number and age of the alerts that are shown.
const MAX_ALERTS: u32 = 50;
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The state of the bot at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Status {
    pub(super) taken_at: Timestamp,
    pub(super) started_at: Timestamp,
    /// The server's address.
    pub(super) server: String,
    /// The bot's user name, once it has logged in.
    pub(super) user: Option<String>,
    pub(super) readiness: Readiness,
    pub(super) connection: ConnectionState,
    /// When the connection was lost; `None` while there is one.
    pub(super) offline_since: Option<Timestamp>,
    pub(super) watched: Vec<WatchedBy>,
    /// The data from the store, or why it cannot be read.
    pub(super) stored: Result<Stored, String>,
    pub(super) log: Vec<Line>,
}

/// The data from the store.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    /// Every queue that is not empty, with its display name.
    pub(super) waiting: Vec<(String, QueueDepth)>,
    pub(super) inbox: InboxDepth,
    /// Whether SIGNL4 calls back.
    pub(super) callbacks: Callbacks,
    /// The most recent alerts, newest first.
    pub(super) alerts: Vec<AlertTimeline>,
}

/// Collects the bot's status. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct StatusCollector {
    pub(super) bot: BotView,
    pub(super) readiness: ReadinessProbe,
    /// When the connection was lost; `None` while there is one.
    offline_since: Arc<watch::Sender<Option<Timestamp>>>,
}

impl StatusCollector {
    pub(super) fn new(bot: BotView) -> Self {
        let offline_since = Arc::new(watch::Sender::new(Some(bot.started_at)));
        Self { readiness: ReadinessProbe::new(bot.clone()), offline_since, bot }
    }

    /// Records when the connection is lost, until the bot ends.
    pub(super) async fn track_connection(&self) {
        let mut connection = self.bot.connection.clone();
        loop {
            let online = connection.borrow_and_update().is_online();
            self.offline_since.send_modify(|since| *since = offline_since(*since, online, Timestamp::now()));
            if connection.changed().await.is_err() {
                return;
            }
        }
    }

    /// The current status.
    pub(super) async fn collect(&self) -> Status {
        let now = Timestamp::now();
        let stored = answer(self.stored(now)).await;
        Status {
            taken_at: now,
            started_at: self.bot.started_at,
            server: self.bot.account.server().base().to_string(),
            user: self.bot.account.identity().map(|identity| identity.username),
            readiness: self.readiness.recent().await,
            connection: self.bot.connection.borrow().clone(),
            offline_since: *self.offline_since.borrow(),
            watched: self.bot.directory.watched(),
            stored,
            log: logging::recent().lines(),
        }
    }

    async fn stored(&self, now: Timestamp) -> Result<Stored, StoreError> {
        let store = &self.bot.store;
        let server = self.bot.account.server().base();
        let names = self.bot.directory.queues();
        let last = store.last_alerts(MAX_ALERTS, now - MAX_AGE).await?;
        let alert_timeline = |alert| alert_timeline(alert, &last, server, &*self.bot.directory, &names);
        let queues = store.outbox_depth().await?;
        let named = queues.into_iter().map(|depth| {
            let name = names.iter().find(|label| label.queue == depth.queue).map(|label| label.name.clone());
            (name.unwrap_or_else(|| depth.queue.to_string()), depth)
        });
        Ok(Stored {
            waiting: named.collect(),
            inbox: store.inbox_depth().await?,
            callbacks: store.callbacks().await?,
            alerts: last.alerts.iter().map(alert_timeline).collect(),
        })
    }
}

/// Failed attempts to reconnect do not change when the connection was lost.
fn offline_since(before: Option<Timestamp>, online: bool, now: Timestamp) -> Option<Timestamp> {
    if online { None } else { before.or(Some(now)) }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn failed_attempts_do_not_change_when_the_connection_was_lost() {
        let at = |seconds: i64| Timestamp::UNIX_EPOCH + seconds.seconds();
        assert_eq!(offline_since(Some(at(0)), false, at(1)), Some(at(0)));
        assert_eq!(offline_since(Some(at(0)), true, at(2)), None);
        assert_eq!(offline_since(None, false, at(3)), Some(at(3)));
        assert_eq!(offline_since(Some(at(3)), false, at(4)), Some(at(3)));
    }
}
