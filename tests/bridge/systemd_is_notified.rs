//! systemd: ready, reloading, alive and stopping, over a socket as systemd opens one.

use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::time::timeout;

use crate::harness::{Harness, SOON};

/// The notifications that systemd would receive.
struct Systemd(UnixDatagram);

impl Systemd {
    fn listen(harness: &mut Harness) -> Self {
        let path = harness.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        harness.set_variable("NOTIFY_SOCKET", path.to_str().unwrap());
        Self(socket)
    }

    async fn receive(&self) -> String {
        let mut message = [0; 4096];
        let length = timeout(SOON, self.0.recv(&mut message)).await.unwrap().unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// Waits for a notification that contains this; skips earlier ones.
    async fn wait_for(&self, part: &str) -> String {
        loop {
            let message = self.receive().await;
            if message.contains(part) {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn systemd_is_notified_of_start_reload_and_stop() {
    let mut harness = Harness::new().await;
    let systemd = Systemd::listen(&mut harness);
    let mut bot = harness.spawn_bot();
    systemd.wait_for("READY=1").await;
    systemd.wait_for("STATUS=connected to Rocket.Chat").await;
    bot.wait_until_ready().await;
    for (config, reported) in [("", "configuration reloaded"), ("[wrong", "nothing changed")] {
        harness.reconfigure(config);
        assert!(bot.reload().await.contains(reported));
        let reloading = systemd.wait_for("RELOADING=1").await;
        assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
        systemd.wait_for("READY=1").await;
    }
    assert!(bot.stop().await.success());
    systemd.wait_for("STOPPING=1").await;
}

#[tokio::test]
async fn the_status_says_why_a_reload_changed_nothing_until_one_does() {
    let mut harness = Harness::new().await;
    let systemd = Systemd::listen(&mut harness);
    let mut bot = harness.spawn_bot();
    bot.wait_until_ready().await;
    harness.reconfigure("[wrong");
    bot.reload().await;
    let status = systemd.wait_for("the last reload changed nothing: ").await;
    assert!(status.contains("connected to Rocket.Chat") && status.contains("bot.toml:"), "{status}");
    harness.reconfigure("");
    bot.reload().await;
    let status = systemd.wait_for("STATUS=").await;
    assert!(!status.contains("reload"), "{status}");
}

#[tokio::test]
async fn without_rocket_chat_the_bot_is_ready_and_its_status_says_so() {
    let mut harness = Harness::new().await;
    let systemd = Systemd::listen(&mut harness);
    harness.chat.stop().await;
    let _bot = harness.spawn_bot();
    systemd.wait_for("READY=1").await;
    let status = systemd
        .wait_for("STATUS=not ready: Rocket.Chat is not connected (the server refuses connections")
        .await;
    assert!(status.contains("next attempt in "), "{status}");
}

#[tokio::test]
async fn the_watchdog_is_notified_within_its_interval() {
    let mut harness = Harness::new().await;
    let systemd = Systemd::listen(&mut harness);
    harness.set_variable("WATCHDOG_USEC", &Duration::from_secs(1).as_micros().to_string());
    let _bot = harness.spawn_bot();
    for _ in 0..3 {
        systemd.wait_for("WATCHDOG=1").await;
    }
}

#[tokio::test]
async fn the_journal_gets_the_priority_of_each_line() {
    let harness = Harness::new().await.with_journal();
    let bot = harness.start_bot().await;
    harness.chat.faults().cut_connections();
    for (level, priority) in [("INFO", 6), ("WARN", 4), ("DEBUG", 7)] {
        let level = format!(r#""level":"{level}""#);
        bot.wait_for_log(&[&level]).await;
        let priority = format!("<{priority}>{{");
        let log = bot.log();
        assert!(
            log.lines().filter(|line| line.contains(&level)).all(|line| line.starts_with(&priority)),
            "{log}"
        );
    }
}
