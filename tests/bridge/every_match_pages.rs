//! Promise 1: a message that matches a trigger in a watched room raises one alert, whatever was down meanwhile.

use std::time::Duration;

use sandbox::rocketchat::{self, Limits, NewMessage, NewRoom};
use sandbox::signl4::{self, Times, WebhookFault};
use serde_json::json;
use signl4_rocketchat::bot::Tempo;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn a_message_becomes_an_alert_with_the_rooms_id_as_its_external_id() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    assert_eq!(alert.external_id.as_deref(), Some(stage.room.id.as_str()));
    assert_eq!(alert.title, "Alert from Rocket.Chat");
    assert_eq!(alert.source_system.as_deref(), Some("RocketChat"));
    let body = &alert.received.body;
    assert_eq!(body["X-S4-Status"], "new");
    assert_eq!((&body["user"], &body["channel"]), (&json!("alice"), &json!("operations")));
    let link = format!("{}/channel/operations?msg={}", stage.chat.url(), message.id);
    assert_eq!(body["link"], json!(link));
}

#[tokio::test]
async fn a_message_that_does_not_match_pages_nobody() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.say("pump 3 is down");
    stage.say("SIGNL45 is another word");
    stage.flush().await;
    assert!(stage.pages().is_empty(), "{:?}", stage.pages());
}

#[tokio::test]
async fn direct_messages_private_groups_and_rooms_joined_later_are_heard() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let direct = stage.chat.create_room(NewRoom::direct([&stage.alice, &stage.bot])).unwrap();
    let group = stage.chat.create_room(NewRoom::group("night").members([&stage.alice, &stage.bot])).unwrap();
    stage.chat.post(&direct, &stage.alice, "SIGNL4 by direct message").unwrap();
    stage.chat.post(&group, &stage.alice, "SIGNL4 in a group").unwrap();
    stage.wait_for_texts(&["SIGNL4 by direct message", "SIGNL4 in a group"]).await;
}

#[tokio::test]
async fn what_a_monitoring_system_posts_in_an_attachment_counts_and_a_quotation_does_not() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let attachment = json!({"title": "SIGNL4 disk full", "text": "on db-1", "color": "red"});
    let posted = NewMessage::text("").by_integration("monitoring").attachment(attachment);
    stage.chat.post(&stage.room, &stage.bob, posted).unwrap();
    let quotation = NewMessage::text("[ ](http://chat/channel/operations?msg=abc) look at this").quoting(
        "http://chat/channel/operations?msg=abc",
        "alice",
        "SIGNL4 old news",
    );
    stage.chat.post(&stage.room, &stage.bob, quotation).unwrap();
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 disk full\non db-1"]);
}

#[tokio::test]
async fn what_was_written_before_the_first_start_pages_nobody() {
    let stage = Stage::set().await;
    let written = NewMessage::text("SIGNL4 long ago").at(stage.chat.now() - 5_000);
    let old = stage.chat.post(&stage.room, &stage.alice, written).unwrap();
    let _bot = stage.start().await;
    stage.flush().await;
    stage.chat.react(&old, &stage.bob, ":thumbsup:").unwrap();
    stage.flush().await;
    assert!(stage.pages().is_empty(), "{:?}", stage.pages());
}

#[tokio::test]
async fn a_message_written_while_the_bot_was_down_pages_when_it_is_back() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.flush().await;
    bot.kill().await;
    stage.say("SIGNL4 nobody listens");
    let _bot = stage.start().await;
    stage.alert("SIGNL4 nobody listens").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 nobody listens"]);
}

#[tokio::test]
async fn a_message_written_while_the_bot_was_cut_off_pages_when_it_is_back() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.chat.faults().set(|switches| switches.refuse_connections = true);
    stage.chat.faults().cut_connections();
    stage.say("SIGNL4 the line is dead");
    stage.chat.faults().set(|switches| switches.refuse_connections = false);
    stage.alert("SIGNL4 the line is dead").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 the line is dead"]);
}

