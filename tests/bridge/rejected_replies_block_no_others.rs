//! A reply that Rocket.Chat rejects is posted elsewhere. A temporary refusal is retried. Neither delays other replies.

use std::time::Duration;

use sandbox::rocketchat::{NewRoom, RestFault};

use crate::harness::{Harness, SOON};

#[tokio::test]
async fn a_reply_into_a_deleted_room_goes_elsewhere_and_the_others_arrive() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let doomed =
        harness.chat.create_room(NewRoom::channel("doomed").members([&harness.alice, &harness.bot])).unwrap();
    harness.chat.post(&doomed, &harness.alice, "SIGNL4 in the doomed room").unwrap();
    let gone = harness.alert("SIGNL4 in the doomed room").await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_logs(2, &["alert sent"]).await;
    harness.chat.delete_room(&doomed).unwrap();
    harness.signl4.acknowledge(&gone.id, "Rene").unwrap();
    harness.signl4.acknowledge(&alert.id, "Mia").unwrap();
    harness.wait_for_reply(&message, "Mia: Alert acknowledged.").await;
    bot.wait_for_log(&["posted in another form", "Direct"]).await;
}

#[tokio::test]
async fn a_reply_into_a_room_that_the_bot_was_removed_from_goes_elsewhere_and_the_others_arrive() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let group =
        harness.chat.create_room(NewRoom::group("night").members([&harness.alice, &harness.bot])).unwrap();
    harness.chat.post(&group, &harness.alice, "SIGNL4 in a group").unwrap();
    let lost = harness.alert("SIGNL4 in a group").await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_logs(2, &["alert sent"]).await;
    harness.chat.kick(&group, &harness.bot, &harness.alice).unwrap();
    harness.signl4.acknowledge(&lost.id, "Rene").unwrap();
    harness.signl4.acknowledge(&alert.id, "Mia").unwrap();
    harness.wait_for_reply(&message, "Mia: Alert acknowledged.").await;
    bot.wait_for_log(&["posted in another form", "Direct"]).await;
}

#[tokio::test]
async fn a_room_that_became_read_only_or_archived_ends_its_replies_and_no_others() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    for (name, read_only) in [("quiet", true), ("shelved", false)] {
        let room =
            harness.chat.create_room(NewRoom::channel(name).members([&harness.alice, &harness.bot])).unwrap();
        let text = format!("SIGNL4 in {name}");
        harness.chat.post(&room, &harness.alice, text.as_str()).unwrap();
        let closed = harness.alert(&text).await;
        bot.wait_for_log(&["alert sent"]).await;
        match read_only {
            true => harness.chat.set_read_only(&room, true).unwrap(),
            false => harness.chat.set_archived(&room, true).unwrap(),
        };
        harness.signl4.acknowledge(&closed.id, "Rene").unwrap();
    }
    harness.signl4.acknowledge(&alert.id, "Mia").unwrap();
    harness.wait_for_reply(&message, "Mia: Alert acknowledged.").await;
    bot.wait_for_log(&["posted in another form", "Direct"]).await;
}

#[tokio::test]
async fn a_reply_that_is_too_long_for_this_server_is_shortened_also_without_the_right_to_impersonate() {
    let options = sandbox::rocketchat::Options { max_message_size: 1_000, ..Default::default() };
    let harness = Harness::with_options(options, Default::default()).await;
    harness.chat.deny(&harness.bot, "message-impersonate").unwrap();
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.annotate(&alert.id, "Mia", &"word ".repeat(500)).unwrap();
    let short = harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Mia: word"));
    assert!(short.await.unwrap().text.ends_with('…'));
}

#[tokio::test]
async fn a_reply_longer_than_any_server_takes_is_shortened_and_the_next_one_follows() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.annotate(&alert.id, "Mia", &"🚨".repeat(5_500)).unwrap();
    harness.signl4.close(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert closed.").await;
    let replies = harness.replies(&message);
    assert!(
        replies.len() == 2 && replies[0].starts_with("Mia: 🚨") && replies[0].ends_with('…'),
        "{replies:?}"
    );
}

