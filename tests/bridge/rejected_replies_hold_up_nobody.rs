//! What Rocket.Chat refuses is given up by itself; what it refuses in passing is not; and neither holds up the rest.

use std::time::Duration;

use sandbox::rocketchat::{NewRoom, RestFault};

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn a_reply_into_a_deleted_room_is_given_up_and_the_others_arrive() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let doomed =
        stage.chat.create_room(NewRoom::channel("doomed").members([&stage.alice, &stage.bot])).unwrap();
    stage.chat.post(&doomed, &stage.alice, "SIGNL4 in the doomed room").unwrap();
    let gone = stage.alert("SIGNL4 in the doomed room").await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_logs(2, &["alert sent"]).await;
    stage.chat.delete_room(&doomed).unwrap();
    stage.signl4.acknowledge(&gone.id, "Rene").unwrap();
    stage.signl4.acknowledge(&alert.id, "Mia").unwrap();
    stage.wait_for_reply(&message, "Mia: Alert acknowledged.").await;
    bot.wait_for_log(&["given up", "rocketchat:reply"]).await;
}

#[tokio::test]
async fn a_reply_into_a_room_that_the_bot_was_removed_from_is_given_up_and_the_others_arrive() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let group = stage.chat.create_room(NewRoom::group("night").members([&stage.alice, &stage.bot])).unwrap();
    stage.chat.post(&group, &stage.alice, "SIGNL4 in a group").unwrap();
    let lost = stage.alert("SIGNL4 in a group").await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_logs(2, &["alert sent"]).await;
    stage.chat.kick(&group, &stage.bot, &stage.alice).unwrap();
    stage.signl4.acknowledge(&lost.id, "Rene").unwrap();
    stage.signl4.acknowledge(&alert.id, "Mia").unwrap();
    stage.wait_for_reply(&message, "Mia: Alert acknowledged.").await;
    bot.wait_for_log(&["given up", "rocketchat:reply"]).await;
}

#[tokio::test]
async fn a_room_that_became_read_only_or_archived_ends_its_replies_and_no_others() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    for (name, read_only) in [("quiet", true), ("shelved", false)] {
        let room =
            stage.chat.create_room(NewRoom::channel(name).members([&stage.alice, &stage.bot])).unwrap();
        let text = format!("SIGNL4 in {name}");
        stage.chat.post(&room, &stage.alice, text.as_str()).unwrap();
        let closed = stage.alert(&text).await;
        bot.wait_for_log(&["alert sent"]).await;
        match read_only {
            true => stage.chat.set_read_only(&room, true).unwrap(),
            false => stage.chat.set_archived(&room, true).unwrap(),
        };
        stage.signl4.acknowledge(&closed.id, "Rene").unwrap();
    }
    stage.signl4.acknowledge(&alert.id, "Mia").unwrap();
    stage.wait_for_reply(&message, "Mia: Alert acknowledged.").await;
    bot.wait_for_log(&["given up", "rocketchat:reply"]).await;
}

#[tokio::test]
async fn a_reply_that_is_too_long_for_this_server_is_shortened_also_without_the_right_to_impersonate() {
    let options = sandbox::rocketchat::Options { max_message_size: 1_000, ..Default::default() };
    let stage = Stage::set_with(options, Default::default()).await;
    stage.chat.deny(&stage.bot, "message-impersonate").unwrap();
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    stage.signl4.annotate(&alert.id, "Mia", &"word ".repeat(500)).unwrap();
    let short = stage.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Mia: word"));
    assert!(short.await.unwrap().text.ends_with('…'));
}

#[tokio::test]
async fn a_reply_longer_than_any_server_takes_is_shortened_and_the_next_one_follows() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    stage.signl4.annotate(&alert.id, "Mia", &"🚨".repeat(4_500)).unwrap();
    stage.signl4.close(&alert.id, "Rene").unwrap();
    stage.wait_for_reply(&message, "Rene: Alert closed.").await;
    let replies = stage.replies(&message);
    assert!(
        replies.len() == 2 && replies[0].starts_with("Mia: 🚨") && replies[0].ends_with('…'),
        "{replies:?}"
    );
}

#[tokio::test]
async fn replies_of_two_lanes_that_are_refused_their_alias_at_once_both_arrive() {
    let mut stage = Stage::set().await;
    stage.configure("[replies]\non_sent = \"reply\"\nsent = \"Paged.\"\nraised = \"Raised.\"");
    stage.chat.deny(&stage.bot, "message-impersonate").unwrap();
    // Both calls are under way before either is refused.
    stage.chat.faults().rest_next("chat.sendMessage", 2, RestFault::Slow(Duration::from_secs(2)));
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    stage.wait_for_reply(&message, "Paged.").await;
    stage.wait_for_reply(&message, "Raised.").await;
}

#[tokio::test]
async fn a_reply_that_is_refused_in_passing_for_no_stated_reason_arrives_later() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    // What a server answers whose database is just changing its primary.
    let body = r#"{"success":false,"error":"not primary and secondaryOk=false"}"#.to_owned();
    let fault = RestFault::Answer { status: 400, content_type: "application/json", body };
    stage.chat.faults().rest_next("chat.sendMessage", 2, fault);
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(stage.replies(&message).len(), 1);
}

#[tokio::test]
async fn a_reaction_that_is_refused_is_replaced_by_a_reply() {
    let mut stage = Stage::set().await;
    stage.configure("[replies]\nreaction = \":no_such_emoji:\"");
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    stage.wait_for_reply(&message, "Alert sent.").await;
}

#[tokio::test]
async fn what_becomes_of_an_alert_whose_message_is_deleted_stays_in_the_thread_it_had() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let (plain, parent) = (stage.say("SIGNL4 pump 3 is down"), stage.say("SIGNL4 pump 4 is down"));
    stage.chat.reply(&parent, &stage.bob, "on it").unwrap();
    let alerts = [stage.alert("SIGNL4 pump 3 is down").await, stage.alert("SIGNL4 pump 4 is down").await];
    for message in [&plain, &parent] {
        stage.chat.wait_for_reaction(message, ":rotating_light:", SOON).await.unwrap();
        stage.chat.delete(message, &stage.alice).unwrap();
    }
    for alert in &alerts {
        stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    }
    let (room, ids) = (stage.room.clone(), [plain.id.clone(), parent.id.clone()]);
    let threads = |chat: &sandbox::rocketchat::RocketChat| {
        let all = chat.messages(&room);
        let told = all.iter().filter(|message| message.text == "Rene: Alert acknowledged.");
        let threads: Vec<_> = told.map(|message| message.thread_id.clone().unwrap_or_default()).collect();
        (threads.len() == 2).then_some(threads)
    };
    let mut told = stage.chat.wait_for(SOON, threads).await.unwrap();
    let mut wanted = ids.to_vec();
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
    stage.flush().await;
    assert_eq!(stage.pages().len(), 2, "a deleted message pages nobody again");
}
