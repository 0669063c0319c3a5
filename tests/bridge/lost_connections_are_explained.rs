//! Whatever prevents a connection has a named reason: in the log, on the status page and, if it lasts, in what
//! `/readyz` reports as missing.

use std::time::Duration;

use sandbox::rocketchat::Refusal;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::harness::{Bot, Harness, http};

impl Harness {
    /// Waits until a session ended, or could not be established, for the reason of this name.
    async fn named_in_log(&self, bot: &Bot, name: &str) {
        bot.wait_for_log(&["no realtime session", &format!(r#""name":"{name}""#)]).await;
    }

    /// Waits until the reason of this name is in the log, and these words are on the status page.
    async fn reported(&self, bot: &Bot, name: &str, words: &str) {
        self.named_in_log(bot, name).await;
        let page = async |path: &str| {
            let answer = http().get(format!("{}{path}", self.admin_url())).send().await.ok()?;
            answer.text().await.ok()
        };
        let reported = async {
            while !(page("/").await.is_some_and(|page| page.contains(words))
                && page("/readyz").await.is_some_and(|missing| missing.contains(words)))
            {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), reported)
            .await
            .unwrap_or_else(|_| panic!("{words:?} is reported nowhere"));
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_closes_or_refuses_or_is_not_there() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    let faults = harness.chat.faults();
    faults.set(|switches| switches.accept_then_close = true);
    faults.cut_connections();
    harness.reported(&bot, "closed_by_server", "the server closed the connection").await;
    faults.clear();
    faults.set(|switches| switches.refuse_connect = true);
    harness.reported(&bot, "connect_failed", "does not speak this version of DDP").await;
    faults.clear();
    harness.chat.stop().await;
    harness.reported(&bot, "refused", "refuses connections").await;
    harness.chat.restart().await.unwrap();
    harness.flush().await;
}

#[tokio::test]
async fn subscriptions_that_are_refused_while_the_server_starts() {
    let harness = Harness::new().await;
    let refusal = Refusal::meteor(404, "Subscription 'stream-room-messages' not found");
    harness.chat.faults().refuse_subscriptions(1_000, refusal);
    let bot = harness.spawn_bot();
    harness.reported(&bot, "nosub", "the server ended the subscription").await;
    harness.chat.faults().clear();
    harness.flush().await;
}

#[tokio::test]
async fn a_token_that_has_expired_and_a_forced_logout() {
    let harness = Harness::new().await.with_fast_tempo().with_password();
    let bot = harness.start_bot().await;
    // The catch-up may also be the first to notice that the token is invalid.
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.expire_tokens(&harness.bot).unwrap();
    harness.chat.faults().cut_connections();
    harness.named_in_log(&bot, "token_expired").await;
    harness.flush().await;
    harness.chat.force_logout(&harness.bot).unwrap();
    harness.named_in_log(&bot, "forced_logout").await;
    harness.flush().await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let mut harness = Harness::new().await;
    harness.set_variable("SIGNL4_BOT_ROCKETCHAT__URL", "http://no-such-host.invalid");
    let bot = harness.spawn_bot();
    harness.reported(&bot, "dns", "cannot be resolved").await;
}

#[tokio::test]
async fn a_server_without_tls() {
    let mut harness = Harness::new().await;
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    harness.set_variable("SIGNL4_BOT_ROCKETCHAT__URL", &format!("https://{}", plain.local_addr().unwrap()));
    tokio::spawn(async move {
        while let Ok((client, _)) = plain.accept().await {
            client.writable().await.unwrap();
            client.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    let bot = harness.spawn_bot();
    harness.reported(&bot, "tls", "TLS failed").await;
}

#[tokio::test]
async fn a_connection_that_is_half_open() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.flush().await;
    harness.chat.stall_now();
    harness.named_in_log(&bot, "half_open").await;
    harness.flush().await;
}