#[tokio::test]
async fn two_concurrent_replies_whose_alias_is_refused_both_arrive() {
    let mut harness = Harness::new().await.with_fast_tempo();
    harness.configure("[replies]\non_sent = \"reply\"\nsent = \"Paged.\"\nraised = \"Raised.\"");
    harness.chat.deny(&harness.bot, "message-impersonate").unwrap();
    // Both calls are in progress before either is refused.
    harness.chat.faults().rest_next("chat.sendMessage", 2, RestFault::Slow(Duration::from_secs(2)));
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.wait_for_reply(&message, "Paged.").await;
    harness.wait_for_reply(&message, "Raised.").await;
}

#[tokio::test]
async fn a_reply_that_is_temporarily_refused_without_a_reason_arrives_later() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    // The answer of a server whose database is changing its primary.
    let body = r#"{"success":false,"error":"not primary and secondaryOk=false"}"#.to_owned();
    let fault = RestFault::Answer { status: 400, content_type: "application/json", body };
    harness.chat.faults().rest_next("chat.sendMessage", 2, fault);
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(harness.replies(&message).len(), 1);
}

#[tokio::test]
async fn a_reaction_that_is_refused_is_replaced_by_a_reply() {
    let mut harness = Harness::new().await;
    harness.configure("[replies]\nreaction = \":no_such_emoji:\"");
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.wait_for_reply(&message, "Alert sent.").await;
}

#[tokio::test]
async fn replies_about_a_deleted_message_go_where_they_can_be_seen() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let (plain, parent) = (harness.say("SIGNL4 pump 3 is down"), harness.say("SIGNL4 pump 4 is down"));
    harness.chat.reply(&parent, &harness.bob, "on it").unwrap();
    let alerts = [harness.alert("SIGNL4 pump 3 is down").await, harness.alert("SIGNL4 pump 4 is down").await];
    for message in [&plain, &parent] {
        harness.chat.wait_for_reaction(message, ":rotating_light:", SOON).await.unwrap();
        harness.chat.delete(message, &harness.alice).unwrap();
    }
    for alert in &alerts {
        harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    }
    // The first message of a thread with replies still exists, marked as removed.
    harness.wait_for_reply(&parent, "Rene: Alert acknowledged.").await;
    let room = harness.room.clone();
    let reported = |chat: &sandbox::rocketchat::RocketChat| {
        let is_told = |message: &sandbox::rocketchat::Message| {
            message.thread_id.is_none() && message.text.starts_with("Rene: Alert acknowledged.")
        };
        chat.messages(&room).into_iter().any(|message| is_told(&message)).then_some(())
    };
    harness.chat.wait_for(SOON, reported).await.unwrap();
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "a deleted message pages nobody again");
}

#[tokio::test]
async fn mentions_from_signl4_are_shown_and_never_notify() {
    for may_mention in [false, true] {
        let harness = Harness::new().await;
        for right in ["mention-all", "mention-here"] {
            match may_mention {
                true => harness.chat.grant(&harness.bot, right).unwrap(),
                false => harness.chat.deny(&harness.bot, right).unwrap(),
            };
        }
        let _bot = harness.start_bot().await;
        let message = harness.say("SIGNL4 pump 3 is down");
        let alert = harness.alert("SIGNL4 pump 3 is down").await;
        harness.signl4.acknowledge_with_note(&alert.id, "Mia", "@all got it, @bob too\n>@alice").unwrap();
        let is_note = |reply: &sandbox::rocketchat::Message| reply.text.contains("got it");
        let reply = harness.chat.wait_for_reply(&message, SOON, is_note).await.unwrap();
        assert!(reply.mentioned().is_empty(), "{:?}", reply.mentioned());
        let shown = reply.text.replace('\u{200B}', "");
        assert_eq!(shown, "Mia: Alert acknowledged.\nMia: @all got it, @bob too\n>@alice");
    }
}
