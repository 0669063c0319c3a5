//! Notifies systemd of the bot's state (`sd_notify(3)`). Does nothing where the process is not a systemd service.
//!
//! The bot is ready once both listeners are bound and every part runs: from then on no event from SIGNL4 is lost. The
//! connection to Rocket.Chat is part of the status text only, because a restart does not end an outage there. The watchdog is
//! notified as long as the store answers, so systemd restarts a bot that hangs.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::warn;

use crate::store::Store;
use rocketchat::realtime::ConnectionState;

/// The bot is running; also after [`reloading`].
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// The configuration is being reloaded; [`ready`] has to follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "cannot notify systemd of the reload"),
    }
}

/// The bot is stopping.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Reports the state of the connection and why the last reload failed, and notifies the watchdog, until dropped.
///
/// `refusal` is empty while the bot runs with the current configuration.
pub async fn notify(
    connection: watch::Receiver<ConnectionState>,
    refusal: watch::Receiver<String>,
    store: Store,
) {
    tokio::join!(report_status(connection, refusal), notify_watchdog(store));
}

async fn report_status(
    mut connection: watch::Receiver<ConnectionState>,
    mut refusal: watch::Receiver<String>,
) {
    loop {
        let status = status(&connection.borrow_and_update(), &refusal.borrow_and_update());
        send(&[NotifyState::Status(&status)]);
        let changed = tokio::select! {
            changed = connection.changed() => changed,
            changed = refusal.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// One line: a line break would begin another assignment in the notification.
fn status(connection: &ConnectionState, refusal: &str) -> String {
    let mut text = match connection {
        ConnectionState::Online { since, .. } => format!("connected to Rocket.Chat since {since:.0}"),
        ConnectionState::Waiting { reason, retry_at } => {
            format!("Rocket.Chat is not connected ({reason}); next attempt at {retry_at:.0}")
        }
        other => format!("Rocket.Chat is not connected ({})", other.name()),
    };
    // systemctl does not report a failed reload as a failure, so it is shown here.
    if let Some(problem) = refusal.lines().next() {
        text = format!("{text}; the last reload changed nothing: {problem}");
    }
    text.replace(char::is_control, " ")
}

async fn notify_watchdog(store: Store) {
    let Some(timeout_after) = sd_notify::watchdog_enabled() else { return };
    // Twice within systemd's timeout.
    let every = (timeout_after / 2).max(Duration::from_millis(1));
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match timeout(every, store.inbox_depth()).await {
            Ok(_) => send(&[NotifyState::Watchdog]),
            Err(_) => warn!("the store does not answer; if this goes on, systemd restarts the bot"),
        }
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "cannot notify systemd");
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use rocketchat::realtime::LostReason;

    #[test]
    fn a_status_is_always_one_line() {
        let reason = LostReason::Login("no\nREADY=1".into());
        let waiting = ConnectionState::Waiting { reason, retry_at: Timestamp::UNIX_EPOCH };
        let status = status(&waiting, "");
        assert!(status.contains("no READY=1") && !status.contains('\n'), "{status}");
    }
}
