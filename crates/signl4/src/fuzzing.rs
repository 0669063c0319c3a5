//! What holds for any bytes that SIGNL4, or somebody who knows the secret, may send. `fuzz/` calls this with bytes of its own
//! making, and `cargo test` with those that it kept. No part of a release.

use serde_json::Value;

use super::{EventKind, Notification};

/// The body of a call of the outbound webhook.
pub fn event(bytes: &[u8]) {
    let id = Notification::id_of(bytes);
    assert!((1..=200).contains(&id.as_str().len()) && is_plain(id.as_str()), "{id:?}");
    assert_eq!(id, Notification::id_of(bytes));
    let parsed = Notification::parse(bytes);
    if let Ok(event) = &parsed {
        assert_eq!(event.id, id);
        let alert = event.alert.as_ref();
        let texts = [event.user.as_ref(), event.team.as_ref(), event.note.as_ref()];
        for text in texts.into_iter().chain([alert.and_then(|alert| alert.external_id.as_ref())]).flatten() {
            assert!(is_plain(text), "{text:?}");
        }
        if let Some(name) = alert.and_then(|alert| alert.event_id.as_ref()) {
            assert!(is_plain(name.as_str()) && name.newer_by(name).is_none());
        }
    }
    // What needs no leniency is read as it stands there.
    let Ok(Value::Object(strict)) = serde_json::from_slice(bytes) else { return };
    let text = |name: &str| strict.get(name).and_then(Value::as_str).filter(|text| is_plain(text));
    if let Some(written) = text("id").filter(|written| written.len() <= 200) {
        assert_eq!(id.as_str(), written);
    }
    if let Some(kind) = strict.get("eventType").and_then(Value::as_i64) {
        let is_of_alert =
            [EventKind::Acknowledged, EventKind::Closed, EventKind::Unattended, EventKind::Failed];
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parsed.event_type, kind);
        assert!(!is_of_alert.contains(&parsed.event_kind) || kind == 201);
    }
}

/// The body of an answer to a call that raises an alert.
pub fn answer(bytes: &[u8]) {
    super::webhook::fuzzing::answer(bytes);
}

/// Neither blank nor with control characters, and without spaces around it.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.contains(|c: char| c.is_control() && !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use arbitrary_json::replay;

    #[test]
    fn the_corpus_of_the_fuzzer_passes() {
        replay("event", super::event);
        replay("answer", super::answer);
    }
}
