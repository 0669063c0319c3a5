//! Looks every few seconds for messages that the stream did not deliver: one list of the changed rooms, with the last
//! message of each.
//!
//! A round ([`Backfill::round`](super::Backfill::round)) may take minutes for an account with a low limit on calls.
//! Polling runs beside it and never waits. It only moves the cursors of the rooms that it reads. Whatever it misses, a
//! round finds.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rocketchat::RoomId;
use rocketchat::rest::RoomInfo;
use tokio::time::sleep;
use tracing::{debug, info};

use crate::bot::progress::OVERLAP;
use crate::bot::seen::SeenTexts;
use crate::bot::session::Session;

/// How long after its last message the change of a room may still be due to it. A later change has another cause, such as a
/// reply in a thread.
const LAST_MESSAGE_DELAY: Duration = Duration::from_secs(2);

/// Polls for one session. Never ends.
pub(super) async fn poll(session: &Session) {
    // When the rooms were last listed.
    let mut since = session.begun();
    // The change up to which each room of the last list was read.
    let mut read = HashMap::new();
    // Rooms to read: those that changed, and those that the server did not answer for.
    let mut due = HashSet::new();
    loop {
        sleep(session.context.tempo.poll_every).await;
        let from = since - OVERLAP;
        let list = match session.list_rooms(Some(since)).await {
            Ok(list) => list,
            Err(error) => {
                debug!(%error, "the rooms that changed cannot be listed");
                continue;
            }
        };
        since = session.server_now();
        if !session.looks_back() {
            continue;
        }
        let mut last = Vec::new();
        let read_before = std::mem::take(&mut read);
        // Rooms that are skipped here appear in the next list again.
        let is_over =
            |info: &RoomInfo| !info.last_message.as_ref().is_some_and(|last| session.is_in_flight(last));
        for mut info in list.with_last_messages(from).filter(is_over) {
            let (id, changed) = (info.room.id.clone(), info.changed_at());
            let is_read = changed.is_some() && read_before.get(&id).copied() == changed;
            if !is_read && !is_explained(&info, &session.context.seen) {
                due.insert(id.clone());
            }
            if let Some(changed) = changed {
                read.insert(id, changed);
            }
            last.extend(info.last_message.take());
        }
        let mut alerts = session.settle_last(last.into_iter()).await;
        // Before it is known from when a room is watched, a round has to find that out.
        let rooms = due.drain().filter_map(|room: RoomId| session.watched(&room)).collect();
        for (known, reading) in session.read_each(rooms, None).await {
            match reading {
                Ok((_, found)) => alerts += found,
                Err(error) if error.is_retryable() => _ = due.insert(known.room.id.clone()),
                // The round handles a refusal.
                Err(_) => {}
            }
        }
        if alerts > 0 {
            info!(alerts, "found matching messages that the stream had not delivered");
        }
    }
}

/// Whether the room's only change is a message that was already processed. Then the room need not be read before the
/// next round.
fn is_explained(info: &RoomInfo, seen: &SeenTexts) -> bool {
    let (Some(last), Some(changed)) = (&info.last_message, info.changed_at()) else { return false };
    seen.knows(last.id.as_str(), &last.text) && changed <= last.updated_at + LAST_MESSAGE_DELAY
}

#[cfg(test)]
mod tests {
    use rocketchat::Message;
    use serde_json::json;

    use super::*;
    use crate::bot::{Tempo, backfill::reader::IN_FLIGHT};

    #[test]
    fn the_default_waits_are_short_enough() {
        let Tempo { poll_after, poll_every, .. } = Tempo::default();
        assert!(IN_FLIGHT + poll_every <= Duration::from_secs(15));
        assert!(poll_after + poll_every <= Duration::from_secs(30));
        // An account without `api-bypass-rate-limit` may make ten calls a minute, and needs some for other things.
        assert!(poll_every * 6 >= Duration::from_secs(60));
    }

    #[test]
    fn only_a_change_by_a_message_that_was_seen_is_explained() {
        let seen = SeenTexts::default();
        let message = |text: &str| json!({"_id": "m", "rid": "r", "msg": text, "u": {"_id": "u"}, "_updatedAt": {"$date": 10_000}});
        let room = |changed: i64, text: &str| RoomInfo {
            last_message: Message::from_document(
                &message(text),
                &"https://chat.example.com".parse().unwrap(),
            )
            .ok()
            .map(Box::new),
            ..RoomInfo::from_document(&json!({"_id": "r", "t": "c", "_updatedAt": {"$date": changed}}))
                .unwrap()
        };
        assert!(!is_explained(&room(10_000, "a"), &seen));
        seen.remember("m", "a");
        assert!(is_explained(&room(10_000, "a"), &seen) && is_explained(&room(11_000, "a"), &seen));
        assert!(!is_explained(&room(10_000, "b"), &seen), "it was edited");
        assert!(!is_explained(&room(15_000, "a"), &seen), "something else happened");
        assert!(!is_explained(&RoomInfo { last_message: None, ..room(10_000, "a") }, &seen));
    }
}
