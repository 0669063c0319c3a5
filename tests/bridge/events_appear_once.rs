//! Promise 3: an event from SIGNL4 is stored before it is answered, and then appears once in the right thread.

use sandbox::rocketchat::RestFault;
use sandbox::signl4::{DutyChange, OutboundFault, Reshape, Times, WebhookFault};
use serde_json::json;

use crate::harness::{Harness, SOON, status_event};

#[tokio::test]
async fn acknowledge_annotate_and_close_appear_in_the_thread_in_the_seed_wording() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.signl4.annotate(&alert.id, "Mia", "OK, I'll take care about it.").unwrap();
    harness.signl4.close(&alert.id, "Rene").unwrap();
    let replies = harness.chat.wait_for_replies(&message, 3, SOON).await.unwrap();
    let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(
        texts,
        ["Rene: Alert acknowledged.", "Mia: OK, I'll take care about it.", "Rene: Alert closed."]
    );
    assert!(replies.iter().all(|reply| reply.alias.as_deref() == Some("SIGNL4")), "{replies:?}");
    assert!(replies.iter().all(|reply| reply.user_id == harness.bot.id));
}

#[tokio::test]
async fn escalation_nobody_on_duty_and_failure_have_a_text_each() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.escalate(&alert.id).unwrap();
    harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.contains("escalated")).await.unwrap();
    harness.signl4.nobody_on_duty(&alert.id).unwrap();
    harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.contains("on duty")).await.unwrap();
    let message = harness.say("SIGNL4 pump 4 is down");
    let alert = harness.alert("SIGNL4 pump 4 is down").await;
    harness.signl4.fail(&alert.id).unwrap();
    harness
        .chat
        .wait_for_reply(&message, SOON, |reply| reply.text.contains("could not reach"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_note_typed_with_the_acknowledgement_is_posted_below_it() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge_with_note(&alert.id, "Rene", "on my way").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.\nRene: on my way").await;
}

#[tokio::test]
async fn in_a_thread_with_several_alerts_a_reply_names_its_alert() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let first = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&first.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    let second =
        sandbox::rocketchat::NewMessage::text("SIGNL4 and pump 4\nin hall 2 beside the gate, at once")
            .in_thread(&message);
    harness.chat.post(&harness.room, &harness.alice, second).unwrap();
    let second = harness.alert("SIGNL4 and pump 4\nin hall 2 beside the gate, at once").await;
    harness.signl4.close(&second.id, "Rene").unwrap();
    harness
        .wait_for_reply(
            &message,
            "Rene: Alert closed.\n— alert 2: “SIGNL4 and pump 4 in hall 2 beside the g…”",
        )
        .await;
    harness.signl4.close(&first.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert closed.\n— alert 1: “SIGNL4 pump 3 is down”").await;
}

#[tokio::test]
async fn a_note_without_a_text_says_so() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    let mut note = status_event("n1", &json!({"eventId": alert.event_id}), 0);
    note["eventType"] = json!(203);
    assert_eq!(harness.post_event(&note).await.0, 200);
    harness.wait_for_reply(&message, "Rene: (a note without text)").await;
}

#[tokio::test]
async fn two_alerts_in_one_room_get_their_replies_each_in_its_own_thread() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let first = harness.say("SIGNL4 pump 3");
    let second = harness.say("SIGNL4 pump 4");
    let (one, two) = (harness.alert("SIGNL4 pump 3").await, harness.alert("SIGNL4 pump 4").await);
    assert_eq!(one.external_id, two.external_id);
    harness.signl4.acknowledge(&two.id, "Mia").unwrap();
    harness.signl4.close(&one.id, "Rene").unwrap();
    harness.wait_for_reply(&second, "Mia: Alert acknowledged.").await;
    harness.wait_for_reply(&first, "Rene: Alert closed.").await;
    assert_eq!(harness.replies(&first), ["Rene: Alert closed."]);
    assert_eq!(harness.replies(&second), ["Mia: Alert acknowledged."]);
}

