//! A store that is locked or damaged is reported clearly. Everything that does not need it continues, and nothing is
//! lost once it works again.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::timeout;

use crate::harness::{Harness, SOON, http, status_event};

const STORE: &str = "signl4-rocketchat.db";

#[tokio::test]
async fn a_store_that_another_program_keeps_locked_is_named_at_the_start() {
    let harness = Harness::new().await.with_fast_tempo();
    assert!(harness.start_bot().await.stop().await.success());
    let lock = harness.lock_store().await;
    let mut bot = harness.spawn_bot();
    assert_eq!(bot.wait().await.code(), Some(1));
    assert!(bot.log().contains("store.url: another program"), "{}", bot.log());
    lock.release().await;
    let _bot = harness.start_bot().await;
}

#[tokio::test]
async fn a_bot_that_waits_for_a_locked_store_is_stopped_at_once() {
    let harness = Harness::new().await;
    assert!(harness.start_bot().await.stop().await.success());
    let lock = harness.lock_store().await;
    let bot = harness.spawn_bot();
    bot.wait_for_log(&["starting"]).await;
    let asked = Instant::now();
    assert!(bot.stop().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited for the store: {:?}", asked.elapsed());
    lock.release().await;
}

#[tokio::test]
async fn an_event_that_waits_too_long_for_the_store_is_refused_for_now_and_logged() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let lock = harness.lock_store().await;
    let event = status_event("n1", &json!({"eventId": "of another source"}), 2);
    assert_eq!(harness.post_event(&event).await.0, 503);
    bot.wait_for_log(&[r#""level":"ERROR""#, "an event cannot be stored", "n1"]).await;
    lock.release().await;
    assert_eq!(harness.post_event(&event).await.0, 200);
}

#[tokio::test]
async fn an_event_is_refused_while_the_store_file_is_missing() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.say("SIGNL4 pump 3 is down");
    harness.alert("SIGNL4 pump 3 is down").await;
    let (store, away) = (harness.path(STORE), harness.path("away.db"));
    fs::rename(&store, &away).unwrap();
    let event = status_event("n1", &json!({"eventId": "e1", "externalEventId": harness.room.id}), 2);
    assert_eq!(harness.post_event(&event).await.0, 503);
    let ready = http().get(format!("{}/readyz", harness.admin_url())).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    assert!(ready.text().await.unwrap().contains("removed or replaced"));
    fs::rename(&away, &store).unwrap();
    assert_eq!(harness.post_event(&event).await.0, 200);
    bot.wait_for_log(&["ERROR", "cannot be stored", "removed or replaced"]).await;
}

#[tokio::test]
async fn an_event_is_refused_after_the_store_was_overwritten_in_place() {
    let harness = Harness::new().await;
    assert!(harness.start_bot().await.stop().await.success());
    let (store, backup) = (harness.path(STORE), harness.path("backup.db"));
    fs::copy(&store, &backup).unwrap();
    let copy = || assert!(fs::copy(&backup, &store).is_ok());
    let truncate = || File::options().write(true).open(&store).unwrap().set_len(0).unwrap();
    let overwrite: [&dyn Fn(); 2] = [&copy, &truncate];
    for overwrite in overwrite {
        let bot = harness.start_bot().await;
        let event = status_event("n1", &json!({"externalEventId": harness.room.id}), 2);
        assert_eq!(harness.post_event(&event).await.0, 200);
        overwrite();
        let event = status_event("n2", &json!({"externalEventId": harness.room.id}), 2);
        assert_eq!(harness.post_event(&event).await.0, 503);
        let ready = http().get(format!("{}/readyz", harness.admin_url())).send().await.unwrap();
        assert!(ready.text().await.unwrap().contains("removed or replaced"));
        bot.kill().await;
        for file in [STORE, "signl4-rocketchat.db-wal", "signl4-rocketchat.db-shm"] {
            let _ = fs::remove_file(harness.path(file));
        }
    }
}

#[tokio::test]
async fn a_damaged_store_is_named_at_the_start_and_left_as_it_is() {
    let harness = Harness::new().await;
    let no_database = "this is no database\n".repeat(1_000);
    fs::write(harness.path(STORE), &no_database).unwrap();
    let mut bot = harness.spawn_bot();
    assert_eq!(bot.wait().await.code(), Some(1));
    assert!(bot.log().contains("store.url") && bot.log().contains("damaged"), "{}", bot.log());
    assert_eq!(fs::read_to_string(harness.path(STORE)).unwrap(), no_database);
}

#[tokio::test]
async fn while_the_store_is_locked_events_are_refused_and_afterwards_everything_arrives_once() {
    let harness = Harness::new().await.with_fast_tempo();
    let mut bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let lock = harness.lock_store().await;
    let event = status_event("n1", &json!({"eventId": alert.event_id}), 2);
    let (refused, _) = tokio::join!(harness.post_event(&event), async {
        harness.say("SIGNL4 pump 4 is down");
        bot.wait_for_log(&["cannot store the alerts of messages"]).await;
    });
    assert!(refused.0 == 503 || refused.0 == 408, "{refused:?}");
    bot.assert_runs();
    lock.release().await;
    harness.alert("SIGNL4 pump 4 is down").await;
    assert_eq!(harness.post_event(&event).await.0, 200);
    assert_eq!(harness.post_event(&event).await.0, 200);
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.flush().await;
    assert_eq!(harness.replies(&message).len(), 1);
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn a_store_that_locks_between_signl4s_answer_and_our_commit_causes_no_second_page() {
    use sandbox::signl4::{Times, WebhookFault};
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.flush().await;
    harness.signl4.faults().webhook(WebhookFault::Slow(std::time::Duration::from_secs(2)), Times::Next(1));
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    let lock = harness.lock_store().await;
    bot.wait_for_log(&["the outcome of a delivery cannot be stored"]).await;
    lock.release().await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 pump 3 is down"]);
}

/// SIGNL4's event was stored before, and waits until the outcome of the call is stored.
#[tokio::test]
async fn a_store_that_locks_during_a_call_without_an_answer_causes_no_second_page() {
    use sandbox::signl4::{Times, WebhookFault};
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    harness.signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(60)), Times::Next(1));
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.alert("SIGNL4 pump 3 is down").await;
    // The event is stored, and waits.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let lock = harness.lock_store().await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    lock.release().await;
    bot.wait_for_log(&["unknown whether it was delivered"]).await;
    harness.chat.wait_for_reaction(&message, ":rotating_light:", Duration::from_secs(60)).await.unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 pump 3 is down"]);
}

