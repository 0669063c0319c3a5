//! Days of ordinary traffic, with daily restarts of everything: the bot's memory and its store must not grow, and every match
//! pages once.
//!
//! Three days take 45 minutes if the clock of the whole test runs faster. Build it first, and let nothing else delay it: at
//! this pace a tenth of a second counts as ten seconds.
//!
//! ```sh
//! cargo test --test bridge --no-run
//! LONG_RUN_HOURS=72 NO_FAKE_STAT=1 faketime -m -f '+0 x96' target/debug/deps/bridge-… days_of_ordinary_traffic --ignored --nocapture
//! ```
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use sandbox::rocketchat::Message;
use sqlx::{AnyConnection, Connection};
use tokio::time::{Instant, sleep};

use crate::harness::{Bot, Harness, http};

const MINUTE: Duration = Duration::from_mins(1);
/// Alerts are kept for 26 hours with the configuration below. From then on, nothing may grow.
const STEADY: u64 = 27;
/// How much may be added after that: allocators keep some memory, and what is in the log depends on the moment.
const SLACK: u64 = 8 * 1024 * 1024;
/// How many rows may be: what an hour adds, since settled rows are deleted once an hour.
const SLACK_ROWS: i64 = 60;

/// What was measured at the end of an hour.
#[derive(Clone, Copy, Debug)]
struct Measured {
    resident: u64,
    store: u64,
    rows: i64,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes hours, or needs faketime"]
async fn days_of_ordinary_traffic() {
    let hours = std::env::var("LONG_RUN_HOURS").ok().and_then(|text| text.parse().ok()).unwrap_or(72);
    let mut harness = Harness::new().await;
    for (key, value) in [("ROCKETCHAT__CATCH_UP", "1h"), ("SIGNL4__RETRY_FOR", "1h"), ("STORE__KEEP", "1h")] {
        harness.set_variable(&format!("SIGNL4_BOT_{key}"), value);
    }
    harness.set_variable("RUST_LOG", "info");
    let mut bot = start(&harness).await;
    let mut alerts = Vec::new();
    let mut measured = Vec::new();
    println!("| hour | resident, KiB | store, KiB | rows | alerts | lost | doubled | replies missing |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for hour in 0..hours {
        bot = restart(hour, &harness, bot, &mut alerts).await;
        for minute in 0..60 {
            sleep(MINUTE).await;
            for who in [&harness.alice, &harness.bob] {
                harness.chat.post(&harness.room, who, format!("nothing new at {hour}:{minute:02}")).unwrap();
            }
            if minute % 15 == 0 {
                alerts.push(harness.say(&format!("SIGNL4 pump {minute} is down at {hour}")));
            }
            if minute % 15 == 10 {
                answer(&harness, alerts.last().unwrap());
            }
        }
        settle(&harness, &alerts).await;
        let now =
            Measured { resident: bot.resident_kib(), store: size(&harness), rows: rows(&harness).await };
        let (lost, doubled) = (unraised(&harness, &alerts), doubled(&harness));
        println!(
            "| {} | {} | {} | {} | {} | {lost} | {doubled} | {} |",
            hour + 1,
            now.resident,
            now.store / 1024,
            now.rows,
            alerts.len(),
            unanswered(&harness, &alerts),
        );
        measured.push(now);
    }
    assert_eq!((unraised(&harness, &alerts), doubled(&harness), unanswered(&harness, &alerts)), (0, 0, 0));
    let errors: Vec<_> = harness
        .logs()
        .iter()
        .flat_map(|log| log.lines())
        .filter(|line| line.contains("ERROR"))
        .map(str::to_owned)
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    if let Some(steady) =
        measured.get(usize::try_from(STEADY).unwrap()..).and_then(|rest| rest.split_at_checked(24))
    {
        let most = |hours: &[Measured]| {
            hours.iter().fold((0, 0, 0), |(resident, store, rows), hour| {
                (hour.resident.max(resident), hour.store.max(store), hour.rows.max(rows))
            })
        };
        let (day, later) = (most(steady.0), most(steady.1));
        assert!(later.0 * 1024 <= day.0 * 1024 + SLACK, "memory: {measured:#?}");
        assert!(later.1 <= day.1 + SLACK && later.2 <= day.2 + SLACK_ROWS, "store: {measured:#?}");
    }
}

/// Each thing restarts once a day, at a time of its own.
async fn restart(hour: u64, harness: &Harness, bot: Bot, alerts: &mut Vec<Message>) -> Bot {
    match hour % 24 {
        5 => {
            assert!(bot.stop().await.success());
            start(harness).await
        }
        10 => {
            bot.kill().await;
            alerts.push(harness.say(&format!("SIGNL4 while the bot is down at {hour}")));
            sleep(5 * MINUTE).await;
            start(harness).await
        }
        15 => {
            harness.chat.faults().set(|switches| switches.refuse_connections = true);
            harness.chat.faults().cut_connections();
            alerts.push(harness.say(&format!("SIGNL4 while Rocket.Chat is down at {hour}")));
            sleep(5 * MINUTE).await;
            harness.chat.faults().set(|switches| switches.refuse_connections = false);
            bot
        }
        20 => {
            harness.signl4.refuse().await;
            alerts.push(harness.say(&format!("SIGNL4 while SIGNL4 is down at {hour}")));
            sleep(5 * MINUTE).await;
            harness.signl4.listen_again().await.unwrap();
            bot
        }
        _ => bot,
    }
}

/// Waits longer than [`Harness::start_bot`]: the clock may run faster than the machine.
async fn start(harness: &Harness) -> Bot {
    let bot = harness.spawn_bot();
    let ready = async || {
        let asked = http().get(format!("{}/readyz", harness.admin_url())).timeout(10 * MINUTE).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    };
    let deadline = Instant::now() + 60 * MINUTE;
    while !ready().await {
        assert!(Instant::now() < deadline, "not ready:\n{}", bot.log());
        sleep(MINUTE / 6).await;
    }
    bot
}

/// Somebody takes care of the alert.
fn answer(harness: &Harness, message: &Message) {
    for alert in harness.signl4.alerts().iter().filter(|alert| alert.text == message.text && alert.is_open())
    {
        harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
        harness.signl4.close(&alert.id, "Rene").unwrap();
    }
}

/// Waits for what is still under way, within bounds.
async fn settle(harness: &Harness, alerts: &[Message]) {
    let deadline = Instant::now() + 20 * MINUTE;
    while Instant::now() < deadline && (unraised(harness, alerts), unanswered(harness, alerts)) != (0, 0) {
        if unraised(harness, alerts) == 0 {
            alerts
                .iter()
                .filter(|message| !is_answered(harness, message))
                .for_each(|message| answer(harness, message));
        }
        sleep(MINUTE).await;
    }
}

fn unraised(harness: &Harness, alerts: &[Message]) -> usize {
    let texts = harness.texts();
    alerts.iter().filter(|message| !texts.contains(&message.text)).count()
}

fn doubled(harness: &Harness) -> usize {
    let mut times = BTreeMap::new();
    for text in harness.texts() {
        *times.entry(text).or_insert(0) += 1;
    }
    times.values().filter(|times| **times > 1).count()
}

fn unanswered(harness: &Harness, alerts: &[Message]) -> usize {
    alerts.iter().filter(|message| !is_answered(harness, message)).count()
}

fn is_answered(harness: &Harness, message: &Message) -> bool {
    let replies = harness.replies(message);
    ["Rene: Alert acknowledged.", "Rene: Alert closed."]
        .iter()
        .all(|text| replies.iter().filter(|reply| reply == text).count() == 1)
}

/// Bytes of the database and its log.
fn size(harness: &Harness) -> u64 {
    ["signl4-rocketchat.db", "signl4-rocketchat.db-wal"]
        .iter()
        .map(|file| fs::metadata(harness.path(file)).map_or(0, |file| file.len()))
        .sum()
}

async fn rows(harness: &Harness) -> i64 {
    sqlx::any::install_default_drivers();
    let file = format!("sqlite://{}", harness.path("signl4-rocketchat.db").display());
    let mut store = AnyConnection::connect(&file).await.unwrap();
    let count = "SELECT (SELECT count(*) FROM alert) + (SELECT count(*) FROM learned_event_id) + (SELECT count(*) FROM delivery) \
                 + (SELECT count(*) FROM event) + (SELECT count(*) FROM room) + (SELECT count(*) FROM fact)";
    let rows = sqlx::query_scalar(count).fetch_one(&mut store).await.unwrap();
    store.close().await.unwrap();
    rows
}