#[tokio::test]
async fn an_alert_raised_inside_a_thread_is_answered_in_that_thread() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let parent = harness.say("what is wrong with pump 3?");
    let reply = harness.chat.reply(&parent, &harness.bob, "SIGNL4 it burns").unwrap();
    let alert = harness.alert("SIGNL4 it burns").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&parent, "Rene: Alert acknowledged.").await;
    assert!(harness.replies(&reply).is_empty(), "a reply has no thread of its own");
}

#[tokio::test]
async fn a_notification_that_comes_twice_is_posted_once() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.faults().outbound(OutboundFault::Duplicate, Times::Next(1));
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.signl4.wait_for_delivery(SOON).await.unwrap();
    harness.signl4.close(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert closed.").await;
    assert_eq!(harness.replies(&message), ["Rene: Alert acknowledged.", "Rene: Alert closed."]);
}

#[tokio::test]
async fn an_event_that_overtakes_the_answer_to_our_own_call_finds_its_thread() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let other = harness.say("SIGNL4 pump 2 is down");
    harness.alert("SIGNL4 pump 2 is down").await;
    harness.signl4.faults().webhook(WebhookFault::Slow(std::time::Duration::from_secs(2)), Times::Next(1));
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert!(harness.replies(&other).is_empty());
}

#[tokio::test]
async fn an_event_without_an_external_id_that_overtakes_the_answer_finds_its_thread() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.signl4.faults().webhook(WebhookFault::Slow(std::time::Duration::from_secs(2)), Times::Next(1));
    harness.signl4.faults().outbound(OutboundFault::Reshape(Reshape::NoExternalId), Times::Always);
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
}

#[tokio::test]
async fn an_event_that_came_while_rocket_chat_was_down_appears_once_it_is_back() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.chat.stop().await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.signl4.wait_for_delivery(SOON).await.unwrap();
    harness.chat.restart().await.unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(harness.replies(&message).len(), 1);
}

#[tokio::test]
async fn a_reply_whose_answer_was_lost_is_not_posted_twice() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.chat.faults().rest_next("chat.sendMessage", 2, RestFault::LostAnswer);
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.signl4.close(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert closed.").await;
    assert_eq!(harness.replies(&message), ["Rene: Alert acknowledged.", "Rene: Alert closed."]);
}

#[tokio::test]
async fn killed_after_the_event_was_answered_the_bot_posts_it_after_its_restart() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    harness.chat.faults().rest_always("chat.sendMessage", RestFault::NoAnswer);
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.signl4.wait_for_delivery(SOON).await.unwrap();
    bot.kill().await;
    assert!(harness.replies(&message).is_empty(), "nothing was posted before");
    harness.chat.faults().clear_rest();
    let _bot = harness.start_bot().await;
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.signl4.close(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert closed.").await;
    assert_eq!(harness.replies(&message).len(), 2);
}

#[tokio::test]
async fn the_portals_test_and_duty_events_are_answered_and_make_no_reply() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.send_test_event();
    for change in [DutyChange::Started, DutyChange::Ended, DutyChange::PunchedIn, DutyChange::PunchedOut] {
        harness.signl4.send_duty_event(change, "Rene").unwrap();
    }
    let sent = harness.signl4.wait_for_delivery(SOON).await.unwrap();
    assert!(sent.iter().all(|sent| sent.outcome == sandbox::signl4::Outcome::Delivered(200)), "{sent:?}");
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(harness.replies(&message).len(), 1);
}

