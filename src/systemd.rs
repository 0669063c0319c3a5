//! Tells systemd how the bot does, by `sd_notify(3)`. Where no systemd waits for it, nothing is told.
//!
//! The bot is ready once both listeners are bound and every part runs: from then on nothing that SIGNL4 sends is lost.
//! Whether Rocket.Chat is connected is told as the status, for an outage there is waited out and no restart ends it. The
//! watchdog is fed as long as the process gets its turn and the store answers: what it ends is a bot that hangs.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::warn;

use crate::store::Store;
use rocketchat::realtime::ConnectionState;

/// The bot runs, or goes on after [`reloading`].
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again; [`ready`] has to follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => warn!(%error, "systemd cannot be told of the reload"),
    }
}

/// The bot was told to stop.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells where the connection stands and why the last reload was refused, and feeds the watchdog, until dropped.
///
/// `refusal` is empty while the bot runs with the configuration that it was last given.
pub async fn accompany(
    connection: watch::Receiver<ConnectionState>,
    refusal: watch::Receiver<String>,
    store: Store,
) {
    tokio::join!(tell_status(connection, refusal), feed_watchdog(store));
}

async fn tell_status(mut connection: watch::Receiver<ConnectionState>, mut refusal: watch::Receiver<String>) {
    loop {
        let status = status(&connection.borrow_and_update(), &refusal.borrow_and_update());
        tell(&[NotifyState::Status(&status)]);
        let changed = tokio::select! {
            changed = connection.changed() => changed,
            changed = refusal.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// One line: a line break would begin another message to systemd.
fn status(connection: &ConnectionState, refusal: &str) -> String {
    let mut text = match connection {
        ConnectionState::Online { since, .. } => format!("connected to Rocket.Chat since {since:.0}"),
        ConnectionState::Waiting { reason, retry_at } => {
            format!("Rocket.Chat is not connected ({reason}); next attempt at {retry_at:.0}")
        }
        other => format!("Rocket.Chat is not connected ({})", other.name()),
    };
    // A reload that changes nothing is no failure to systemctl, so this is where one sees it.
    if let Some(problem) = refusal.lines().next() {
        text = format!("{text}; the last reload changed nothing: {problem}");
    }
    text.replace(char::is_control, " ")
}

async fn feed_watchdog(store: Store) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    // Twice within the time after which systemd gives up.
    let every = (patience / 2).max(Duration::from_millis(1));
    let mut turns = interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        match timeout(every, store.settled_until()).await {
            Ok(_) => tell(&[NotifyState::Watchdog]),
            Err(_) => warn!("the store does not answer; should it go on so, systemd starts the bot anew"),
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "systemd cannot be told how the bot does");
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use rocketchat::realtime::LostReason;

    #[test]
    fn a_status_is_one_line_whatever_the_server_says() {
        let reason = LostReason::Login("no\nREADY=1".into());
        let waiting = ConnectionState::Waiting { reason, retry_at: Timestamp::UNIX_EPOCH };
        let status = status(&waiting, "");
        assert!(status.contains("no READY=1") && !status.contains('\n'), "{status}");
    }
}
