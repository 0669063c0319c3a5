//! The frames that every side is fed: `changed` frames of `stream-room-messages` as Rocket.Chat 7 sends them, generated once
//! from a fixed seed and kept as the bytes of WebSocket frames, so that sending them costs the feeder one copy.

use std::fmt::Write;
use std::ops::Range;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Stands for the time in a frame, until it is sent: as many digits as a time in ms since the epoch has.
const TIME: &str = "1000000000007";

const NAMES: [&str; 12] =
    ["alice", "bob", "chen", "dagmar", "emre", "fatima", "georg", "hanna", "igor", "jürgen", "kim", "lena"];
const WORDS: &str = "the pump station reports pressure below four bar since this morning please check valve seven \
    before noon I restarted the gateway and it answers again deploy of the billing service is done latency looks fine \
    können wir das später besprechen ja klar danke 👍 see https://example.com/wiki/runbook for the steps database \
    failover took 12 seconds nobody noticed coffee anyone? the ticket OPS-4711 is still open who is on call tonight \
    build 1834 failed in integration tests again looks like the same flaky one as yesterday retrying now backup \
    finished 2,318 files disk usage on host-017 at 81 % nothing to worry about lunch at twelve?";

/// WebSocket frames of messages, in the order in which they are sent.
pub struct GeneratedFrames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    times: Vec<Vec<usize>>,
}

impl GeneratedFrames {
    /// Makes `count` messages that match no trigger, spread over the rooms.
    pub fn new(count: usize, rooms: usize) -> Self {
        let mut random = StdRng::seed_from_u64(10);
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let mut generated = Self { bytes: Vec::new(), ends: Vec::new(), times: Vec::new() };
        for _ in 0..count {
            // Room 0 gets none of them: if only that room is watched, no message is.
            let room = random.random_range(1..rooms);
            let length = random.random_range(3..40);
            let text: Vec<&str> = (0..length).filter_map(|_| words.choose(&mut random).copied()).collect();
            generated.push(&message(&mut random, room, &text.join(" ")));
        }
        generated
    }

    fn push(&mut self, frame: &Value) {
        let start = self.bytes.len();
        self.bytes.extend(websocket_frame(&frame.to_string()));
        let frame = &self.bytes[start..];
        let times = frame.windows(TIME.len()).enumerate().filter(|(_, window)| *window == TIME.as_bytes());
        self.times.push(times.map(|(at, _)| start + at).collect());
        self.ends.push(self.bytes.len());
    }

    /// Gives these messages the time `now`, in ms since the epoch.
    pub fn set_time(&mut self, range: Range<usize>, now: i64) {
        let now = now.to_string();
        for at in self.times[range].iter().flatten() {
            self.bytes[*at..*at + TIME.len()].copy_from_slice(now.as_bytes());
        }
    }

    /// The bytes of these messages.
    pub fn frames(&self, range: Range<usize>) -> &[u8] {
        let start = range.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let end = range.end.checked_sub(1).map_or(0, |last| self.ends[last]);
        &self.bytes[start..end]
    }

    /// How many bytes a message has, on average.
    pub fn mean_size(&self) -> usize {
        self.bytes.len() / self.ends.len().max(1)
    }
}

/// A message that matches, as a WebSocket frame, and the thread that replies to it belong to.
pub fn matching(room: usize, text: &str, now: i64) -> (String, Vec<u8>) {
    let mut frame = message(&mut rand::rng(), room, text);
    let message = &mut frame["fields"]["args"][0];
    for key in ["ts", "_updatedAt"] {
        message[key] = json!({ "$date": now });
    }
    let thread = message["tmid"].as_str().or(message["_id"].as_str()).unwrap_or_default().to_owned();
    (thread, websocket_frame(&frame.to_string()))
}

/// The `_id` of a room, by its number.
pub fn room_id(room: usize) -> String {
    format!("room{room:013}")
}

/// An `_id` as Meteor makes them.
pub fn random_id(random: &mut impl rand::Rng) -> String {
    const LETTERS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";
    (0..17).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

/// A `changed` frame; one in seven is a reply in a thread, one in twenty has an attachment, one in ten a mention.
fn message(random: &mut impl rand::Rng, room: usize, text: &str) -> Value {
    let time = || json!({ "$date": TIME.parse::<i64>().unwrap_or_default() });
    let author = random.random_range(0..NAMES.len());
    let user = |number: usize| {
        let name = NAMES[number];
        json!({ "_id": format!("user{number:013}"), "username": name, "name": name })
    };
    let mut message = json!({
        "_id": random_id(random),
        "rid": room_id(room),
        "msg": text,
        "ts": time(),
        "u": user(author),
        "_updatedAt": time(),
        "urls": [],
        "mentions": [],
        "channels": [],
        "md": [{ "type": "PARAGRAPH", "value": [{ "type": "PLAIN_TEXT", "value": text }] }],
    });
    if random.random_ratio(1, 7) {
        message["tmid"] = json!(random_id(random));
        message["tshow"] = json!(false);
    }
    if random.random_ratio(1, 10) {
        message["mentions"] = json!([user((author + 1) % NAMES.len())]);
    }
    if random.random_ratio(1, 20) {
        message["attachments"] = json!([{
            "color": "#2de0a5", "title": "Monitoring", "title_link": "https://example.com/graphs/17", "ts": time(),
            "text": "OK: all checks passed", "fields": [{ "short": true, "title": "Host", "value": "host-017" }],
        }]);
    }
    json!({
        "msg": "changed",
        "collection": "stream-room-messages",
        "id": "id",
        "fields": {
            "eventName": "__my_messages__",
            "args": [message, { "roomParticipant": true, "roomType": "c", "roomName": room_name(room) }],
        },
    })
}

/// The name of a room, by its number.
pub fn room_name(room: usize) -> String {
    let mut name = String::from("team-");
    let _ = write!(name, "{room:05}");
    name
}

/// A text frame from a server: not masked.
fn websocket_frame(text: &str) -> Vec<u8> {
    const TEXT: u8 = 0x81;
    const SHORT: usize = 126;
    let mut frame = vec![TEXT];
    match u16::try_from(text.len()) {
        Ok(length) if text.len() < SHORT => frame.push(length.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((text.len() as u64).to_be_bytes());
        }
    }
    frame.extend(text.as_bytes());
    frame
}
