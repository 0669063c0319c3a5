//! What has to happen though nobody calls: telling threads of late alerts, and forgetting what is long settled.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::notice::Notices;
use crate::{
    alerting::{ReplyKind, ReplyWords},
    store::{Store, StoreError},
};

/// How often late alerts are looked for.
const LOOK: Duration = Duration::from_secs(5);
/// How often settled rows are removed.
const PURGE: Duration = Duration::from_secs(3600);

/// The keeper of the house.
pub(super) struct Housekeeping {
    pub(super) store: Store,
    pub(super) notices: Arc<Notices>,
    /// After this time an alert that did not leave is told of in its thread.
    pub(super) late_after: Duration,
    /// How long settled rows are kept.
    pub(super) keep: Duration,
    /// How long a message is remembered: longer than any look back.
    pub(super) remember: Duration,
}

impl Housekeeping {
    pub(super) async fn run(self, cancel: CancellationToken) {
        let mut look = tokio::time::interval(LOOK.min(self.late_after));
        let mut purge = tokio::time::interval(PURGE);
        loop {
            let done = tokio::select! {
                () = cancel.cancelled() => return,
                _ = look.tick() => self.tell_late().await,
                _ = purge.tick() => self.purge().await,
            };
            if let Err(error) = done {
                error!(%error, "the store cannot be read or written; trying again");
            }
        }
    }

    /// An alert that waits is told of once: whether SIGNL4 fails, or it is only not its turn yet.
    async fn tell_late(&self) -> Result<(), StoreError> {
        for alert in self.store.late_alerts(Timestamp::now() - self.late_after).await? {
            let reason = self.store.waiting_because(alert.id).await?;
            let kind = if reason.is_some() { ReplyKind::Delayed } else { ReplyKind::Queued };
            let words = ReplyWords { reason: reason.as_deref().unwrap_or_default(), ..ReplyWords::default() };
            let reply = self.notices.in_thread(&alert, kind, &words);
            self.store.tell_late(alert.id, reply.as_ref()).await?;
        }
        Ok(())
    }

    async fn purge(&self) -> Result<(), StoreError> {
        let now = Timestamp::now();
        let removed = self.store.purge(now - self.keep, now - self.remember).await?;
        if removed > 0 {
            info!(removed, "removed rows that were settled long ago");
        }
        Ok(())
    }
}
