//! From the login to a session that is online.

use std::time::Duration;

use serde_json::json;

use super::super::*;
use super::harness::{Conversation, message};
use crate::UserId;

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
        RealtimeEvent::Ready { session: 1, identity, .. },
        RealtimeEvent::Message(early),
        RealtimeEvent::Message(late),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(identity.user_id, UserId::new("bot"));
    assert_eq!((early.message.id.as_str(), late.message.id.as_str()), ("early", "late"));
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
            assert_eq!(conversation.end(frame.clone()).name(), "nosub", "{frame}");
        }
    }
}

#[test]
fn a_rate_limited_subscription_is_retried_after_the_time_the_server_names() {
    let mut conversation = Conversation::subscribing();
    let id = conversation.sub_ids().remove(0);
    let error = json!({"error": "too-many-requests", "details": {"timeToReset": 4_000}});
    let end = conversation.end(json!({"msg": "nosub", "id": id, "error": error}));
    assert_eq!(end, LostReason::RateLimited { wait: Some(Duration::from_secs(4)) });
}

#[test]
fn messages_are_received_even_if_changes_of_the_account_are_refused() {
    let mut conversation = Conversation::subscribing();
    let ids = conversation.sub_ids();
    for id in &ids[1..] {
        conversation.receive(json!({"msg": "nosub", "id": id, "error": {"error": "not-allowed"}}));
    }
    conversation.receive(json!({"msg": "ready", "subs": [ids[0]]}));
    assert!(matches!(conversation.events()[..], [RealtimeEvent::Ready { .. }]));
}

#[test]
fn a_session_without_messages_ends() {
    let mut conversation = Conversation::subscribing();
    let id = conversation.sub_ids().remove(0);
    let refused = json!({"msg": "nosub", "id": id, "error": {"error": "not-allowed"}});
    assert_eq!(conversation.end(refused).name(), "nosub");
}

#[test]
fn a_subscription_ended_by_the_server_ends_the_session() {
    let mut conversation = Conversation::subscribing();
    let ids = conversation.sub_ids();
    conversation.receive(json!({"msg": "ready", "subs": ids}));
    assert_eq!(conversation.end(json!({"msg": "nosub", "id": ids[0]})).name(), "nosub");
}

#[test]
fn every_answer_before_online_has_a_deadline_and_an_online_session_has_none() {
    let timed_out = |mut conversation: Conversation| {
        assert!(conversation.advance(STEP - Duration::from_millis(1)).is_ok());
        let LostReason::Timeout(what) = conversation.advance(Duration::from_millis(1)).unwrap_err() else {
            panic!()
        };
        what
    };
    assert_eq!(timed_out(Conversation::new()), "the answer to connect");
    let mut connected = Conversation::new();
    connected.receive(json!({"msg": "connected"}));
    assert_eq!(timed_out(connected), "the login");
    assert_eq!(timed_out(Conversation::subscribing()), "the answer to the subscriptions");

    let mut online = Conversation::online();
    assert_eq!(online.protocol.deadline, None);
    online.advance(Duration::from_secs(86_400)).unwrap();
}
