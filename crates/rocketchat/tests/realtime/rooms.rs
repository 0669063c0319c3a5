//! Subscriptions: one to all rooms, or one to each if the server refuses that.

use std::time::Duration;

use rocketchat::realtime::{RealtimeEvent, RoomChange, Scope};
use sandbox::rocketchat::{Limit, Limits, NewRoom, Options, Refusal};

use crate::listener::{Harness, Listener};

/// A session on a server that refuses the subscription to all rooms.
async fn each_room(harness: &Harness) -> Listener {
    harness.chat.faults().refuse_subscriptions(1, Refusal::bare("not-allowed"));
    let mut listener = harness.listen();
    assert_eq!(listener.ready().await.1, Scope::EachRoom { subscribed: 1, refused: vec![] });
    listener
}

async fn change(listener: &mut Listener, wanted: impl Fn(&RoomChange) -> bool) -> RoomChange {
    listener
        .until(|event| match event {
            RealtimeEvent::RoomsChanged(change) if wanted(&change) => Some(change),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_message_of_a_public_channel_without_membership_says_so() {
    let harness = Harness::new().await;
    let elsewhere =
        harness.chat.create_room(NewRoom::channel("elsewhere").members([&harness.alice])).unwrap();
    let mut listener = harness.online().await;
    harness.chat.post(&elsewhere, &harness.alice, "hello").unwrap();
    let participant = listener
        .until(|event| match event {
            RealtimeEvent::Message { participant, .. } => Some(participant),
            _ => None,
        })
        .await;
    assert_eq!(participant, Some(false));
}

#[tokio::test]
async fn rooms_joined_later_are_subscribed_and_reported() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    let group = harness.chat.create_room(NewRoom::group("night").members([&harness.alice])).unwrap();
    harness.chat.join(&group, &harness.bot).unwrap();
    change(&mut listener, |change| matches!(change, RoomChange::Joined(_))).await;
    harness.chat.post(&group, &harness.alice, "in the night").unwrap();
    assert_eq!(listener.until(said("in the night")).await, "in the night");
    harness.chat.leave(&group, &harness.bot).unwrap();
    change(&mut listener, |change| matches!(change, RoomChange::Left(_))).await;
}

/// Picks a message by its text.
fn said(text: &str) -> impl FnMut(RealtimeEvent) -> Option<String> {
    move |event| match event {
        RealtimeEvent::Message { message, .. } if message.text == text => Some(message.text),
        _ => None,
    }
}

#[tokio::test]
async fn if_one_subscription_is_refused_each_room_has_its_own() {
    let harness = Harness::new().await;
    let mut listener = each_room(&harness).await;
    let heard = harness.chat.ddp_subscriptions_of(&harness.bot.id);
    assert!(heard.contains(&("stream-room-messages".into(), harness.room.id.clone())), "{heard:?}");
    harness.say("by its own");
    assert_eq!(listener.message().await.text, "by its own");
}

#[tokio::test]
async fn a_bot_removed_and_invited_again_receives_the_room_again() {
    let harness = Harness::new().await;
    let mut listener = each_room(&harness).await;
    harness.chat.kick(&harness.room, &harness.bot, &harness.alice).unwrap();
    change(&mut listener, |change| matches!(change, RoomChange::Left(_))).await;
    harness.chat.join(&harness.room, &harness.bot).unwrap();
    // Reported once subscribed, so nothing posted from now on is missed.
    change(&mut listener, |change| matches!(change, RoomChange::Joined(_))).await;
    harness.say("welcome back");
    assert_eq!(listener.until(said("welcome back")).await, "welcome back");
}

#[tokio::test]
async fn rate_limited_subscriptions_go_on_later() {
    // Streams have four times the calls in four times the window: the fifth subscription within 2 s is refused.
    let methods = Some(Limit { calls: 1, window: Duration::from_millis(500) });
    let limits = Limits { methods, ..Limits::OFF };
    let harness = Harness::with(Options { limits, ..Options::default() }).await;
    for name in ["a", "b", "c", "d", "e"] {
        harness.chat.create_room(NewRoom::channel(name).members([&harness.bot])).unwrap();
    }
    harness.chat.faults().refuse_subscriptions(1, Refusal::bare("not-allowed"));
    let mut listener = harness.listen();
    let RealtimeEvent::Ready { scope, .. } = listener.next().await else { panic!("lost on the way") };
    assert_eq!(scope, Scope::EachRoom { subscribed: 6, refused: vec![] });
}
