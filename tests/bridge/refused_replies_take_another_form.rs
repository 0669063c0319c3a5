//! Promise 4: a reply that cannot be posted as intended is posted in the next best way, and never dropped silently.

use sandbox::rocketchat::{Message, NewMessage, NewRoom, Options, RestFault, Room};
use sandbox::signl4::Alert;

use crate::harness::{Harness, SOON, http};

const ACKNOWLEDGED: &str = "Rene: Alert acknowledged.";

/// A message and its alert, which is reported as sent in the thread.
async fn alerted(harness: &Harness) -> (Message, Alert) {
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    (message, alert)
}

/// Waits for a message of the bot in a room.
async fn posted_in(harness: &Harness, room: &Room, part: &str) -> Message {
    let find = |chat: &sandbox::rocketchat::RocketChat| {
        chat.messages(room)
            .into_iter()
            .find(|message| message.user_id == harness.bot.id && message.text.contains(part))
    };
    harness.chat.wait_for(SOON, find).await.unwrap()
}

/// Waits for a direct message of the bot to Alice.
async fn posted_to_alice(harness: &Harness, part: &str) -> Message {
    let find = |chat: &sandbox::rocketchat::RocketChat| {
        let direct = chat.rooms().into_iter().filter(|room| room.id.contains(&harness.alice.id));
        direct.flat_map(|room| chat.messages(&room)).find(|message| message.text.contains(part))
    };
    harness.chat.wait_for(SOON, find).await.unwrap()
}

/// A refusal in a server's format.
fn refusal(status: u16, code: &str) -> RestFault {
    let body = format!(r#"{{"success":false,"error":"Refused [{code}]","errorType":"{code}"}}"#);
    RestFault::Answer { status, content_type: "application/json", body }
}

#[tokio::test]
async fn with_threads_disabled_a_reply_goes_into_the_room_with_a_quotation() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.chat.set_threads_enabled(false);
    let (message, alert) = alerted(&harness).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = posted_in(&harness, &harness.room, ACKNOWLEDGED).await;
    assert_eq!(reply.thread_id, None);
    assert_eq!(reply.attachments.len(), 1, "{reply:?}");
    assert_eq!(reply.attachments[0]["text"], message.text);
    assert_eq!(reply.alias.as_deref(), Some("SIGNL4"), "nothing but the thread was in the way");
    harness.signl4.close(&alert.id, "Rene").unwrap();
    posted_in(&harness, &harness.room, "Rene: Alert closed.").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 1, "the quotation pages nobody: {:?}", harness.pages());
}

#[tokio::test]
async fn a_quotation_links_to_the_servers_site_url() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.chat.set_threads_enabled(false);
    harness.chat.set_site_url("https://chat.example.com/team");
    let (message, alert) = alerted(&harness).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = posted_in(&harness, &harness.room, ACKNOWLEDGED).await;
    assert!(
        reply.text.starts_with("[ ](https://chat.example.com/team/channel/operations?msg="),
        "{}",
        reply.text
    );
    assert_eq!(reply.attachments[0]["text"], message.text);
}

#[tokio::test]
async fn a_reply_to_a_message_that_was_pruned_is_posted_in_the_room() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let (message, alert) = alerted(&harness).await;
    harness.chat.delete(&message, &harness.alice).unwrap();
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = posted_in(&harness, &harness.room, ACKNOWLEDGED).await;
    assert_eq!((reply.thread_id, reply.text.contains("deleted")), (None, true), "{}", reply.text);
}

#[tokio::test]
async fn if_the_room_refuses_replies_the_author_gets_a_direct_message() {
    for close in [
        |harness: &Harness| drop(harness.chat.set_archived(&harness.room, true).unwrap()),
        |harness: &Harness| drop(harness.chat.set_read_only(&harness.room, true).unwrap()),
    ] {
        let harness = Harness::new().await.with_fast_tempo();
        let bot = harness.start_bot().await;
        let (message, alert) = alerted(&harness).await;
        close(&harness);
        harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
        let direct = posted_to_alice(&harness, ACKNOWLEDGED).await;
        assert!(direct.text.contains(&message.id), "it says what it is about: {}", direct.text);
        bot.wait_for_log(&["WARN", "posted in another form", "Direct"]).await;
    }
}

#[tokio::test]
async fn a_bot_that_was_removed_from_a_group_writes_to_the_author() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let group =
        harness.chat.create_room(NewRoom::group("night").members([&harness.alice, &harness.bot])).unwrap();
    harness.chat.post(&group, &harness.alice, "SIGNL4 in a group").unwrap();
    let alert = harness.alert("SIGNL4 in a group").await;
    harness.chat.kick(&group, &harness.bot, &harness.alice).unwrap();
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    posted_to_alice(&harness, ACKNOWLEDGED).await;
}

