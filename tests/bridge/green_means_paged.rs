//! `/readyz` says so when alerts, events, replies or missed messages do not get through, and no longer once they do.

use serde_json::json;

use sandbox::rocketchat::{NewRoom, RestFault};
use sandbox::signl4::{Times, WebhookFault};

use crate::harness::{Harness, LISTENER_SECRET, fast, status_event};

const READY: &str = r#""state":"ready""#;

#[tokio::test]
async fn missing_callbacks_are_reported_until_signl4_calls_again() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.signl4.set_outbound_url(&format!("{}/signl4/another-secret", harness.listener_url()));
    harness.alter_store("UPDATE event SET received_at = received_at - 9000000").await;
    for _ in 0..3 {
        harness.flush().await;
    }
    bot.wait_for_logs(4, &["alert sent"]).await;
    harness.wait_for_readiness(200, READY).await;
    harness.alter_store("UPDATE alert SET settled_at = settled_at - 7200000").await;
    harness.wait_for_readiness(200, "SIGNL4 has accepted 4 alerts and not called back since then").await;
    let check = String::from_utf8(harness.command(&["check"]).await.stdout).unwrap().replace('\n', " ");
    assert!(check.contains("not called back since then"), "{check}");
    harness.signl4.set_outbound_url(&format!("{}/signl4/{LISTENER_SECRET}", harness.listener_url()));
    harness.signl4.close(&alert.id, "Rene").unwrap();
    harness.wait_for_readiness(200, READY).await;
}

#[tokio::test]
async fn an_alert_that_was_not_sent_is_reported_until_another_one_is_sent() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    harness.say("SIGNL4 the secret is wrong");
    harness.wait_for_readiness(200, "was not sent").await;
    harness.alter_store("UPDATE delivery SET settled_at = settled_at - 300000000").await;
    harness.wait_for_readiness(200, "was not sent").await;
    harness.flush().await;
    harness.wait_for_readiness(200, READY).await;
}

#[tokio::test]
async fn a_failing_backfill_is_reported_until_it_works_again() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    let faults = harness.chat.faults();
    for (route, status, reported) in [
        (
            "rooms.get",
            500,
            "Missed messages are not found: the rooms cannot be listed: Rocket.Chat is not available: HTTP 500",
        ),
        ("chat.syncMessages", 500, "cannot be read: Rocket.Chat is not available: HTTP 500"),
        ("chat.syncMessages", 400, "cannot be read: Rocket.Chat refuses: simulated 400"),
    ] {
        faults.rest_always(route, RestFault::status(status));
        harness.flush().await;
        harness.wait_for_readiness(200, reported).await;
        faults.clear_rest();
        harness.wait_for_readiness(200, READY).await;
    }
}

#[tokio::test]
async fn removal_from_the_only_room_of_a_glob_is_reported() {
    let mut harness = Harness::new().await;
    harness.watch(&["night*"]);
    let night =
        harness.chat.create_room(NewRoom::group("night").members([&harness.alice, &harness.bot])).unwrap();
    let _bot = harness.start_bot().await;
    harness.chat.post(&night, &harness.alice, "SIGNL4 pump 3 is down").unwrap();
    harness.alert("SIGNL4 pump 3 is down").await;
    harness.chat.kick(&night, &harness.bot, &harness.alice).unwrap();
    harness.wait_for_readiness(200, "No room is watched").await;
}

#[tokio::test]
async fn failing_replies_are_reported_until_they_work_again() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.chat.faults().rest_always("chat.sendMessage", RestFault::bad_gateway());
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["rocketchat:reply", "not delivered yet"]).await;
    harness.wait_for_readiness(200, READY).await;
    harness
        .alter_store("UPDATE delivery SET created_at = created_at - 301000 WHERE settled_at IS NULL")
        .await;
    harness.wait_for_readiness(200, "Rocket.Chat: replies are not getting out: 1 waiting").await;
    harness.chat.faults().clear_rest();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.wait_for_readiness(200, READY).await;
}

#[tokio::test]
async fn a_failing_store_operation_is_reported_until_it_works_again() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    for (at, broken, reason) in [
        (
            1,
            "CREATE TRIGGER broken BEFORE INSERT ON alert BEGIN SELECT RAISE(ABORT, 'broken'); END",
            "cannot store the alerts of messages",
        ),
        (
            2,
            "CREATE TRIGGER broken BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'broken'); END",
            "the inbox cannot be read or written",
        ),
        (
            3,
            "CREATE TRIGGER broken BEFORE UPDATE ON delivery BEGIN SELECT RAISE(ABORT, 'broken'); END",
            "cannot be read or written",
        ),
    ] {
        harness.wait_for_readiness(200, READY).await;
        harness.alter_store(broken).await;
        let text = format!("SIGNL4 pump {at} is down");
        harness.say(&text);
        let event = status_event(&format!("n{at}"), &json!({"eventId": "of another source"}), 2);
        assert_eq!(harness.post_event(&event).await.0, 200);
        harness.wait_for_readiness(503, reason).await;
        harness.alter_store("DROP TRIGGER broken").await;
        harness.alert(&text).await;
    }
    harness.wait_for_readiness(200, READY).await;
}

#[tokio::test]
async fn a_room_that_cannot_be_read_is_counted_once() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_always_in(&harness.room, "chat.syncMessages", RestFault::forbidden());
    let _bot = harness.start_in_process(fast()).await;
    harness.wait_for_readiness(200, " 1 room cannot be read").await;
}
