//! Promise 1: a message that matches a trigger in a watched room raises one alert, whatever was down meanwhile.

use std::time::Duration;

use sandbox::rocketchat::{self, Limits, NewMessage, NewRoom};
use sandbox::signl4::{self, Times, WebhookFault};
use serde_json::json;
use signl4_rocketchat::bot::Tempo;

use crate::harness::{Harness, SOON};

#[tokio::test]
async fn a_message_becomes_an_alert_with_the_rooms_id_as_its_external_id() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    assert_eq!(alert.external_id.as_deref(), Some(harness.room.id.as_str()));
    assert_eq!(alert.title, "Alert from Rocket.Chat");
    assert_eq!(alert.source_system.as_deref(), Some("RocketChat"));
    let body = &alert.received.body;
    assert_eq!(body["X-S4-Status"], "new");
    assert_eq!((&body["user"], &body["channel"]), (&json!("alice"), &json!("operations")));
    let link = format!("{}/channel/operations?msg={}", harness.chat.url(), message.id);
    assert_eq!(body["link"], json!(link));
}

#[tokio::test]
async fn a_message_that_does_not_match_pages_nobody() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.say("pump 3 is down");
    harness.say("SIGNL45 is another word");
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
}

#[tokio::test]
async fn direct_messages_private_groups_and_rooms_joined_later_are_watched() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let direct = harness.chat.create_room(NewRoom::direct([&harness.alice, &harness.bot])).unwrap();
    let group =
        harness.chat.create_room(NewRoom::group("night").members([&harness.alice, &harness.bot])).unwrap();
    harness.chat.post(&direct, &harness.alice, "SIGNL4 by direct message").unwrap();
    harness.chat.post(&group, &harness.alice, "SIGNL4 in a group").unwrap();
    harness.wait_for_texts(&["SIGNL4 by direct message", "SIGNL4 in a group"]).await;
}

#[tokio::test]
async fn the_text_of_an_attachment_counts_and_that_of_a_quotation_does_not() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let attachment = json!({"title": "SIGNL4 disk full", "text": "on db-1", "color": "red"});
    let posted = NewMessage::text("").by_integration("monitoring").attachment(attachment);
    harness.chat.post(&harness.room, &harness.bob, posted).unwrap();
    let quotation = NewMessage::text("[ ](http://chat/channel/operations?msg=abc) look at this").quoting(
        "http://chat/channel/operations?msg=abc",
        "alice",
        "SIGNL4 old news",
    );
    harness.chat.post(&harness.room, &harness.bob, quotation).unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 disk full\non db-1"]);
}

#[tokio::test]
async fn messages_from_before_the_first_start_page_nobody() {
    let harness = Harness::new().await;
    let written = NewMessage::text("SIGNL4 long ago").at(harness.chat.now() - 5_000);
    let old = harness.chat.post(&harness.room, &harness.alice, written).unwrap();
    let _bot = harness.start_bot().await;
    harness.flush().await;
    harness.chat.react(&old, &harness.bob, ":thumbsup:").unwrap();
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
}

#[tokio::test]
async fn a_message_written_while_the_bot_was_down_pages_when_it_is_back() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    harness.say("SIGNL4 nobody listens");
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 nobody listens").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 nobody listens"]);
}

#[tokio::test]
async fn a_message_written_while_the_bot_was_cut_off_pages_when_it_is_back() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.chat.faults().set(|switches| switches.refuse_connections = true);
    harness.chat.faults().cut_connections();
    harness.say("SIGNL4 the line is dead");
    harness.chat.faults().set(|switches| switches.refuse_connections = false);
    harness.alert("SIGNL4 the line is dead").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 the line is dead"]);
}

#[tokio::test]
async fn a_restart_of_rocket_chat_loses_and_doubles_no_page() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.say("SIGNL4 before");
    harness.alert("SIGNL4 before").await;
    harness.chat.stop().await;
    harness.say("SIGNL4 during");
    harness.chat.restart().await.unwrap();
    harness.alert("SIGNL4 during").await;
    harness.say("SIGNL4 after");
    harness.alert("SIGNL4 after").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 before", "SIGNL4 during", "SIGNL4 after"]);
}

