//! The in-process handle of the simulated Rocket.Chat: what a test can create and wait for.

use std::time::Duration;

use sandbox::rocketchat::{Change, NewMessage, NewRoom, NewUser, RocketChat, RoomKind};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn general_has_the_id_general_and_other_rooms_have_meteor_ids() {
    let chat = RocketChat::start().await.unwrap();
    assert_eq!(chat.create_room("general").unwrap().id, "GENERAL");
    assert_eq!(chat.create_room("ops").unwrap().id.len(), 17);
}

#[tokio::test]
async fn a_direct_message_of_two_has_both_ids_as_its_id() {
    let chat = RocketChat::start().await.unwrap();
    let alice = chat.create_user("alice").unwrap();
    let bot = chat.create_user(NewUser::bot("signl4.bot")).unwrap();
    let room = chat.create_room(NewRoom::direct([&alice, &bot])).unwrap();
    assert_eq!(room.kind, RoomKind::Direct);
    assert_eq!(room.id.len(), 34);
    assert!(room.id.contains(&alice.id) && room.id.contains(&bot.id));
}

#[tokio::test]
async fn a_reply_bumps_the_counter_of_its_thread_and_emits_the_first_message_again() {
    let chat = RocketChat::start().await.unwrap();
    let alice = chat.create_user("alice").unwrap();
    let room = chat.create_room(NewRoom::channel("ops").members([&alice])).unwrap();
    let first = chat.post(&room, &alice, "pump 3 is down").unwrap();
    let mut changes = chat.changes();
    chat.reply(&first, &alice, "on it").unwrap();
    let mut emitted = Vec::new();
    while let Ok(change) = changes.try_recv() {
        if let Change::Message { message, new } = change {
            emitted.push((message.text, message.reply_count, new));
        }
    }
    assert_eq!(emitted, [("on it".to_owned(), 0, true), ("pump 3 is down".to_owned(), 1, false)]);
}

#[tokio::test]
async fn a_waiter_is_woken_by_the_reply_it_waits_for() {
    let chat = RocketChat::start().await.unwrap();
    let alice = chat.create_user("alice").unwrap();
    let room = chat.create_room("ops").unwrap();
    let first = chat.post(&room, &alice, "pump 3 is down").unwrap();
    let posting = tokio::spawn({
        let (chat, first) = (chat.clone(), first.clone());
        async move { chat.reply(&first, &alice, NewMessage::text("on it")).unwrap() }
    });
    let reply = chat.wait_for_reply(&first, SOON, |reply| reply.text == "on it").await.unwrap();
    assert_eq!(reply, posting.await.unwrap());
}

#[tokio::test]
async fn a_wait_that_times_out_shows_the_threads_messages() {
    let chat = RocketChat::start().await.unwrap();
    let alice = chat.create_user("alice").unwrap();
    let room = chat.create_room("ops").unwrap();
    let first = chat.post(&room, &alice, "pump 3 is down").unwrap();
    chat.reply(&first, &alice, "on it").unwrap();
    let error = chat.wait_for_replies(&first, 2, Duration::from_millis(20)).await.unwrap_err();
    assert!(error.to_string().contains("2 replies") && error.to_string().contains("on it"), "{error}");
}

#[tokio::test]
async fn a_deleted_first_message_of_a_thread_stays_as_removed() {
    let chat = RocketChat::start().await.unwrap();
    let alice = chat.create_user("alice").unwrap();
    let room = chat.create_room("ops").unwrap();
    let alone = chat.post(&room, &alice, "alone").unwrap();
    let first = chat.post(&room, &alice, "first").unwrap();
    chat.reply(&first, &alice, "reply").unwrap();
    chat.delete(&alone, &alice).unwrap();
    chat.delete(&first, &alice).unwrap();
    assert_eq!(chat.message(&alone), None);
    let kept = chat.message(&first).unwrap();
    assert_eq!((kept.kind.as_deref(), kept.text.as_str()), (Some("rm"), ""));
}
