//! Periodic work: reports late alerts in their threads, deletes rows that were settled long ago, and keeps the log of SQLite short.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::context::Context;
use super::outbox::{Renderer, which};
use super::settings::KEEP_LONGER;
use crate::alerting::{ReplyKind, ReplyWords};
use crate::store::StoreError;

/// How often to look for late alerts; also the wait if the clock is not plausible yet.
const POLL: Duration = Duration::from_secs(5);
/// How often to delete settled rows.
const PURGE: Duration = Duration::from_secs(3600);

/// Does the periodic work. It can be stopped at any point.
pub(super) async fn run(context: Context) {
    let mut poll = tokio::time::interval(POLL.min(context.tempo.late_after));
    let mut purging = tokio::time::interval(PURGE);
    let mut changes = context.store.changes();
    loop {
        let done = tokio::select! {
            _ = poll.tick() => report_and_checkpoint(&context, &mut changes).await,
            _ = purging.tick() => match is_clock_plausible(&context) {
                true => purge(&context).await,
                false => {
                    purging.reset_after(POLL);
                    Ok(())
                }
            },
        };
        if let Err(error) = done {
            error!(%error, "the store cannot be read or written; trying again");
        }
    }
}

async fn report_and_checkpoint(
    context: &Context,
    changes: &mut watch::Receiver<()>,
) -> Result<(), StoreError> {
    report_late(context).await?;
    if changes.has_changed().unwrap_or_default() {
        changes.mark_unchanged();
        context.store.checkpoint().await?;
    }
    Ok(())
}

/// A waiting alert is reported once: either SIGNL4 fails, or the alert is queued behind others.
async fn report_late(Context { store, current, tempo, .. }: &Context) -> Result<(), StoreError> {
    let settings = current.now();
    let renderer = Renderer(&settings.config.replies);
    for alert in store.late_alerts(Timestamp::now() - tempo.late_after).await? {
        let reason = store.waiting_because(alert.id).await?;
        let kind = if reason.is_some() { ReplyKind::Delayed } else { ReplyKind::Queued };
        let which = which(store, &alert).await;
        let words = ReplyWords {
            reason: reason.as_deref().unwrap_or_default(),
            which: which.as_deref(),
            ..ReplyWords::default()
        };
        let reply = renderer.in_thread(&alert, kind, &words);
        store.report_late(alert.id, reply.as_ref()).await?;
        let (alert, waits_since) = (alert.id, alert.created_at);
        match reason {
            Some(reason) => warn!(%alert, %waits_since, reason, "alert is late"),
            None => info!(%alert, %waits_since, "alert is queued behind others"),
        }
    }
    Ok(())
}

/// Whether this machine's clock was compared with Rocket.Chat's, and agrees within a day. If it was far ahead, everything
/// would seem old.
fn is_clock_plausible(context: &Context) -> bool {
    context.rest.account().clock_offset().is_some_and(|offset| offset.unsigned_abs() < KEEP_LONGER)
}

async fn purge(Context { store, current, .. }: &Context) -> Result<(), StoreError> {
    let settings = current.now();
    let config = &settings.config;
    let keep = config.store.keep;
    let now = Timestamp::now();
    let removed = store.purge(now - keep, now - settings.keep_alerts()).await?;
    if removed > 0 {
        info!(removed, "deleted rows that are older than store.keep");
    }
    Ok(())
}