#[tokio::test]
async fn events_without_a_user_or_an_external_id_and_with_unknown_fields_are_understood() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    for (reshape, wanted) in [
        (Reshape::NullUser, "Somebody: Alert acknowledged."),
        (Reshape::NoUser, "Somebody: Alert acknowledged."),
        (Reshape::NoExternalId, "Rene: Alert acknowledged."),
        (Reshape::ExtraFields, "A Display Name: Alert acknowledged."),
    ] {
        let text = format!("SIGNL4 {reshape:?}");
        let message = harness.say(&text);
        let alert = harness.alert(&text).await;
        // Its own "raised" event must be processed before the fault is switched on.
        harness.signl4.wait_for_delivery(SOON).await.unwrap();
        harness.signl4.faults().outbound(OutboundFault::Reshape(reshape), Times::Next(1));
        harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
        harness.wait_for_reply(&message, wanted).await;
    }
}

#[tokio::test]
async fn an_event_of_a_foreign_alert_is_never_posted_in_a_thread() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let foreign = json!({"eventId": "another-installations", "externalEventId": "INC091210"});
    assert_eq!(harness.post_event(&status_event("n1", &foreign, 2)).await.0, 200);
    let of_the_room = json!({"eventId": "another-installations", "externalEventId": harness.room.id});
    assert_eq!(harness.post_event(&status_event("n2", &of_the_room, 4)).await.0, 200);
    let room = harness.room.clone();
    let posted = harness.chat.wait_for(SOON, |chat| {
        chat.messages(&room).into_iter().find(|message| message.text == "Rene: Alert closed.")
    });
    assert_eq!(posted.await.unwrap().thread_id, None, "a plain message in the room");
    assert!(harness.replies(&message).is_empty());
    let all = harness.chat.messages(&harness.room);
    assert!(!all.iter().any(|message| message.text == "Rene: Alert acknowledged."), "{all:?}");
}

#[tokio::test]
async fn an_event_for_a_room_that_comes_before_the_rooms_are_listed_is_posted_into_it() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    harness.chat.faults().rest_always("rooms.get", RestFault::status(503));
    let _bot = harness.start_bot().await;
    let of_the_room = json!({"eventId": "another-installations", "externalEventId": harness.room.id});
    assert_eq!(harness.post_event(&status_event("n1", &of_the_room, 4)).await.0, 200);
    let posted = harness.chat.wait_for(SOON, |chat| {
        chat.messages(&harness.room).into_iter().find(|message| message.text == "Rene: Alert closed.")
    });
    assert_eq!(posted.await.unwrap().thread_id, None, "a plain message in the room");
}

#[tokio::test]
async fn an_event_for_an_unlisted_room_is_posted_there_if_it_raised_an_alert() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_always("rooms.get", RestFault::status(503));
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    bot.kill().await;
    let _bot = harness.start_bot().await;
    let of_the_room = json!({"eventId": "of-a-lost-answer", "externalEventId": harness.room.id});
    assert_eq!(harness.post_event(&status_event("n1", &of_the_room, 4)).await.0, 200);
    let posted = harness.chat.wait_for(SOON, |chat| {
        chat.messages(&harness.room).into_iter().find(|message| message.text == "Rene: Alert closed.")
    });
    assert_eq!(posted.await.unwrap().thread_id, None, "a plain message in the room");
}

#[tokio::test]
async fn events_of_other_alerts_go_to_the_configured_room() {
    let mut harness = Harness::new().await;
    harness.reconfigure("[replies]\nother_alerts_to = \"#alerts\"\n");
    let members = [&harness.alice, &harness.bot];
    let alerts =
        harness.chat.create_room(sandbox::rocketchat::NewRoom::channel("alerts").members(members)).unwrap();
    let _bot = harness.start_bot().await;
    let foreign = json!({"eventId": "2518_of-somebody-else", "externalEventId": "INC091210"});
    assert_eq!(harness.post_event(&status_event("e1", &foreign, 2)).await.0, 200);
    let posted = harness
        .chat
        .wait_for(SOON, |chat| {
            chat.messages(&alerts).into_iter().find(|message| message.text.contains("INC091210"))
        })
        .await
        .unwrap();
    assert_eq!(posted.text, "Rene: Alert acknowledged.\n— alert INC091210");
    assert_eq!(posted.thread_id, None);
}
