//! The rooms of a session: those of the account, and public channels.

use std::sync::Arc;

use rocketchat::realtime::{
    MessageFilter, MessageView, Realtime, RealtimeEvent, RoomChange, StreamedMessage,
};
use sandbox::rocketchat::{NewMessage, NewRoom};
use serde_json::json;

use crate::listener::{Harness, Listener, timing};

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
            RealtimeEvent::Message(streamed) => Some(streamed.participant),
            _ => None,
        })
        .await;
    assert_eq!(participant, Some(false));
}

/// Wants messages about pumps.
#[derive(Debug)]
struct Pumps;

impl MessageFilter for Pumps {
    fn wants(&self, message: &MessageView<'_>) -> bool {
        message.text().unwrap().contains("pump")
    }
}

#[tokio::test]
async fn a_filter_sees_every_message_also_the_text_of_attachments() {
    let harness = Harness::new().await;
    let account = harness.account(harness.token());
    let realtime = Realtime::new(account).with_timing(timing()).with_filter(Arc::new(Pumps));
    let mut listener = Listener::run(realtime, 1_024);
    listener.ready().await;
    let attached = |text: &str| NewMessage::from("news").attachment(json!({"text": text}));
    harness.say("all is well");
    harness.say(attached("all is well"));
    harness.say(attached("pump 3 is down"));
    harness.say("pump 4 is down");
    assert_eq!(listener.message().await.text, "news\npump 3 is down");
    assert_eq!(listener.message().await.text, "pump 4 is down");
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
        RealtimeEvent::Message(StreamedMessage { message, .. }) if message.text == text => Some(message.text),
        _ => None,
    }
}
