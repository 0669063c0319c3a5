//! Events of a session that is online, and what ends it.

use serde_json::json;

use super::super::*;
use super::harness::{Conversation, changed, document, message, of_user};
use crate::realtime::{RoomChange, StreamedMessage};

#[test]
fn messages_come_nested_or_not_with_the_membership() {
    let mut conversation = Conversation::online();
    let about = json!({"roomParticipant": false, "roomType": "c", "roomName": "general"});
    for args in
        [json!([document("m"), about]), json!([[document("m")], about]), json!([[document("m"), about]])]
    {
        conversation.receive(changed("stream-room-messages", "__my_messages__", args));
        let events = conversation.events();
        let [RealtimeEvent::Message(StreamedMessage { message, participant: Some(false), room_name, .. })] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((message.id.as_str(), room_name.as_deref()), ("m", Some("general")));
    }
    conversation.receive(changed("stream-room-messages", "r", json!([document("of one room")])));
    assert_eq!(conversation.message_ids(), ["of one room"]);
}

#[test]
fn a_repeated_message_is_emitted_each_time() {
    let mut conversation = Conversation::online();
    conversation.receive(message("m"));
    conversation.receive(message("m"));
    assert_eq!(conversation.message_ids(), ["m", "m"]);
}

#[test]
fn streams_are_distinguished_by_collection_and_event() {
    let mut conversation = Conversation::online();
    conversation.receive(changed("stream-notify-room", "r/deleteMessage", json!([{"_id": "m"}])));
    conversation.receive(changed("stream-notify-user", "bot/notification", json!([document("m")])));
    conversation.receive(changed("stream-notify-user", "alice/force_logout", json!([])));
    conversation.receive(changed("stream-notify-user", "force_logout", json!([])));
    conversation.receive(changed("stream-notify-logged", "bot/force_logout", json!([])));
    assert!(conversation.events().is_empty() && conversation.sent().is_empty());
}

#[test]
fn a_forced_logout_ends_the_session() {
    assert_eq!(Conversation::online().end(of_user("force_logout", json!([]))), LostReason::ForcedLogout);
}

#[test]
fn changes_of_rooms_are_emitted() {
    let mut conversation = Conversation::online();
    conversation
        .receive(of_user("subscriptions-changed", json!(["inserted", {"_id": "s", "rid": "a", "t": "p"}])));
    conversation.receive(of_user("rooms-changed", json!(["updated", {"_id": "a", "t": "p", "name": "ops"}])));
    conversation.receive(of_user("rooms-changed", json!(["removed", {"_id": "a"}])));
    let events = conversation.events();
    assert!(
        matches!(
            &events[..],
            [
                RealtimeEvent::RoomsChanged(RoomChange::Joined(_)),
                RealtimeEvent::RoomsChanged(RoomChange::Changed { .. }),
                RealtimeEvent::RoomsChanged(RoomChange::Deleted(_)),
            ]
        ),
        "{events:?}"
    );
}

#[test]
fn unreadable_frames_are_counted_and_skipped() {
    let mut conversation = Conversation::online();
    let before = (conversation.counts.received(), conversation.counts.skipped());
    conversation.try_receive("o").unwrap();
    conversation.receive(json!({"msg": "result"}));
    conversation.receive(json!({"msg": "from-the-future"}));
    conversation.receive(changed(
        "stream-room-messages",
        "__my_messages__",
        json!([{"_id": "no room"}, {"roomType": "c"}]),
    ));
    assert_eq!((conversation.counts.received() - before.0, conversation.counts.skipped() - before.1), (4, 3));
    assert!(conversation.events().is_empty() && conversation.sent().is_empty());
}
