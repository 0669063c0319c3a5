//! Which rooms are heard: all by one subscription, or each by its own where a server refuses that.

use std::time::Duration;

use rocketchat::realtime::{RealtimeEvent, RoomChange, Scope};
use sandbox::rocketchat::{Limit, Limits, NewRoom, Options, Refusal};

use crate::listener::{Listener, Stage};

/// A session on a server that refuses the subscription to all rooms.
async fn each_room(stage: &Stage) -> Listener {
    stage.chat.faults().refuse_subscriptions(1, Refusal::bare("not-allowed"));
    let mut listener = stage.listen();
    assert_eq!(listener.ready().await.1, Scope::EachRoom { heard: 1, refused: vec![] });
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
async fn a_public_channel_that_the_bot_is_not_in_comes_and_says_so() {
    let stage = Stage::set().await;
    let elsewhere = stage.chat.create_room(NewRoom::channel("elsewhere").members([&stage.alice])).unwrap();
    let mut listener = stage.online().await;
    stage.chat.post(&elsewhere, &stage.alice, "hello").unwrap();
    let participant = listener
        .until(|event| match event {
            RealtimeEvent::Message { participant, .. } => Some(participant),
            _ => None,
        })
        .await;
    assert_eq!(participant, Some(false));
}

#[tokio::test]
async fn rooms_joined_later_are_heard_and_told_of() {
    let stage = Stage::set().await;
    let mut listener = stage.online().await;
    let group = stage.chat.create_room(NewRoom::group("night").members([&stage.alice])).unwrap();
    stage.chat.join(&group, &stage.bot).unwrap();
    change(&mut listener, |change| matches!(change, RoomChange::Joined(_))).await;
    stage.chat.post(&group, &stage.alice, "in the night").unwrap();
    assert_eq!(listener.until(said("in the night")).await, "in the night");
    stage.chat.leave(&group, &stage.bot).unwrap();
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
async fn where_one_subscription_is_refused_each_room_has_its_own() {
    let stage = Stage::set().await;
    let mut listener = each_room(&stage).await;
    let heard = stage.chat.ddp_subscriptions_of(&stage.bot.id);
    assert!(heard.contains(&("stream-room-messages".into(), stage.room.id.clone())), "{heard:?}");
    stage.say("by its own");
    assert_eq!(listener.message().await.text, "by its own");
}

#[tokio::test]
async fn a_bot_kicked_and_invited_again_hears_the_room_again() {
    let stage = Stage::set().await;
    let mut listener = each_room(&stage).await;
    stage.chat.kick(&stage.room, &stage.bot, &stage.alice).unwrap();
    change(&mut listener, |change| matches!(change, RoomChange::Left(_))).await;
    stage.chat.join(&stage.room, &stage.bot).unwrap();
    // Told once it is heard, so nothing said from now on is missed.
    change(&mut listener, |change| matches!(change, RoomChange::Joined(_))).await;
    stage.say("welcome back");
    assert_eq!(listener.until(said("welcome back")).await, "welcome back");
}

#[tokio::test]
async fn subscriptions_go_on_once_the_server_takes_more_of_them() {
    // Streams have four times the calls in four times the window: the fifth subscription within 2 s is refused.
    let methods = Some(Limit { calls: 1, window: Duration::from_millis(500) });
    let limits = Limits { methods, ..Limits::OFF };
    let stage = Stage::with(Options { limits, ..Options::default() }).await;
    for name in ["a", "b", "c", "d", "e"] {
        stage.chat.create_room(NewRoom::channel(name).members([&stage.bot])).unwrap();
    }
    stage.chat.faults().refuse_subscriptions(1, Refusal::bare("not-allowed"));
    let mut listener = stage.listen();
    let RealtimeEvent::Ready { scope, .. } = listener.next().await else { panic!("lost on the way") };
    assert_eq!(scope, Scope::EachRoom { heard: 6, refused: vec![] });
}