#[tokio::test]
async fn rocket_chat_restarting_costs_no_page_and_doubles_none() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.say("SIGNL4 before");
    stage.alert("SIGNL4 before").await;
    stage.chat.stop().await;
    stage.say("SIGNL4 during");
    stage.chat.restart().await.unwrap();
    stage.alert("SIGNL4 during").await;
    stage.say("SIGNL4 after");
    stage.alert("SIGNL4 after").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 before", "SIGNL4 during", "SIGNL4 after"]);
}

#[tokio::test]
async fn a_message_written_while_signl4_was_down_pages_when_it_is_back() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.signl4.refuse().await;
    stage.say("SIGNL4 nobody answers");
    bot.wait_for_log(&["not delivered yet"]).await;
    stage.signl4.listen_again().await.unwrap();
    stage.alert("SIGNL4 nobody answers").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 nobody answers"]);
}

#[tokio::test]
async fn errors_and_throttling_of_signl4_are_waited_out() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.signl4.faults().webhook(WebhookFault::Status(503), Times::Next(1));
    stage.signl4.faults().webhook(WebhookFault::Throttled(Duration::from_secs(2)), Times::Next(1));
    stage.say("SIGNL4 be patient");
    stage.alert("SIGNL4 be patient").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 be patient"]);
}

#[tokio::test]
async fn killed_between_match_and_delivery_the_bot_delivers_after_its_restart() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Always);
    stage.say("SIGNL4 the power fails");
    bot.wait_for_log(&["message matched"]).await;
    bot.kill().await;
    assert!(stage.pages().is_empty(), "nothing was delivered before");
    stage.signl4.faults().clear();
    let _bot = stage.start().await;
    stage.alert("SIGNL4 the power fails").await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 the power fails"]);
}

#[tokio::test]
async fn told_to_stop_the_bot_stops_within_ten_seconds_and_loses_nothing() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.signl4.refuse().await;
    stage.say("SIGNL4 at the very end");
    bot.wait_for_log(&["message matched"]).await;
    let status = tokio::time::timeout(Duration::from_secs(10), bot.stop()).await.unwrap();
    assert!(status.success(), "{status}");
    stage.signl4.listen_again().await.unwrap();
    let _bot = stage.start().await;
    stage.alert("SIGNL4 at the very end").await;
}

#[tokio::test]
async fn a_second_bot_on_the_same_store_says_so_and_stops() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let mut second = stage.launch();
    assert_eq!(second.wait().await.code(), Some(1));
    assert!(second.log().contains("already running on this store"), "{}", second.log());
}

#[tokio::test]
async fn triggers_page_the_team_they_name() {
    let mut options = sandbox::signl4::Options::default();
    options.teams.push(sandbox::signl4::Team::new("network"));
    let mut stage = Stage::set_with(sandbox::rocketchat::Options::default(), options).await;
    let network = stage.signl4.webhook_url("network");
    stage.configure(&format!(
        "[[signl4.team]]\nname = \"network\"\nwebhook_url = {network:?}\n\
         [[trigger]]\nname = \"router\"\npattern = 'router (?<router>\\w+)'\nrooms = [\"oper*\"]\nteam = \"network\"\n\
         title = \"Router {{{{ router }}}}\"\nexternal_id = \"{{{{ message.id }}}}\"\n"
    ));
    let _bot = stage.start().await;
    let message = stage.say("router r1 is down");
    let alerts = stage.signl4.wait_for_alerts(1, SOON).await.unwrap();
    let alert = &alerts[0];
    assert_eq!((alert.team.as_str(), alert.title.as_str()), ("network", "Router r1"));
    assert_eq!(alert.external_id.as_deref(), Some(message.id.as_str()));
}

#[tokio::test]
async fn a_message_that_the_stream_drops_without_a_word_is_found_all_the_same() {
    // The bot looks far more often here than the server would bear.
    let unlimited = rocketchat::Options { limits: Limits::OFF, ..rocketchat::Options::default() };
    let stage = Stage::set_with(unlimited, signl4::Options::default()).await;
    let _bot = stage.start_inside(Tempo { look_again: Duration::from_millis(200), ..Tempo::default() }).await;
    stage.chat.faults().set(|switches| switches.withhold_messages = true);
    stage.say("SIGNL4 into the void");
    stage.alert("SIGNL4 into the void").await;
    stage.chat.faults().set(|switches| switches.withhold_messages = false);
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 into the void"]);
}
