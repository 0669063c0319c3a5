//! Drops irrelevant messages of the stream before they are decoded in full.
//!
//! Runs on the connection's own task for every message: one look-up of the room, one pass of the patterns over the
//! borrowed text, and one entry in memory. No query, no transaction, no wake-up of another task.

use std::panic::{AssertUnwindSafe, catch_unwind};

use metrics::Counter;
use rocketchat::realtime::{MessageFilter, MessageView};

use crate::bot::context::Context;
use crate::bot::outbox::is_reply_id;
use crate::bot::rooms::Known;
use crate::bot::seen::SeenState;

/// Decides which messages `ingest` would drop anyway.
#[derive(Debug)]
pub(in crate::bot) struct StreamFilter {
    pub(in crate::bot) context: Context,
    /// Counts the texts that were matched against the triggers, except the bot's own.
    pub(in crate::bot) looked_at: Counter,
}

impl MessageFilter for StreamFilter {
    fn wants(&self, message: &MessageView<'_>) -> bool {
        // A panic here would end the connection again and again. So the message is passed on, and the ingest handles
        // and reports it.
        catch_unwind(AssertUnwindSafe(|| self.decide(message))).unwrap_or(true)
    }
}

impl StreamFilter {
    fn decide(&self, message: &MessageView<'_>) -> bool {
        let settings = self.context.current.now();
        let watched = self
            .context
            .rooms
            .look_up(&settings, message.room, |known| agrees_with(message, known).then_some(known.watched));
        match watched {
            // The room changed or is unknown, or the new settings have not been applied to the rooms yet.
            None => return true,
            Some(false) => return false,
            Some(true) if message.has_type || is_reply_id(message.id) => return false,
            Some(true) => {}
        }
        let Some(text) = message.text() else { return true };
        let Context { seen, rest, .. } = &self.context;
        if settings.config.triggers.may_match(&text) {
            return seen.state(message.id, &text) != SeenState::Same;
        }
        if seen.remember(message.id, &text) && !rest.account().is_own_id(message.author) {
            self.looked_at.increment(1);
        }
        false
    }
}

/// Whether the description that came with the message agrees with the known one.
fn agrees_with(message: &MessageView<'_>, known: &Known) -> bool {
    message.participant.is_none_or(|participant| participant == known.joined)
        && message.room_kind.is_none_or(|kind| kind == known.room.kind)
        && message.room_name.is_none_or(|name| known.room.name.as_deref() == Some(name))
}
