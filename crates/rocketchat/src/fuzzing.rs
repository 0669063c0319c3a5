//! What holds for any bytes that a server may send. `fuzz/` calls this with bytes of its own making, and `cargo test` with those
//! that it kept. No part of a release.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Message, ServerUrl, readable};

static SERVER: LazyLock<ServerUrl> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "a constant")]
    "https://chat.example.com/team".parse().unwrap()
});

/// Frames of the realtime session, one on each line.
pub fn ddp(bytes: &[u8]) {
    // A WebSocket's text is UTF-8.
    if let Ok(text) = str::from_utf8(bytes) {
        super::realtime::fuzzing::frames(text);
    }
}

/// The document of a message.
pub fn message(bytes: &[u8]) {
    let Ok(text) = serde_json::from_slice::<Value>(bytes).map(|document| document.to_string()) else {
        return;
    };
    // Read again: a number changes a little when it is written and read.
    let Ok(document) = serde_json::from_str::<Value>(&text) else { return };
    let Ok(message) = Message::from_document(&document, &SERVER) else { return };
    is_bounded(&message);
    let typed = document.get("msg").and_then(Value::as_str).map_or("", readable::typed_text);
    assert!(message.text.starts_with(typed), "{typed:?} is not the beginning of {:?}", message.text);
    // The same in a list, where only the fields that are read are decoded.
    assert_eq!(super::rest::fuzzing::read_message(&text, &SERVER), Some(message));
}

/// The body of an answer of the REST API, with any status.
pub fn rest(bytes: &[u8]) {
    for status in [200, 400, 401, 403, 429, 500, 502] {
        super::http::fuzzing::answer(status, bytes);
    }
    if let Ok(text) = str::from_utf8(bytes) {
        super::rest::fuzzing::body(text, &SERVER);
    }
}

/// What a message promises whatever its document was.
pub(super) fn is_bounded(message: &Message) {
    assert!(message.text.len() <= 64 * 1024);
    for id in [message.id.as_str(), message.room.as_str(), message.author.id.as_str()] {
        assert!(!id.trim().is_empty());
    }
    for time in [Some(message.sent_at), message.edited_at, Some(message.updated_at)].into_iter().flatten() {
        assert!((0..221_845_392_000_000).contains(&time.as_millisecond()), "{time}");
    }
}

#[cfg(test)]
mod tests {
    use arbitrary_json::replay;

    #[test]
    fn the_corpus_of_the_fuzzer_passes() {
        replay("ddp", super::ddp);
        replay("message", super::message);
        replay("rest", super::rest);
    }
}
