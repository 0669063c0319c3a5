//! Measures how long a page takes with each fault: the figures of the table in `docs/operations.md`.
//!
//! `cargo test --test bridge -- --ignored --nocapture measured_faults::one` prints those of one bot on SQLite, and
//! `tests/postgres.sh cargo test --test bridge -- --ignored --nocapture measured_faults::the_database replicas_in_network` as
//! root those of replicas on PostgreSQL.

use std::fs;
use std::time::Duration;

use sandbox::signl4::{Times, WebhookFault};
use tokio::time::{Instant, sleep};

use crate::database_link::{Database, Link, end_all_sessions};
use crate::harness::Harness;

/// How long a server is away.
const AWAY: Duration = Duration::from_secs(30);
const TEXT: &str = "SIGNL4 pump 3 is down";
/// The longest wait, with room to spare.
const LONGEST: Duration = Duration::from_secs(120);

impl Harness {
    /// How long after that moment the page was there, the only one.
    async fn paged(&self, fault: &str, since: Instant) {
        self.wait_for_texts_within(&[TEXT], LONGEST).await;
        println!("{fault}: paged after {:.1?}", since.elapsed());
        let message =
            self.chat.messages(&self.room).into_iter().find(|message| message.text == TEXT).unwrap();
        self.chat.wait_for_reaction(&message, ":rotating_light:", LONGEST).await.unwrap();
        println!("{fault}: known to be sent after {:.1?}", since.elapsed());
        assert_eq!(self.pages(), [TEXT], "{fault}");
    }
}

#[tokio::test]
#[ignore = "measures; takes minutes"]
async fn one_bot_and_its_disk() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    bot.kill().await;
    harness.say(TEXT);
    let since = Instant::now();
    let _bot = harness.start_bot().await;
    harness.paged("killed and started again", since).await;

    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let since = Instant::now();
    assert!(bot.stop().await.success());
    println!("SIGTERM: ended after {:.1?}", since.elapsed());

    let harness = Harness::new().await.with_small_disk(8 * 1024);
    let bot = harness.start_bot().await;
    let filler = bot.fill_disk(&harness);
    harness.say(TEXT);
    sleep(AWAY).await;
    fs::remove_file(filler).unwrap();
    harness.paged("disk full, after it has room again", Instant::now()).await;
}

#[tokio::test]
#[ignore = "measures; takes minutes"]
async fn one_bot_and_the_servers() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    harness.say(TEXT);
    sleep(AWAY).await;
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    harness.paged("Rocket.Chat away, after it is back", Instant::now()).await;

    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.signl4.refuse().await;
    harness.say(TEXT);
    sleep(AWAY).await;
    harness.signl4.listen_again().await.unwrap();
    harness.paged("SIGNL4 away, after it is back", Instant::now()).await;

    for (name, fault) in [
        ("429 for 10 s", WebhookFault::Throttled(Duration::from_secs(10))),
        ("503 once", WebhookFault::Status(503)),
        ("504, and the alert was raised", WebhookFault::RaiseThenStatus(504)),
        ("504, and no alert was raised", WebhookFault::Status(504)),
        ("no answer, and no alert was raised", WebhookFault::NeverAnswer),
    ] {
        let harness = Harness::new().await;
        let _bot = harness.start_bot().await;
        harness.signl4.faults().webhook(fault, Times::Next(1));
        let since = Instant::now();
        harness.say(TEXT);
        harness.paged(name, since).await;
    }
}

#[tokio::test]
#[ignore = "measures, and needs PostgreSQL"]
async fn the_database() {
    let server = Database::create().await;
    let Database { url, link } = Database::through_a_link(&server).await;
    let mut harness = Harness::new().await.replica();
    harness.configure(&format!("[store]\nurl = {:?}", url.as_str()));
    let mut bot = harness.start_bot().await;
    link.send_replace(Link::Refused);
    end_all_sessions(&server).await;
    harness.say(TEXT);
    sleep(AWAY).await;
    link.send_replace(Link::Up);
    harness.paged("PostgreSQL away, after it is back", Instant::now()).await;
    bot.assert_runs();
}