#[tokio::test]
async fn a_broken_part_of_the_store_does_not_stop_the_others_and_nothing_is_lost() {
    let harness = Harness::new().await;
    let mut bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.flush().await;
    harness
        .alter_store("CREATE TRIGGER broken BEFORE INSERT ON alert BEGIN SELECT RAISE(ABORT, 'broken'); END")
        .await;
    harness.say("SIGNL4 into the ruins");
    bot.wait_for_log(&["cannot store the alerts of messages"]).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    bot.assert_runs();
    harness.alter_store("DROP TRIGGER broken").await;
    harness.alert("SIGNL4 into the ruins").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn while_the_store_takes_no_writes_the_bot_is_not_ready_and_the_metrics_say_so() {
    let harness = Harness::new().await;
    let mut bot = harness.start_bot().await;
    let admin = async |path: &str| {
        let answer = http().get(format!("{}{path}", harness.admin_url())).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert!(admin("/metrics").await.1.contains("signl4_bot_ready 1"));
    let lock = harness.lock_store().await;
    // The page and the metrics accept an answer that is a few seconds old.
    let reported = async {
        loop {
            if let (503, reported) = admin("/readyz").await {
                return reported;
            }
        }
    };
    let reported = timeout(SOON, reported).await.unwrap();
    assert!(reported.contains("store"), "{reported}");
    assert!(admin("/metrics").await.1.contains("signl4_bot_ready 0"));
    assert_eq!(admin("/healthz").await.0, 200, "it is alive");
    lock.release().await;
    bot.wait_until_ready().await;
}

#[tokio::test]
#[ignore = "needs a Linux with user namespaces, to mount a disk"]
async fn while_the_disk_is_full_events_are_refused_and_afterwards_everything_arrives_once() {
    let harness = Harness::new().await.with_small_disk(8 * 1024);
    let mut bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let filler = bot.fill_disk(&harness);
    harness.say("SIGNL4 pump 4 is down");
    bot.wait_for_log(&["cannot store the alerts of messages", "disk"]).await;
    let event = status_event("n1", &json!({"eventId": alert.event_id}), 2);
    assert_eq!(harness.post_event(&event).await.0, 503);
    let ready = http().get(format!("{}/readyz", harness.admin_url())).send().await.unwrap();
    assert!(ready.text().await.unwrap().contains("disk"), "{}", bot.log());
    bot.assert_runs();
    fs::remove_file(filler).unwrap();
    harness.alert("SIGNL4 pump 4 is down").await;
    assert_eq!(harness.post_event(&event).await.0, 200);
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.flush().await;
    assert_eq!(harness.replies(&message).len(), 1);
    assert_eq!(harness.pages(), ["SIGNL4 pump 3 is down", "SIGNL4 pump 4 is down"]);
}