#[tokio::test]
async fn a_message_written_while_signl4_was_down_pages_when_it_is_back() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.signl4.refuse().await;
    harness.say("SIGNL4 nobody answers");
    bot.wait_for_log(&["not delivered yet"]).await;
    harness.signl4.listen_again().await.unwrap();
    harness.alert("SIGNL4 nobody answers").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 nobody answers"]);
}

#[tokio::test]
async fn errors_and_throttling_of_signl4_are_waited_out() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    harness.signl4.faults().webhook(WebhookFault::Status(503), Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::Throttled(Duration::from_secs(2)), Times::Next(1));
    harness.say("SIGNL4 be patient");
    harness.alert("SIGNL4 be patient").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 be patient"]);
}

#[tokio::test]
async fn killed_between_match_and_delivery_the_bot_delivers_after_its_restart() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Always);
    harness.say("SIGNL4 the power fails");
    bot.wait_for_log(&["message matched"]).await;
    bot.kill().await;
    assert!(harness.pages().is_empty(), "nothing was delivered before");
    harness.signl4.faults().clear();
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 the power fails").await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 the power fails"]);
}

#[tokio::test]
async fn on_sigterm_the_bot_stops_within_ten_seconds_and_loses_nothing() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.signl4.refuse().await;
    harness.say("SIGNL4 at the very end");
    bot.wait_for_log(&["message matched"]).await;
    let status = tokio::time::timeout(Duration::from_secs(10), bot.stop()).await.unwrap();
    assert!(status.success(), "{status}");
    harness.signl4.listen_again().await.unwrap();
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 at the very end").await;
}

#[tokio::test]
async fn a_second_bot_on_the_same_store_says_so_and_stops() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let mut second = harness.spawn_bot();
    assert_eq!(second.wait().await.code(), Some(1));
    assert!(second.log().contains("already running on this store"), "{}", second.log());
}

#[tokio::test]
async fn triggers_page_the_team_they_name() {
    let mut options = sandbox::signl4::Options::default();
    options.teams.push(sandbox::signl4::Team::new("network"));
    let mut harness = Harness::with_options(sandbox::rocketchat::Options::default(), options).await;
    let network = harness.signl4.webhook_url("network");
    harness.configure(&format!(
        "[[signl4.team]]\nname = \"network\"\nwebhook_url = {network:?}\n\
         [[trigger]]\nname = \"router\"\npattern = 'router (?<router>\\w+)'\nrooms = [\"oper*\"]\nteam = \"network\"\n\
         title = \"Router {{{{ router }}}}\"\nexternal_id = \"{{{{ message.id }}}}\"\n"
    ));
    let _bot = harness.start_bot().await;
    let message = harness.say("router r1 is down");
    let alerts = harness.signl4.wait_for_alerts(1, SOON).await.unwrap();
    let alert = &alerts[0];
    assert_eq!((alert.team.as_str(), alert.title.as_str()), ("network", "Router r1"));
    assert_eq!(alert.external_id.as_deref(), Some(message.id.as_str()));
}

#[tokio::test]
async fn a_message_silently_dropped_by_the_stream_still_pages() {
    // Here the bot polls far more often than a real server would allow.
    let unlimited = rocketchat::Options { limits: Limits::OFF, ..rocketchat::Options::default() };
    let harness = Harness::with_options(unlimited, signl4::Options::default()).await;
    let _bot =
        harness.start_in_process(Tempo { look_again: Duration::from_millis(200), ..Tempo::default() }).await;
    harness.chat.store_last_message(false);
    harness.chat.faults().set(|switches| switches.withhold_messages = true);
    harness.say("SIGNL4 into the void");
    harness.alert("SIGNL4 into the void").await;
    harness.chat.faults().set(|switches| switches.withhold_messages = false);
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 into the void"]);
}
