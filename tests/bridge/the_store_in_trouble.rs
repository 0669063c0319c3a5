//! A store that is locked or damaged is a clear error that stops nothing that can go on, and nothing is lost once it is
//! mended.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;

use crate::stage::{SOON, Stage, http, status_event};

const STORE: &str = "signl4-rocketchat.db";

#[tokio::test]
async fn a_store_that_another_program_keeps_locked_is_named_at_the_start() {
    let stage = Stage::set().await;
    assert!(stage.start().await.stop().await.success());
    let lock = stage.lock_store().await;
    let mut bot = stage.launch();
    assert_eq!(bot.wait().await.code(), Some(1));
    assert!(bot.log().contains("store.url: another program"), "{}", bot.log());
    lock.release().await;
    let _bot = stage.start().await;
}

#[tokio::test]
async fn a_bot_that_waits_for_a_locked_store_is_stopped_at_once() {
    let stage = Stage::set().await;
    assert!(stage.start().await.stop().await.success());
    let lock = stage.lock_store().await;
    let bot = stage.launch();
    bot.wait_for_log(&["starting"]).await;
    let asked = Instant::now();
    assert!(bot.stop().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited for the store: {:?}", asked.elapsed());
    lock.release().await;
}

#[tokio::test]
async fn a_damaged_store_is_named_at_the_start_and_left_as_it_is() {
    let stage = Stage::set().await;
    let rubbish = "this is no database\n".repeat(1_000);
    fs::write(stage.path(STORE), &rubbish).unwrap();
    let mut bot = stage.launch();
    assert_eq!(bot.wait().await.code(), Some(1));
    assert!(bot.log().contains("store.url") && bot.log().contains("damaged"), "{}", bot.log());
    assert_eq!(fs::read_to_string(stage.path(STORE)).unwrap(), rubbish);
}

#[tokio::test]
async fn while_the_store_is_locked_events_are_refused_and_afterwards_everything_arrives_once() {
    let stage = Stage::set().await;
    let mut bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let lock = stage.lock_store().await;
    let event = status_event("n1", &json!({"eventId": alert.event_id}), 2);
    let (refused, _) = tokio::join!(stage.post_event(&event), async {
        stage.say("SIGNL4 pump 4 is down");
        bot.wait_for_log(&["a message cannot be settled"]).await;
    });
    assert!(refused.0 == 503 || refused.0 == 408, "{refused:?}");
    bot.assert_runs();
    lock.release().await;
    stage.alert("SIGNL4 pump 4 is down").await;
    assert_eq!(stage.post_event(&event).await.0, 200);
    assert_eq!(stage.post_event(&event).await.0, 200);
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    stage.flush().await;
    assert_eq!(stage.replies(&message).len(), 1);
    assert_eq!(stage.pages().len(), 2, "{:?}", stage.pages());
}

#[tokio::test]
async fn a_store_that_locks_between_signl4s_answer_and_our_commit_costs_no_second_page() {
    use sandbox::signl4::{Times, WebhookFault};
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.flush().await;
    stage.signl4.faults().webhook(WebhookFault::Slow(std::time::Duration::from_secs(2)), Times::Next(1));
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    let lock = stage.lock_store().await;
    bot.wait_for_log(&["an outcome cannot be stored"]).await;
    lock.release().await;
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 pump 3 is down"]);
}

#[tokio::test]
async fn while_one_part_of_the_store_is_broken_the_others_go_on_and_after_its_repair_nothing_is_missing() {
    let stage = Stage::set().await;
    let mut bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    stage.flush().await;
    stage.alter_store("ALTER TABLE seen RENAME TO broken").await;
    stage.say("SIGNL4 into the ruins");
    bot.wait_for_log(&["a message cannot be settled"]).await;
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    bot.assert_runs();
    stage.alter_store("ALTER TABLE broken RENAME TO seen").await;
    stage.alert("SIGNL4 into the ruins").await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), 2, "{:?}", stage.pages());
}

#[tokio::test]
async fn while_the_store_takes_no_writes_the_bot_is_not_ready_and_the_metrics_say_so() {
    let stage = Stage::set().await;
    let mut bot = stage.start().await;
    let admin = async |path: &str| {
        let answer = http().get(format!("{}{path}", stage.admin_url())).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert!(admin("/metrics").await.1.contains("signl4_bot_ready 1"));
    let lock = stage.lock_store().await;
    // Who only looks is content with an answer of a few seconds ago.
    let told = async {
        loop {
            if let (503, told) = admin("/readyz").await {
                return told;
            }
        }
    };
    let told = timeout(SOON, told).await.unwrap();
    assert!(told.contains("store"), "{told}");
    assert!(admin("/metrics").await.1.contains("signl4_bot_ready 0"));
    assert_eq!(admin("/healthz").await.0, 200, "it is alive");
    lock.release().await;
    bot.wait_until_ready().await;
}

#[tokio::test]
#[ignore = "needs a Linux with user namespaces, to mount a disk"]
async fn while_the_disk_is_full_events_are_refused_and_afterwards_everything_arrives_once() {
    let stage = Stage::set().await.with_a_small_disk(8 * 1024);
    let mut bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let filler = bot.fill_disk(&stage);
    stage.say("SIGNL4 pump 4 is down");
    bot.wait_for_log(&["a message cannot be settled", "disk"]).await;
    let event = status_event("n1", &json!({"eventId": alert.event_id}), 2);
    assert_eq!(stage.post_event(&event).await.0, 503);
    let ready = http().get(format!("{}/readyz", stage.admin_url())).send().await.unwrap();
    assert!(ready.text().await.unwrap().contains("disk"), "{}", bot.log());
    bot.assert_runs();
    fs::remove_file(filler).unwrap();
    stage.alert("SIGNL4 pump 4 is down").await;
    assert_eq!(stage.post_event(&event).await.0, 200);
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    stage.flush().await;
    assert_eq!(stage.replies(&message).len(), 1);
    assert_eq!(stage.pages(), ["SIGNL4 pump 3 is down", "SIGNL4 pump 4 is down"]);
}
