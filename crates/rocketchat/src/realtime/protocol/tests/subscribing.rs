//! From the login to a session that is online, with one subscription or many.

use std::time::Duration;

use serde_json::json;

use super::super::streams::MAX_EARLY;
use super::super::*;
use super::harness::{Conversation, lost, message, of_user};
use crate::UserId;
use crate::realtime::Scope;

#[test]
fn the_session_is_online_once_every_subscription_is_confirmed_and_earlier_messages_follow() {
    let mut conversation = Conversation::subscribing();
    let ids = conversation.sub_ids();
    conversation.receive(message("early"));
    for id in ids.iter().rev() {
        assert!(conversation.events().is_empty());
        conversation.receive(json!({"msg": "ready", "subs": [id]}));
    }
    conversation.receive(message("late"));
    let events = conversation.events();
    let [
        RealtimeEvent::Ready { session: 1, identity, scope: Scope::AllRooms, .. },
        RealtimeEvent::Message { message: early, .. },
        RealtimeEvent::Message { message: late, .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(identity.user_id, UserId::new("bot"));
    assert_eq!((early.id.as_str(), late.id.as_str()), ("early", "late"));
}

#[test]
fn events_from_before_the_session_is_online_are_bounded() {
    let mut conversation = Conversation::subscribing();
    let ids = conversation.sub_ids();
    for n in 0..MAX_EARLY + 10 {
        conversation.receive(message(&format!("m{n}")));
    }
    conversation.receive(json!({"msg": "ready", "subs": ids}));
    assert_eq!(conversation.message_ids().len(), MAX_EARLY);
}

#[test]
fn a_starting_server_is_retried() {
    for frame in [
        json!({"error": {"error": 404, "reason": "Subscription 'stream-room-messages' not found"}}),
        json!({"error": {"error": 500, "reason": "Internal server error"}}),
        json!({"error": {}}),
        json!({}),
    ] {
        for sub in 0..4 {
            let mut conversation = Conversation::subscribing();
            let mut frame = frame.clone();
            frame["msg"] = json!("nosub");
            frame["id"] = json!(conversation.sub_ids()[sub]);
            assert_eq!(lost(conversation.end(frame.clone())).name(), "nosub", "{frame}");
        }
    }
}

#[test]
fn a_rate_limited_subscription_is_retried_after_the_time_the_server_names() {
    let mut conversation = Conversation::subscribing();
    let id = conversation.sub_ids().remove(0);
    let error = json!({"error": "too-many-requests", "details": {"timeToReset": 4_000}});
    let end = conversation.end(json!({"msg": "nosub", "id": id, "error": error}));
    assert_eq!(lost(end), LostReason::RateLimited { wait: Some(Duration::from_secs(4)) });
}

#[test]
fn messages_are_received_even_if_changes_of_the_account_are_refused() {
    let mut conversation = Conversation::subscribing();
    let ids = conversation.sub_ids();
    for id in &ids[1..] {
        conversation.receive(json!({"msg": "nosub", "id": id, "error": {"error": "not-allowed"}}));
    }
    conversation.receive(json!({"msg": "ready", "subs": [ids[0]]}));
    assert!(matches!(conversation.events()[..], [RealtimeEvent::Ready { scope: Scope::AllRooms, .. }]));
}

#[test]
fn a_subscription_ended_by_the_server_ends_the_session() {
    let mut conversation = Conversation::subscribing();
    let ids = conversation.sub_ids();
    conversation.receive(json!({"msg": "ready", "subs": ids}));
    assert_eq!(lost(conversation.end(json!({"msg": "nosub", "id": ids[0]}))).name(), "nosub");
}

#[test]
fn if_the_subscription_to_all_is_refused_each_room_gets_its_own_with_a_pause() {
    let mut conversation = Conversation::with_each_room(&["a", "b"]);
    let pace = Timing::default().subscribe_every;
    conversation.advance(Duration::ZERO).unwrap();
    let (first, a) = conversation.sub();
    conversation.advance(pace / 2).unwrap();
    assert!(conversation.sent().is_empty(), "not yet");
    conversation.advance(pace).unwrap();
    let (second, b) = conversation.sub();
    assert_eq!((a.as_str(), b.as_str()), ("a", "b"));
    assert_ne!(first, second);
    conversation.receive(json!({"msg": "ready", "subs": [first]}));
    assert!(conversation.events().is_empty(), "one is not answered yet");
    conversation.receive(json!({"msg": "nosub", "id": second, "error": {"error": "not-allowed"}}));
    let events = conversation.events();
    let scope = Scope::EachRoom { subscribed: 1, refused: vec![RoomId::new("b")] };
    assert!(matches!(&events[..], [RealtimeEvent::Ready { scope: s, .. }] if *s == scope), "{events:?}");
}

#[test]
fn an_account_in_no_room_is_online_and_subscribes_to_its_first_one() {
    let mut conversation = Conversation::with_each_room(&[]);
    assert!(matches!(&conversation.events()[..], [RealtimeEvent::Ready { .. }]));
    conversation
        .receive(of_user("subscriptions-changed", json!(["inserted", {"_id": "s", "rid": "a", "t": "c"}])));
    conversation.advance(Duration::ZERO).unwrap();
    assert_eq!(conversation.sub().1, "a");
}

#[test]
fn a_server_that_refuses_every_room_ends_the_session() {
    let mut conversation = Conversation::with_each_room(&["a"]);
    conversation.advance(Duration::ZERO).unwrap();
    let (id, _) = conversation.sub();
    let end = conversation.end(json!({"msg": "nosub", "id": id, "error": {"error": "not-allowed"}}));
    assert_eq!(lost(end).name(), "nosub");
}

#[test]
fn a_rate_limited_room_waits_and_one_refused_by_a_starting_server_ends_the_session() {
    let mut conversation = Conversation::with_each_room(&["a", "b"]);
    conversation.advance(Duration::ZERO).unwrap();
    let (id, _) = conversation.sub();
    let error = json!({"error": "too-many-requests", "details": {"timeToReset": 5_000}});
    conversation.receive(json!({"msg": "nosub", "id": id, "error": error}));
    conversation.advance(Duration::from_millis(4_900)).unwrap();
    assert!(conversation.sent().is_empty());
    conversation.advance(Duration::from_millis(100)).unwrap();
    let (again, room) = conversation.sub();
    assert_eq!(room, "a");
    assert_ne!(again, id, "the monolith drops a repeated live id silently");
    let end = conversation.end(json!({"msg": "nosub", "id": again, "error": {"error": 404}}));
    assert_eq!(lost(end).name(), "nosub");
}

#[test]
fn a_room_left_and_joined_again_is_subscribed_again_and_reported_once_confirmed() {
    let mut conversation = Conversation::with_each_room(&["a"]);
    conversation.advance(Duration::ZERO).unwrap();
    let (first, _) = conversation.sub();
    conversation.receive(json!({"msg": "ready", "subs": [first]}));
    conversation.events();

    conversation.receive(of_user("subscriptions-changed", json!(["removed", {"_id": "s", "rid": "a"}])));
    assert_eq!(conversation.events(), [RealtimeEvent::RoomsChanged(RoomChange::Left(RoomId::new("a")))]);
    assert_eq!(conversation.sent(), [json!({"msg": "unsub", "id": first})]);
    conversation.receive(json!({"msg": "nosub", "id": first}));

    conversation
        .receive(of_user("subscriptions-changed", json!(["inserted", {"_id": "s2", "rid": "a", "t": "c"}])));
    conversation.advance(Duration::from_secs(1)).unwrap();
    let (second, room) = conversation.sub();
    assert_eq!(room, "a");
    assert_ne!(second, first);
    assert!(conversation.events().is_empty(), "not confirmed yet");
    conversation.receive(json!({"msg": "ready", "subs": [second]}));
    let events = conversation.events();
    assert!(matches!(&events[..], [RealtimeEvent::RoomsChanged(RoomChange::Joined(_))]), "{events:?}");
}

#[test]
fn a_room_joined_while_the_rooms_are_listed_is_requested_once() {
    let mut conversation = Conversation::subscribing();
    let ids = conversation.sub_ids();
    conversation.receive(json!({"msg": "ready", "subs": ids[1..]}));
    conversation.receive(json!({"msg": "nosub", "id": ids[0], "error": {"error": "not-allowed"}}));
    conversation
        .receive(of_user("subscriptions-changed", json!(["inserted", {"_id": "s", "rid": "a", "t": "c"}])));
    conversation.advance(Duration::ZERO).unwrap();
    let (id, _) = conversation.sub();
    conversation.receive(json!({"msg": "ready", "subs": [id]}));
    conversation.list(&["a"]).unwrap();
    conversation.advance(Duration::from_secs(1)).unwrap();
    assert!(conversation.sent().is_empty());
    let events = conversation.events();
    assert!(
        matches!(&events[..], [RealtimeEvent::Ready { scope: Scope::EachRoom { subscribed: 1, .. }, .. }, _]),
        "{events:?}"
    );
}

#[test]
fn every_answer_before_online_has_a_deadline_and_an_online_session_has_none() {
    let step = Timing::default().step;
    let timed_out = |mut conversation: Conversation| {
        assert!(conversation.advance(step - Duration::from_millis(1)).is_ok());
        let LostReason::Timeout(what) = lost(conversation.advance(Duration::from_millis(1)).unwrap_err())
        else {
            panic!()
        };
        what
    };
    assert_eq!(timed_out(Conversation::new()), "the answer to connect");
    let mut connected = Conversation::new();
    connected.receive(json!({"msg": "connected"}));
    assert_eq!(timed_out(connected), "the login");
    assert_eq!(timed_out(Conversation::subscribing()), "the answer to the subscriptions");
    let mut asking = Conversation::with_each_room(&["a"]);
    asking.advance(Duration::ZERO).unwrap();
    assert_eq!(timed_out(asking), "the answer to a room's subscription");

    let mut online = Conversation::online();
    assert_eq!(online.protocol.next_tick(), None);
    online.advance(Duration::from_secs(86_400)).unwrap();
}
