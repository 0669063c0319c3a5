//! Ten thousand random and mutated frames and event bodies change nothing and stop nothing. (The parsers have their
//! own property tests.)

use futures_util::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{Harness, LISTENER_SECRET, http};

/// The same in every run.
const SEED: u64 = 4;
const ROUNDS: usize = 20;
/// Of frames, and of bodies.
const EACH_ROUND: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_random_and_mutated_frames_and_event_bodies_change_nothing_and_stop_nothing() {
    let harness = Harness::new().await;
    let mut bot = harness.start_bot().await;
    let mut rng = StdRng::seed_from_u64(SEED);
    let (frames, bodies) = (frames(&harness), bodies());
    for _ in 0..ROUNDS {
        for _ in 0..EACH_ROUND {
            let frame = spoiled(frames.choose(&mut rng).unwrap(), &mut rng);
            harness.chat.send_raw_to_all(&String::from_utf8_lossy(&frame));
        }
        let bodies: Vec<_> =
            (0..EACH_ROUND).map(|_| spoiled(bodies.choose(&mut rng).unwrap(), &mut rng)).collect();
        post_all(&harness, bodies).await;
        // Everything before it has been processed by then.
        harness.flush().await;
    }
    bot.assert_runs();
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
    let own =
        harness.chat.messages(&harness.room).into_iter().filter(|message| message.user_id == harness.bot.id);
    assert_eq!(own.map(|message| message.text).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(bot.count_in_log(&["no realtime session"]), 0, "the session went on");
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
}

/// Frames as a server sends them, none of which asks for an alert or for another session.
fn frames(harness: &Harness) -> Vec<Vec<u8>> {
    let message = json!({
        "_id": "m1", "rid": harness.room.id, "msg": "nothing to see", "ts": {"$date": harness.chat.now()},
        "u": {"_id": harness.alice.id, "username": "alice", "name": "Alice"}, "_updatedAt": {"$date": harness.chat.now()},
        "mentions": [], "channels": [], "attachments": [{"text": "nor here", "fields": [{"title": "a", "value": "b"}]}],
    });
    let kind = json!({"roomParticipant": true, "roomType": "c", "roomName": "operations"});
    let room = json!({"_id": harness.room.id, "t": "c", "name": "operations", "_updatedAt": {"$date": harness.chat.now()}});
    let reported = |collection: &str, event: &str, args: Value| json!({"msg": "changed", "collection": collection, "id": "id", "fields": {"eventName": event, "args": args}});
    let rooms = format!("{}/rooms-changed", harness.bot.id);
    let frames = [
        reported("stream-room-messages", "__my_messages__", json!([message, kind])),
        reported("stream-room-messages", "__my_messages__", json!([[message], kind])),
        reported("stream-notify-user", &rooms, json!(["updated", room])),
        json!({"msg": "added", "collection": "users", "id": harness.bot.id, "fields": {"emails": []}}),
        json!({"msg": "updated", "methods": ["99"]}),
        json!({"msg": "ready", "subs": ["99"]}),
        json!({"msg": "result", "id": "99", "result": {"id": "x", "tokenExpires": {"$date": 1}}}),
        json!({"msg": "ping", "id": "p"}),
    ];
    frames.iter().map(|frame| frame.to_string().into_bytes()).collect()
}

/// Events about unknown alerts.
fn bodies() -> Vec<Vec<u8>> {
    let alert = json!({"eventId": "foreign", "externalEventId": "INC091210", "id": "a1", "statusCode": 2});
    let user = json!({"username": "Rene", "mailaddress": "rene@example.com", "id": "u1"});
    let bodies = [
        json!({"eventType": 201, "id": "n1", "user": user, "alert": alert}),
        json!({"eventType": 203, "id": "n2", "user": user, "alert": alert, "annotation": {"message": "hello"}}),
        json!({"eventType": 202, "id": "n3", "team": {"id": "t"}, "alert": alert}),
        json!({"eventType": 300, "id": "n4", "user": user}),
        json!({"eventType": 1, "id": "n5"}),
    ];
    bodies.iter().map(|body| body.to_string().into_bytes()).collect()
}

/// A few bytes are changed, removed or doubled, or the end is missing. Sometimes nothing is left.
fn spoiled(whole: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut spoiled = whole.to_vec();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..spoiled.len().max(1));
        let end = (at + rng.random_range(1..12)).min(spoiled.len());
        match rng.random_range(0..12) {
            0 => spoiled.truncate(at),
            1 => spoiled = (0..rng.random_range(0..200)).map(|_| rng.random()).collect(),
            2 | 3 => drop(spoiled.drain(at.min(end)..end)),
            4 | 5 => spoiled.extend_from_within(at.min(end)..end),
            6 => spoiled.splice(at.min(end)..at.min(end), *b"[null]").for_each(drop),
            _ => {
                if let Some(byte) = spoiled.get_mut(at) {
                    *byte = *br#"0123456789{}[]",:.-eEtfn\ "#.choose(rng).unwrap();
                }
            }
        }
    }
    spoiled
}

async fn post_all(harness: &Harness, bodies: Vec<Vec<u8>>) {
    let url = format!("{}/signl4/{LISTENER_SECRET}", harness.listener_url());
    let client = http();
    let posts = stream::iter(bodies).map(|body| client.post(&url).body(body).send());
    let statuses = posts.buffer_unordered(8).map(|answer| answer.unwrap().status().as_u16());
    let odd: Vec<u16> =
        statuses.filter(|status| std::future::ready(![200, 400].contains(status))).collect().await;
    assert!(odd.is_empty(), "{odd:?}");
}
