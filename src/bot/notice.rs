//! What the bot puts into Rocket.Chat: replies and reactions, from the words to the rows of the outbox.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::{
    admin::{Carries, QueueLabel},
    alerting::{OnSent, Replies, ReplyKind, ReplyWords},
    store::{Alert, AlertId, NewDelivery, Queue},
};
use rocketchat::{MessageId, RoomId};

/// The alphabet of Meteor's random ids: no letters that people mix up.
const ID_ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz";
/// The length of Meteor's random ids.
const ID_LENGTH: usize = 17;

/// A row of the queues to Rocket.Chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Notice {
    /// A message of ours.
    Reply(Reply),
    /// A reaction on somebody's message, and the reply that stands in for it where it is refused.
    Reaction { message: MessageId, emoji: String, otherwise: Option<Reply> },
}

/// A message of ours. Its `_id` is drawn when it is queued, so that a repeated call cannot double it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) id: MessageId,
    pub(super) room: RoomId,
    pub(super) thread: Option<MessageId>,
    pub(super) text: String,
}

/// The queues that lead to Rocket.Chat.
pub(super) fn chat_queues() -> [Queue; 3] {
    [replies_queue(), confirmations_queue(), reactions_queue()]
}

/// The same for a person.
pub(super) fn chat_labels() -> [QueueLabel; 3] {
    let to = |queue, name: &str, carries| QueueLabel { queue, name: name.to_owned(), carries };
    [
        to(replies_queue(), "Rocket.Chat: replies", Carries::Replies),
        to(confirmations_queue(), "Rocket.Chat: confirmations", Carries::Replies),
        to(reactions_queue(), "Rocket.Chat: reactions", Carries::Reactions),
    ]
}

/// The queue of what somebody waits for: what people do with an alert, and that one did not go out.
fn replies_queue() -> Queue {
    Queue::new("rocketchat:reply")
}

/// The queue of what is only good to know. In a storm there are thousands, and an acknowledgement must not stand behind
/// them.
fn confirmations_queue() -> Queue {
    Queue::new("rocketchat:confirmation")
}

/// The queue of reactions: Rocket.Chat limits each route of its REST API by itself.
fn reactions_queue() -> Queue {
    Queue::new("rocketchat:reaction")
}

fn queue_of(kind: ReplyKind) -> Queue {
    match kind {
        // A delay goes the way of its end, or the end might be told first.
        ReplyKind::Sent | ReplyKind::Queued | ReplyKind::Delayed | ReplyKind::Suppressed => {
            confirmations_queue()
        }
        _ => replies_queue(),
    }
}

impl Reply {
    /// A reply with a fresh `_id`.
    pub(super) fn new(room: RoomId, thread: Option<MessageId>, text: String) -> Self {
        let mut rng = rand::rng();
        let id: String =
            (0..ID_LENGTH).map(|_| char::from(ID_ALPHABET[rng.random_range(0..ID_ALPHABET.len())])).collect();
        Self { id: MessageId::new(id), room, thread, text }
    }

    /// Its row. Replies of one thread keep their order; those of different threads do not wait for each other.
    pub(super) fn queued(self, kind: ReplyKind, alert: Option<AlertId>) -> NewDelivery {
        let ordering = self.thread.as_ref().map_or_else(|| self.room.to_string(), MessageId::to_string);
        delivery(queue_of(kind), ordering, &Notice::Reply(self), alert)
    }
}

/// How the author of a message is told of the alert's fate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notices<'a> {
    replies: &'a Replies,
}

impl<'a> Notices<'a> {
    pub(super) fn new(replies: &'a Replies) -> Self {
        Self { replies }
    }

    /// The words of a kind; `None` where it is switched off. A template that fails at this late hour says less,
    /// not nothing.
    pub(super) fn text(
        &self,
        kind: ReplyKind,
        words: &ReplyWords<'_>,
        alert: Option<AlertId>,
    ) -> Option<String> {
        self.replies.text(kind, words).unwrap_or_else(|error| {
            error!(alert = alert.map(display), reply = kind.key(), %error, "the template of a reply failed; a plain text stands in for it");
            Some([words.user, kind.key(), words.reason].join(" ").trim().to_owned())
        })
    }

    /// A reply in the alert's thread; `None` where the kind is switched off.
    pub(super) fn in_thread(
        &self,
        alert: &Alert,
        kind: ReplyKind,
        words: &ReplyWords<'_>,
    ) -> Option<NewDelivery> {
        let words = ReplyWords { trigger: &alert.trigger, ..*words };
        let text = self.text(kind, &words, Some(alert.id))?;
        Some(Reply::new(alert.room.clone(), Some(alert.thread.clone()), text).queued(kind, Some(alert.id)))
    }

    /// How it is shown that the alert went out. A thread that was told of a delay is always told of its end.
    pub(super) fn sent(&self, alert: &Alert, team: &str) -> Option<NewDelivery> {
        let words = ReplyWords { team, trigger: &alert.trigger, ..ReplyWords::default() };
        match self.replies.on_sent {
            _ if alert.told_waiting => self.in_thread(alert, ReplyKind::Sent, &words),
            OnSent::Nothing => None,
            OnSent::Reply => self.in_thread(alert, ReplyKind::Sent, &words),
            OnSent::Reaction => Some(self.reaction(alert, &words)),
        }
    }

    fn reaction(&self, alert: &Alert, words: &ReplyWords<'_>) -> NewDelivery {
        let otherwise = self
            .text(ReplyKind::Sent, words, Some(alert.id))
            .map(|text| Reply::new(alert.room.clone(), Some(alert.thread.clone()), text));
        let message = alert.message.clone();
        let ordering = message.to_string();
        let notice = Notice::Reaction { message, emoji: self.replies.reaction.clone(), otherwise };
        delivery(reactions_queue(), ordering, &notice, Some(alert.id))
    }
}

fn delivery(queue: Queue, ordering: String, notice: &Notice, alert: Option<AlertId>) -> NewDelivery {
    // Strings and options of strings: there is nothing in a notice that JSON could not hold.
    let body = serde_json::to_value(notice).unwrap_or_default();
    NewDelivery { queue, ordering, body, alert }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_an_id_of_its_own_that_meteor_would_draw() {
        let draw = || Reply::new(RoomId::new("r"), None, String::new()).id;
        let (one, other) = (draw(), draw());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), ID_LENGTH);
        assert!(one.as_str().bytes().all(|byte| ID_ALPHABET.contains(&byte)));
    }

    #[test]
    fn a_notice_reads_back_as_it_was_queued() {
        let reply = Reply::new(RoomId::new("r"), Some(MessageId::new("t")), "Rene: Alert closed.".into());
        for notice in [
            Notice::Reply(reply.clone()),
            Notice::Reaction { message: MessageId::new("m"), emoji: ":x:".into(), otherwise: Some(reply) },
        ] {
            let row = delivery(replies_queue(), String::new(), &notice, None);
            assert_eq!(serde_json::from_value::<Notice>(row.body).unwrap(), notice);
        }
    }
}