#[tokio::test]
async fn a_refusal_of_rocket_chat_9_leads_to_the_next_form_like_any_other() {
    let harness = Harness::new().await.posting_as("SIGNL4", "https://chat.example.com/signl4.png");
    let _bot = harness.start_bot().await;
    let (message, alert) = alerted(&harness).await;
    harness.chat.faults().rest_next("chat.sendMessage", 1, refusal(403, "error-forbidden"));
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = harness.wait_for_reply(&message, ACKNOWLEDGED).await;
    assert_eq!((reply.alias, reply.avatar), (None, None), "under the bot's own name");
    harness.chat.faults().rest_next("chat.sendMessage", 2, refusal(403, "error-forbidden"));
    harness.signl4.close(&alert.id, "Rene").unwrap();
    let reply = posted_in(&harness, &harness.room, "Rene: Alert closed.").await;
    assert_eq!((reply.thread_id, reply.alias), (None, None));
}

#[tokio::test]
async fn mentions_in_a_template_that_the_bot_may_not_make_are_shown_without_effect() {
    let mut harness = Harness::new().await;
    harness.configure("[replies]\nacknowledged = \"@all: {{ user }} has it\"");
    let _bot = harness.start_bot().await;
    let (message, alert) = alerted(&harness).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = harness.wait_for_reply(&message, "@\u{200B}all: Rene has it").await;
    assert_eq!((reply.mentioned().len(), reply.alias.as_deref()), (0, Some("SIGNL4")));
}

#[tokio::test]
async fn a_long_reply_is_cut_to_what_this_server_takes() {
    let options = Options { max_message_size: 300, ..Options::default() };
    let harness = Harness::with_options(options, Default::default()).await;
    let _bot = harness.start_bot().await;
    let (message, alert) = alerted(&harness).await;
    harness.signl4.annotate(&alert.id, "Mia", &"🚨".repeat(400)).unwrap();
    let reply = harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.ends_with('…')).await.unwrap();
    assert_eq!(reply.text, format!("Mia: {}…", "🚨".repeat(294)));
}

#[tokio::test]
async fn a_reply_that_is_refused_in_every_form_is_tried_once_in_each_and_shown_to_the_operator() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    let (_, alert) = alerted(&harness).await;
    let before = harness.chat.calls_of("chat.sendMessage").len();
    harness.chat.faults().rest_always("chat.sendMessage", refusal(400, "error-of-an-app"));
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["ERROR", "given up", "rocketchat:reply", "rejected in every form"]).await;
    let calls = harness.chat.calls_of("chat.sendMessage").len() - before;
    assert_eq!(calls, 4, "as meant, under its own name, outside the thread, to the author");
    let page = http().get(harness.admin_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Reply given up") && page.contains("error-of-an-app"), "{page}");
    let ready = http().get(format!("{}/readyz", harness.admin_url())).send().await.unwrap();
    let ready = ready.text().await.unwrap();
    assert!(ready.contains("degraded") && ready.contains("error-of-an-app"), "{ready}");
    let metrics = http().get(format!("{}/metrics", harness.admin_url())).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let is_counted =
        |line: &&str| line.contains("replies_total") && line.contains("failed") && line.ends_with(" 1");
    assert!(metrics.lines().any(|line| is_counted(&line)), "{metrics}");
    harness.chat.faults().clear_rest();
    harness.signl4.close(&alert.id, "Rene").unwrap();
    posted_in(&harness, &harness.room, "Rene: Alert closed.").await;
}

#[tokio::test]
async fn a_reply_delayed_between_two_forms_continues_where_it_was() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    let (_, alert) = alerted(&harness).await;
    let before = harness.chat.calls_of("chat.sendMessage").len();
    harness.chat.faults().rest_next("chat.sendMessage", 1, refusal(400, "error-of-an-app"));
    harness.chat.faults().rest_next("chat.sendMessage", 1, RestFault::status(503));
    harness.chat.faults().rest_next("chat.sendMessage", 1, refusal(400, "error-of-an-app"));
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = posted_in(&harness, &harness.room, ACKNOWLEDGED).await;
    assert_eq!(reply.thread_id, None);
    // As intended; under its own name, twice, because there was no answer; outside the thread.
    assert_eq!(harness.chat.calls_of("chat.sendMessage").len() - before, 4);
}

#[tokio::test]
async fn without_direct_messages_a_reply_that_the_room_refuses_is_given_up() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    let (_, alert) = alerted(&harness).await;
    harness.chat.set_archived(&harness.room, true).unwrap();
    let unknown =
        RestFault::Answer { status: 404, content_type: "text/plain", body: "404 Not Found".to_owned() };
    harness.chat.faults().rest_always("im.create", unknown);
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["ERROR", "given up", "rocketchat:reply", "rejected in every form"]).await;
    assert!(harness.chat.calls_of("im.create").len() > 1, "it may have been a proxy that restarts");
}

#[tokio::test]
async fn an_integration_gets_no_direct_message() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    let posted = NewMessage::text("SIGNL4 pump 3 is down").by_integration("zabbix");
    let message = harness.chat.post(&harness.room, &harness.alice, posted).unwrap();
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    harness.chat.set_archived(&harness.room, true).unwrap();
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["given up", "rocketchat:reply"]).await;
    assert!(harness.chat.calls_of("im.create").is_empty());
}
