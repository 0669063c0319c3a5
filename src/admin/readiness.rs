//! Whether the bot can do its work, and what is missing.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::store::Store;
use rocketchat::realtime::ConnectionState;

/// How long one small write may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer of the store is reused by the page and the metrics: each probe is a write that reaches the disk.
const REUSE: Duration = Duration::from_secs(5);

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether nothing is missing.
    pub ready: bool,
    /// What is missing, for a person.
    pub missing: Vec<String>,
}

impl Readiness {
    /// The bot is ready while it is connected to Rocket.Chat and `store` names no problem.
    pub(super) fn of(connection: &ConnectionState, store: Option<String>) -> Self {
        let connection = match connection {
            ConnectionState::Online { .. } => None,
            ConnectionState::Waiting { reason, retry_at } => {
                let at = retry_at.strftime("%H:%M:%S UTC");
                Some(format!("Rocket.Chat is not connected ({reason}); next attempt at {at}"))
            }
            ConnectionState::Stopped(Some(fatal)) => Some(format!("Rocket.Chat is not connected ({fatal})")),
            other => Some(format!("Rocket.Chat is not connected ({})", other.name())),
        };
        let missing: Vec<String> = connection.into_iter().chain(store).collect();
        Self { ready: missing.is_empty(), missing }
    }
}

/// Tries whether the store accepts writes. Clones share the last answer.
#[derive(Clone, Debug)]
pub(super) struct StoreProbe {
    store: Store,
    last: Arc<Mutex<Option<Answer>>>,
}

/// When the store was probed, and what was wrong with it.
type Answer = (Instant, Option<String>);

impl StoreProbe {
    pub(super) fn new(store: Store) -> Self {
        Self { store, last: Arc::default() }
    }

    /// What is wrong with the store, tried now.
    pub(super) async fn problem(&self) -> Option<String> {
        let mut last = self.last.lock().await;
        self.probe(&mut last).await
    }

    /// What is wrong with the store, from a recent answer where there is one.
    pub(super) async fn recent_problem(&self) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use rocketchat::{
        Fatal,
        realtime::{LostReason, Scope},
    };

    #[test]
    fn everything_missing_is_named() {
        let online = ConnectionState::Online { since: Timestamp::UNIX_EPOCH, scope: Scope::AllRooms };
        assert_eq!(Readiness::of(&online, None), Readiness { ready: true, missing: vec![] });

        let waiting =
            ConnectionState::Waiting { reason: LostReason::HalfOpen, retry_at: Timestamp::UNIX_EPOCH };
        let both = Readiness::of(&waiting, Some("the store's disk is full".into()));
        assert!(!both.ready);
        assert_eq!(
            both.missing,
            [
                &format!(
                    "Rocket.Chat is not connected ({}); next attempt at 00:00:00 UTC",
                    LostReason::HalfOpen
                ),
                "the store's disk is full"
            ]
        );

        let stopped = ConnectionState::Stopped(Some(Fatal::SecondFactor));
        let missing = Readiness::of(&stopped, None).missing;
        assert!(missing[0].contains("second factor"), "{missing:?}");
    }
}
