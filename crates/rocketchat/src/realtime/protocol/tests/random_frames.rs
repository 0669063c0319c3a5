//! Thousands of random and mutated frames: none panics, and only those that DDP defines to do so end a session.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::harness::{Conversation, changed, document, message, of_user};
use arbitrary_json::{any_json, mutated, repeatable};

/// Frames of a healthy server.
fn healthy() -> Vec<Value> {
    vec![
        json!({"server_id": "0"}),
        json!({"msg": "connected", "session": "s"}),
        json!({"msg": "ping", "id": "a"}),
        json!({"msg": "pong"}),
        json!({"msg": "result", "id": "1", "result": {"id": "bot", "token": "t0k3n", "tokenExpires": {"$date": 1}}}),
        json!({"msg": "result", "id": "1", "error": {"error": 403, "reason": "no", "details": {"timeToReset": 1}}}),
        json!({"msg": "updated", "methods": ["1"]}),
        json!({"msg": "ready", "subs": ["2", "3", "4", "5"]}),
        json!({"msg": "nosub", "id": "2", "error": {"error": "not-allowed"}}),
        json!({"msg": "nosub", "id": "6", "error": {"error": "too-many-requests", "details": {"timeToReset": 9}}}),
        json!({"msg": "added", "collection": "users", "id": "bot", "fields": {"username": "signl4.bot"}}),
        message("m"),
        changed(
            "stream-room-messages",
            "__my_messages__",
            json!([[document("m")], {"roomParticipant": true}]),
        ),
        of_user(
            "subscriptions-changed",
            json!(["inserted", {"_id": "s", "rid": "a", "t": "c", "ts": {"$date": 1}}]),
        ),
        of_user("subscriptions-changed", json!(["removed", {"_id": "s"}])),
        of_user("rooms-changed", json!(["updated", {"_id": "a", "t": "p", "name": "ops"}])),
        of_user("force_logout", json!([])),
        json!({"msg": "error", "reason": "Bad request", "offendingMessage": {"msg": "method"}}),
        json!({"msg": "failed", "version": "1"}),
    ]
}

/// A frame as text: a healthy one, one with anything in the place of a field, any JSON, or no JSON at all.
fn frame() -> impl Strategy<Value = String> {
    let healthy = || prop::sample::select(healthy());
    prop_oneof![
        2 => healthy().prop_map(|frame| frame.to_string()),
        4 => (healthy(), any::<usize>(), any_json()).prop_map(|(frame, at, with)| mutated(frame, at, &with).to_string()),
        1 => any_json().prop_map(|frame| frame.to_string()),
        1 => (healthy(), any::<prop::sample::Index>()).prop_map(|(frame, cut)| {
            let text = frame.to_string();
            text[..text.floor_char_boundary(cut.index(text.len()))].to_owned()
        }),
        1 => ".{0,60}",
    ]
}

/// Whether this frame may end a session in this way.
fn may_end(frame: &str, end: &LostReason) -> bool {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else { return false };
    match (frame["msg"].as_str(), end) {
        (Some("failed"), LostReason::ConnectFailed) => true,
        (Some("result"), reason) => {
            matches!(reason.name(), "account" | "rate_limited" | "login" | "protocol")
        }
        (Some("nosub"), reason) => matches!(reason.name(), "rate_limited" | "nosub"),
        (Some("changed"), LostReason::ForcedLogout) => frame["fields"]["eventName"] == "bot/force_logout",
        _ => false,
    }
}

/// Receives the frames, until one ends the session.
fn survives(mut conversation: Conversation, frames: &[String]) -> Result<(), TestCaseError> {
    let before = conversation.counts.received();
    conversation.sent();
    for frame in frames {
        if let Err(end) = conversation.try_receive(frame) {
            prop_assert!(may_end(frame, &end), "{:?} after {}", end, frame);
            return Ok(());
        }
        // An answer, or the few subscriptions.
        let sent = conversation.sent();
        prop_assert!(sent.len() <= 6, "{:?} after {}", sent, frame);
        // Too short for a deadline in all.
        if let Err(end) = conversation.advance(std::time::Duration::from_millis(50)) {
            return Err(TestCaseError::fail(format!("{end:?}")));
        }
    }
    prop_assert_eq!(conversation.counts.received() - before, frames.len() as u64);
    Ok(())
}

proptest! {
    #![proptest_config(repeatable(1_500))]

    #[test]
    fn a_new_session(frames in prop::collection::vec(frame(), 1..8)) {
        survives(Conversation::new(), &frames)?;
    }

    #[test]
    fn a_session_that_is_subscribing(frames in prop::collection::vec(frame(), 1..8)) {
        survives(Conversation::subscribing(), &frames)?;
    }

    #[test]
    fn a_session_that_is_online(frames in prop::collection::vec(frame(), 1..8)) {
        survives(Conversation::online(), &frames)?;
    }
}
