//! Counts what is older than the look back: nobody is paged for it any more, but whoever reads the log must learn that it
//! was there.

use std::collections::HashSet;

use jiff::Timestamp;
use tracing::{debug, warn};

use super::CatchUp;
use crate::bot::{patience::insist, rooms::Known};
use rocketchat::{Message, MessageId, MessageKind};

/// Most pages that a round reads only to count what is on them. Without `api-bypass-rate-limit` an account has ten calls of
/// this kind a minute, and the rooms with news need them.
const MOST_PAGES: usize = 5;

/// What a round passed over for its age.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    /// The rooms, each with up to when it had been read before.
    rooms: Vec<(Known, Timestamp)>,
    messages: HashSet<MessageId>,
    matching: usize,
}

impl PassedOver {
    /// Notes a room that was not read for longer than the look back.
    pub(super) fn add_room(&mut self, known: &Known, cursor: Timestamp) {
        self.rooms.push((known.clone(), cursor));
    }
}

impl CatchUp {
    /// Tells once in the log what was passed over. Counts after all rooms were read: pages come first.
    pub(super) async fn tell_of_older(&self, mut passed: PassedOver) {
        if passed.rooms.is_empty() {
            return;
        }
        let horizon = self.session.horizon();
        let mut pages_left = MOST_PAGES;
        let mut all_counted = true;
        for (known, cursor) in std::mem::take(&mut passed.rooms) {
            all_counted &= self.count_room(&known, cursor, &mut passed, &mut pages_left).await;
            passed.rooms.push((known, cursor));
        }
        warn!(
            rooms = passed.rooms.len(),
            messages = passed.messages.len(),
            matching = passed.matching,
            all_counted,
            before = %horizon,
            "away for longer than rocketchat.catch_up: what was written in these rooms before does not alert"
        );
    }

    /// Counts what was written in a room after `cursor` and is too old. Returns whether that is all of it: a server that will
    /// not answer is not asked again, for a number.
    async fn count_room(
        &self,
        known: &Known,
        cursor: Timestamp,
        passed: &mut PassedOver,
        pages_left: &mut usize,
    ) -> bool {
        let mut next = Some(cursor);
        while let Some(since) = next.filter(|since| *since < self.session.horizon()) {
            if *pages_left == 0 {
                return false;
            }
            *pages_left -= 1;
            match self.ears.rest.sync_messages(&known.room.id, since).await {
                Ok(page) => {
                    for message in &page.messages {
                        self.count_older(message, known, cursor, passed).await;
                    }
                    next = page.next;
                }
                Err(error) => {
                    debug!(room = %known.room.id, %error, "older messages are not counted");
                    return false;
                }
            }
        }
        true
    }

    /// Counts a message if it is one that would have been looked at, had the bot been there.
    pub(super) async fn count_older(
        &self,
        message: &Message,
        known: &Known,
        cursor: Timestamp,
        passed: &mut PassedOver,
    ) {
        let missed = cursor <= message.sent_at && message.sent_at < self.session.horizon();
        let counts = message.kind == MessageKind::Plain && message.author.id != self.session.me;
        if !missed || !counts || passed.messages.contains(&message.id) {
            return;
        }
        // The stream brings what no cursor has passed yet.
        let seen = || self.ears.store.digest_of(&message.id);
        if insist("a message cannot be looked up", seen).await.is_none() {
            passed.messages.insert(message.id.clone());
            let mut matches = self.triggers().matches(message, &known.room, known.joined).into_iter();
            passed.matching += usize::from(matches.next().is_some());
        }
    }
}
