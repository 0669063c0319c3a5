//! From the login to a session that stands, with one subscription or with many.

use std::time::Duration;

use serde_json::json;

use super::super::streams::MAX_HELD;
use super::super::*;
use super::talk::{Talk, lost, message, of_user};
use crate::UserId;
use crate::realtime::Scope;

#[test]
fn the_session_stands_once_every_subscription_does_and_what_came_before_follows() {
    let mut talk = Talk::subscribing();
    let ids = talk.sub_ids();
    talk.hear(message("early"));
    for id in ids.iter().rev() {
        assert!(talk.told().is_empty());
        talk.hear(json!({"msg": "ready", "subs": [id]}));
    }
    talk.hear(message("late"));
    let told = talk.told();
    let [
        RealtimeEvent::Ready { session: 1, identity, scope: Scope::AllRooms, .. },
        RealtimeEvent::Message { message: early, .. },
        RealtimeEvent::Message { message: late, .. },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(identity.user_id, UserId::new("bot"));
    assert_eq!((early.id.as_str(), late.id.as_str()), ("early", "late"));
}

#[test]
fn what_comes_before_the_session_stands_is_bounded() {
    let mut talk = Talk::subscribing();
    let ids = talk.sub_ids();
    for n in 0..MAX_HELD + 10 {
        talk.hear(message(&format!("m{n}")));
    }
    talk.hear(json!({"msg": "ready", "subs": ids}));
    assert_eq!(talk.messages_told().len(), MAX_HELD);
}

#[test]
fn a_server_that_is_starting_up_is_tried_again() {
    for frame in [
        json!({"error": {"error": 404, "reason": "Subscription 'stream-room-messages' not found"}}),
        json!({"error": {"error": 500, "reason": "Internal server error"}}),
        json!({"error": {}}),
        json!({}),
    ] {
        for sub in 0..4 {
            let mut talk = Talk::subscribing();
            let mut frame = frame.clone();
            frame["msg"] = json!("nosub");
            frame["id"] = json!(talk.sub_ids()[sub]);
            assert_eq!(lost(talk.end(frame.clone())).name(), "nosub", "{frame}");
        }
    }
}

#[test]
fn a_subscription_in_haste_is_made_again_after_the_time_the_server_names() {
    let mut talk = Talk::subscribing();
    let id = talk.sub_ids().remove(0);
    let error = json!({"error": "too-many-requests", "details": {"timeToReset": 4_000}});
    let end = talk.end(json!({"msg": "nosub", "id": id, "error": error}));
    assert_eq!(lost(end), LostReason::RateLimited { wait: Some(Duration::from_secs(4)) });
}

#[test]
fn without_news_of_the_account_messages_are_heard_all_the_same() {
    let mut talk = Talk::subscribing();
    let ids = talk.sub_ids();
    for id in &ids[1..] {
        talk.hear(json!({"msg": "nosub", "id": id, "error": {"error": "not-allowed"}}));
    }
    talk.hear(json!({"msg": "ready", "subs": [ids[0]]}));
    assert!(matches!(talk.told()[..], [RealtimeEvent::Ready { scope: Scope::AllRooms, .. }]));
}

#[test]
fn a_subscription_that_the_server_takes_back_ends_the_session() {
    let mut talk = Talk::subscribing();
    let ids = talk.sub_ids();
    talk.hear(json!({"msg": "ready", "subs": ids}));
    assert_eq!(lost(talk.end(json!({"msg": "nosub", "id": ids[0]}))).name(), "nosub");
}

#[test]
fn where_one_subscription_to_all_is_refused_each_room_gets_its_own_at_a_pace() {
    let mut talk = Talk::with_each_room(&["a", "b"]);
    let pace = Timing::default().subscribe_every;
    talk.wait(Duration::ZERO).unwrap();
    let (first, a) = talk.sub();
    talk.wait(pace / 2).unwrap();
    assert!(talk.said().is_empty(), "not yet");
    talk.wait(pace).unwrap();
    let (second, b) = talk.sub();
    assert_eq!((a.as_str(), b.as_str()), ("a", "b"));
    assert_ne!(first, second);
    talk.hear(json!({"msg": "ready", "subs": [first]}));
    assert!(talk.told().is_empty(), "one is not answered yet");
    talk.hear(json!({"msg": "nosub", "id": second, "error": {"error": "not-allowed"}}));
    let told = talk.told();
    let scope = Scope::EachRoom { heard: 1, refused: vec![RoomId::new("b")] };
    assert!(matches!(&told[..], [RealtimeEvent::Ready { scope: s, .. }] if *s == scope), "{told:?}");
}

#[test]
fn a_bot_in_no_room_stands_and_hears_of_the_first_one() {
    let mut talk = Talk::with_each_room(&[]);
    assert!(matches!(&talk.told()[..], [RealtimeEvent::Ready { .. }]));
    talk.hear(of_user("subscriptions-changed", json!(["inserted", {"_id": "s", "rid": "a", "t": "c"}])));
    talk.wait(Duration::ZERO).unwrap();
    assert_eq!(talk.sub().1, "a");
}

#[test]
fn a_server_that_refuses_every_room_is_not_lived_with() {
    let mut talk = Talk::with_each_room(&["a"]);
    talk.wait(Duration::ZERO).unwrap();
    let (id, _) = talk.sub();
    let end = talk.end(json!({"msg": "nosub", "id": id, "error": {"error": "not-allowed"}}));
    assert_eq!(lost(end).name(), "nosub");
}

#[test]
fn a_room_refused_for_haste_waits_and_one_refused_at_start_up_starts_over() {
    let mut talk = Talk::with_each_room(&["a", "b"]);
    talk.wait(Duration::ZERO).unwrap();
    let (id, _) = talk.sub();
    let error = json!({"error": "too-many-requests", "details": {"timeToReset": 5_000}});
    talk.hear(json!({"msg": "nosub", "id": id, "error": error}));
    talk.wait(Duration::from_millis(4_900)).unwrap();
    assert!(talk.said().is_empty());
    talk.wait(Duration::from_millis(100)).unwrap();
    let (again, room) = talk.sub();
    assert_eq!(room, "a");
    assert_ne!(again, id, "the monolith drops a repeated live id silently");
    let end = talk.end(json!({"msg": "nosub", "id": again, "error": {"error": 404}}));
    assert_eq!(lost(end).name(), "nosub");
}

#[test]
fn a_room_left_and_joined_again_is_subscribed_again_and_told_of_once_it_is_heard() {
    let mut talk = Talk::with_each_room(&["a"]);
    talk.wait(Duration::ZERO).unwrap();
    let (first, _) = talk.sub();
    talk.hear(json!({"msg": "ready", "subs": [first]}));
    talk.told();

    talk.hear(of_user("subscriptions-changed", json!(["removed", {"_id": "s", "rid": "a"}])));
    assert_eq!(talk.told(), [RealtimeEvent::RoomsChanged(RoomChange::Left(RoomId::new("a")))]);
    assert_eq!(talk.said(), [json!({"msg": "unsub", "id": first})]);
    talk.hear(json!({"msg": "nosub", "id": first}));

    talk.hear(of_user("subscriptions-changed", json!(["inserted", {"_id": "s2", "rid": "a", "t": "c"}])));
    talk.wait(Duration::from_secs(1)).unwrap();
    let (second, room) = talk.sub();
    assert_eq!(room, "a");
    assert_ne!(second, first);
    assert!(talk.told().is_empty(), "not heard yet");
    talk.hear(json!({"msg": "ready", "subs": [second]}));
    let told = talk.told();
    assert!(matches!(&told[..], [RealtimeEvent::RoomsChanged(RoomChange::Joined(_))]), "{told:?}");
}

#[test]
fn a_room_joined_while_the_rooms_are_listed_is_asked_for_once() {
    let mut talk = Talk::subscribing();
    let ids = talk.sub_ids();
    talk.hear(json!({"msg": "ready", "subs": ids[1..]}));
    talk.hear(json!({"msg": "nosub", "id": ids[0], "error": {"error": "not-allowed"}}));
    talk.hear(of_user("subscriptions-changed", json!(["inserted", {"_id": "s", "rid": "a", "t": "c"}])));
    talk.wait(Duration::ZERO).unwrap();
    let (id, _) = talk.sub();
    talk.hear(json!({"msg": "ready", "subs": [id]}));
    talk.list(&["a"]).unwrap();
    talk.wait(Duration::from_secs(1)).unwrap();
    assert!(talk.said().is_empty());
    let told = talk.told();
    assert!(
        matches!(&told[..], [RealtimeEvent::Ready { scope: Scope::EachRoom { heard: 1, .. }, .. }, _]),
        "{told:?}"
    );
}

#[test]
fn every_answer_on_the_way_has_a_deadline_and_a_standing_session_has_none() {
    let step = Timing::default().step;
    let timed_out = |mut talk: Talk| {
        assert!(talk.wait(step - Duration::from_millis(1)).is_ok());
        let LostReason::Timeout(what) = lost(talk.wait(Duration::from_millis(1)).unwrap_err()) else {
            panic!()
        };
        what
    };
    assert_eq!(timed_out(Talk::new()), "the answer to connect");
    let mut connected = Talk::new();
    connected.hear(json!({"msg": "connected"}));
    assert_eq!(timed_out(connected), "the login");
    assert_eq!(timed_out(Talk::subscribing()), "the answer to the subscriptions");
    let mut asking = Talk::with_each_room(&["a"]);
    asking.wait(Duration::ZERO).unwrap();
    assert_eq!(timed_out(asking), "the answer to a room's subscription");

    let mut online = Talk::online();
    assert_eq!(online.protocol.next_tick(), None);
    online.wait(Duration::from_secs(86_400)).unwrap();
}
