//! Drops the messages of the stream that concern nobody, before they are decoded in full.
//!
//! This runs on the connection's own task for every message there is: one look at the room, one pass of the patterns over the
//! borrowed text, one entry in memory. No query, no transaction, no wake-up of another task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use metrics::Counter;
use rocketchat::Account;
use rocketchat::realtime::{MessageFilter, MessageView};

use super::rooms::{Known, Rooms};
use super::seen::{SeenTexts, Sight};
use crate::bot::outbox::is_reply_id;
use crate::bot::settings::Current;

/// Keeps from the ingest what it would drop.
pub(in crate::bot) struct StreamFilter {
    pub(in crate::bot) current: Current,
    pub(in crate::bot) rooms: Arc<Rooms>,
    pub(in crate::bot) seen: Arc<SeenTexts>,
    pub(in crate::bot) account: Arc<Account>,
    /// Counts the texts that were matched against the triggers, without the bot's own.
    pub(in crate::bot) looked_at: Counter,
}

impl MessageFilter for StreamFilter {
    fn wants(&self, message: &MessageView<'_>) -> bool {
        // A panic here would end the connection, again and again. Where there is one, the ingest decides and says so.
        catch_unwind(AssertUnwindSafe(|| self.decide(message))).unwrap_or(true)
    }
}

impl StreamFilter {
    fn decide(&self, message: &MessageView<'_>) -> bool {
        let settings = self.current.now();
        let watched = self.rooms.look_up(&settings, &message.room, |known| {
            tells_nothing_new(message, known).then_some(known.watched)
        });
        match watched {
            // A room that changed, or that nobody knows yet; or settings that the rooms are not judged by yet.
            None => return true,
            Some(false) => return false,
            Some(true) if message.has_type || is_reply_id(&message.id) => return false,
            Some(true) => {}
        }
        let text = message.text();
        if settings.config.triggers.may_match(text) {
            return self.seen.sight(&message.id, text) != Sight::Same;
        }
        if self.seen.remember(&message.id, text) && !self.account.is_own_id(&message.author) {
            self.looked_at.increment(1);
        }
        false
    }
}

/// Whether what came along with the message is what is known of its room.
fn tells_nothing_new(message: &MessageView<'_>, known: &Known) -> bool {
    message.participant.is_none_or(|participant| participant == known.joined)
        && message.room_kind.is_none_or(|kind| kind == known.room.kind)
        && message.room_name.is_none_or(|name| known.room.name.as_deref() == Some(name))
}
