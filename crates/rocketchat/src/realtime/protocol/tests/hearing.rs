//! What a standing session hears, and what ends it.

use serde_json::json;

use super::super::*;
use super::talk::{Talk, changed, document, lost, message, of_user};

#[test]
fn messages_come_nested_or_not_and_tell_whether_the_bot_is_in_the_room() {
    let mut talk = Talk::online();
    let about = json!({"roomParticipant": false, "roomType": "c", "roomName": "general"});
    for args in
        [json!([document("m"), about]), json!([[document("m")], about]), json!([[document("m"), about]])]
    {
        talk.hear(changed("stream-room-messages", "__my_messages__", args));
        let told = talk.told();
        let [RealtimeEvent::Message { message, participant: Some(false), room }] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!((message.id.as_str(), room.name.as_deref()), ("m", Some("general")));
    }
    talk.hear(changed("stream-room-messages", "r", json!([document("of one room")])));
    assert_eq!(talk.messages_told(), ["of one room"]);
}

#[test]
fn the_same_message_is_told_as_often_as_it_comes_and_telling_them_apart_is_for_others() {
    let mut talk = Talk::online();
    talk.hear(message("m"));
    talk.hear(message("m"));
    assert_eq!(talk.messages_told(), ["m", "m"]);
}

#[test]
fn streams_are_told_apart_by_collection_and_event() {
    let mut talk = Talk::online();
    talk.hear(changed("stream-notify-room", "r/deleteMessage", json!([{"_id": "m"}])));
    talk.hear(changed("stream-notify-user", "bot/notification", json!([document("m")])));
    talk.hear(changed("stream-notify-user", "alice/force_logout", json!([])));
    talk.hear(changed("stream-notify-user", "force_logout", json!([])));
    talk.hear(changed("stream-notify-logged", "bot/force_logout", json!([])));
    assert!(talk.told().is_empty() && talk.said().is_empty());
}

#[test]
fn a_forced_logout_ends_the_session() {
    assert_eq!(lost(Talk::online().end(of_user("force_logout", json!([])))), LostReason::ForcedLogout);
}

#[test]
fn changes_of_rooms_are_told() {
    let mut talk = Talk::online();
    talk.hear(of_user("subscriptions-changed", json!(["inserted", {"_id": "s", "rid": "a", "t": "p"}])));
    talk.hear(of_user("rooms-changed", json!(["updated", {"_id": "a", "t": "p", "name": "ops"}])));
    talk.hear(of_user("rooms-changed", json!(["removed", {"_id": "a"}])));
    let told = talk.told();
    assert!(
        matches!(
            &told[..],
            [
                RealtimeEvent::RoomsChanged(RoomChange::Joined(_)),
                RealtimeEvent::RoomsChanged(RoomChange::Room(_)),
                RealtimeEvent::RoomsChanged(RoomChange::Deleted(_)),
            ]
        ),
        "{told:?}"
    );
}

#[test]
fn what_cannot_be_read_is_counted_and_skipped() {
    let mut talk = Talk::online();
    let before = (talk.counts.received(), talk.counts.skipped());
    talk.try_hear("o").unwrap();
    talk.hear(json!({"msg": "result"}));
    talk.hear(json!({"msg": "from-the-future"}));
    talk.hear(changed(
        "stream-room-messages",
        "__my_messages__",
        json!([{"_id": "no room"}, {"roomType": "c"}]),
    ));
    talk.protocol.skip();
    assert_eq!((talk.counts.received() - before.0, talk.counts.skipped() - before.1), (5, 4));
    assert!(talk.told().is_empty() && talk.said().is_empty());
}
