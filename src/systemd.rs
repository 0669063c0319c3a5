//! Notifies systemd of the bot's state (`sd_notify(3)`). Does nothing if the process is not a systemd service.
//!
//! The bot is ready once both listeners are bound and every part runs: from then on no event from SIGNL4 is lost. The
//! connection to Rocket.Chat is part of the status text only, because a restart does not end an outage there. The watchdog is
//! notified as long as the store answers, so systemd restarts a bot that hangs.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tracing::warn;

use crate::{
    admin::{BotView, ReadinessProbe},
    health::{Readiness, State},
    store::Store,
};

/// How often to check the state, because not every change sends a notification.
const POLL: Duration = Duration::from_secs(15);

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

/// Reports whether people can be paged and why the last reload failed, and notifies the watchdog, until dropped. Returns at once if
/// the process is not a systemd service.
///
/// `refusal` is empty while the bot runs with the current configuration.
pub async fn notify(bot: BotView, refusal: watch::Receiver<String>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let store = bot.store.clone();
    tokio::join!(report_status(bot, refusal), notify_watchdog(store));
}

async fn report_status(bot: BotView, mut refusal: watch::Receiver<String>) {
    let mut connection = bot.connection.clone();
    let health = bot.health.clone();
    let probe = ReadinessProbe::new(bot);
    let mut sent = String::new();
    loop {
        connection.mark_unchanged();
        let changes = health.changes();
        let status = status(&probe.glance().await, &refusal.borrow_and_update());
        if status != sent {
            send(&[NotifyState::Status(&status)]);
            sent = status;
        }
        tokio::select! {
            Ok(()) = connection.changed() => {}
            Ok(()) = refusal.changed() => {}
            () = changes => {}
            () = sleep(POLL) => {}
        }
    }
}

/// One line: a line break would begin another assignment in the notification.
fn status(readiness: &Readiness, refusal: &str) -> String {
    let mut text = match readiness.state {
        State::Ready => "connected to Rocket.Chat".to_owned(),
        State::Standby | State::Degraded | State::Down => readiness.to_string(),
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
            Err(_) => warn!("the store does not answer; if this continues, systemd restarts the bot"),
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
    use super::*;

    #[test]
    fn a_status_is_always_one_line() {
        let missing = vec!["no\nREADY=1".to_owned()];
        let down = Readiness { ready: false, state: State::Down, missing, warnings: vec![], active: None };
        let status = status(&down, "");
        assert!(status.contains("no READY=1") && !status.contains('\n'), "{status}");
    }
}
