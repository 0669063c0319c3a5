//! What is posted to Rocket.Chat: replies and reactions, from their texts to the rows of the outbox.

use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::error;

use super::queues;
use crate::alerting::{OnSent, Replies, ReplyKind, ReplyWords, which_alert};
use crate::store::{Alert, AlertId, DeliveryKind, NewDelivery, Queue, Store};
use rocketchat::{MessageId, RoomId};

/// The length of Meteor's random IDs.
const ID_LENGTH: usize = 17;
/// The prefix of the `_id` of every message that this program posts. Neither Meteor nor an import generates such an
/// `_id`. So every installation can recognize the replies of all others, whichever account posts them. Otherwise two
/// bots in one room would trigger each other endlessly.
const REPLY_ID_PREFIX: &str = "signl4-reply-";

/// Whether the message with this `_id` was posted by this program, possibly by another installation.
pub(in crate::bot) fn is_reply_id(id: &str) -> bool {
    id.starts_with(REPLY_ID_PREFIX)
}

/// A message to post. Its `_id` is generated when it is queued, so that a repeated call cannot post it twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::bot) struct Reply {
    pub(super) id: MessageId,
    pub(super) room: RoomId,
    pub(super) thread: Option<MessageId>,
    pub(super) text: String,
    /// The message that it replies to; `None` for a separate message in the room.
    pub(super) about: Option<About>,
    /// Whether it is so late that its thread may have been deleted.
    pub(super) is_late: bool,
}

/// The message that a reply is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) message: MessageId,
    /// The author's username; `None` for an integration.
    pub(super) author: Option<String>,
}

/// A reaction on somebody's message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reaction {
    pub(super) message: MessageId,
    pub(super) emoji: String,
    /// The reply that is posted if the reaction is rejected.
    pub(super) otherwise: Option<Reply>,
}

impl Reply {
    /// A reply in the alert's thread.
    pub(in crate::bot) fn about(alert: &Alert, text: String) -> Self {
        let about = About { message: alert.message.clone(), author: alert.author.clone() };
        Self {
            thread: Some(alert.thread.clone()),
            about: Some(about),
            ..Self::in_room(alert.room.clone(), text)
        }
    }

    /// A message in the room. Its `_id` is new.
    pub(in crate::bot) fn in_room(room: RoomId, text: String) -> Self {
        let random = Alphanumeric.sample_string(&mut rand::rng(), ID_LENGTH);
        let id = MessageId::new(format!("{REPLY_ID_PREFIX}{random}"));
        Self { id, room, thread: None, text, about: None, is_late: false }
    }

    /// Its row. Replies in one thread keep their order. Those in different threads do not wait for each other.
    pub(in crate::bot) fn queued(mut self, kind: ReplyKind, alert: Option<AlertId>) -> NewDelivery {
        let queue = queues::of_reply(kind);
        self.is_late = queue.as_str() != queues::CONFIRMATIONS;
        NewDelivery {
            queue,
            kind: DeliveryKind::Reply,
            ordering: self.thread.as_ref().map_or_else(|| self.room.to_string(), MessageId::to_string),
            body: json(&self),
            alert,
        }
    }
}

/// Which of several alerts in the thread this one is, for [`ReplyWords::which`]; `None` if it is the only one.
pub(in crate::bot) async fn which(store: &Store, alert: &Alert) -> Option<String> {
    let event = store.among_others(alert).await.unwrap_or_else(|error| {
        error!(alert = %alert.id, %error, "cannot read which alert in its thread a reply is about");
        None
    })?;
    Some(which_alert(alert.id, event.get("message").and_then(Value::as_str).unwrap_or_default()))
}

/// Renders the replies about an alert.
#[derive(Clone, Copy, Debug)]
pub(in crate::bot) struct Renderer<'a>(pub(in crate::bot) &'a Replies);

impl Renderer<'_> {
    /// The text of this kind; `None` if it is disabled. If a template fails now, a shorter text is posted instead of
    /// none.
    pub(in crate::bot) fn text(
        &self,
        kind: ReplyKind,
        words: &ReplyWords<'_>,
        alert: Option<AlertId>,
    ) -> Option<String> {
        self.0.text(kind, words).unwrap_or_else(|error| {
            error!(alert = alert.map(display), reply = kind.key(), %error, "the template of a reply failed; using a plain text");
            Some([words.user, kind.key(), words.reason].join(" ").trim().to_owned())
        })
    }

    /// A reply in the alert's thread; `None` if the kind is disabled.
    pub(in crate::bot) fn in_thread(
        &self,
        alert: &Alert,
        kind: ReplyKind,
        words: &ReplyWords<'_>,
    ) -> Option<NewDelivery> {
        let words = ReplyWords { trigger: &alert.trigger, ..*words };
        let text = self.text(kind, &words, Some(alert.id))?;
        Some(Reply::about(alert, text).queued(kind, Some(alert.id)))
    }

    /// The confirmation that the alert was sent. If a delay was reported in the thread, its end is always reported
    /// too.
    pub(in crate::bot) fn sent(&self, alert: &Alert, team: &str) -> Vec<NewDelivery> {
        let words = ReplyWords { team, trigger: &alert.trigger, ..ReplyWords::default() };
        let is_reported = alert.told_waiting || self.0.on_sent == OnSent::Reply;
        let reply = is_reported.then(|| self.in_thread(alert, ReplyKind::Sent, &words)).flatten();
        let reacts = self.0.on_sent == OnSent::Reaction;
        let reaction = reacts.then(|| self.reaction(alert, &words, !is_reported));
        reply.into_iter().chain(reaction).collect()
    }

    /// `has_substitute`: a reply is posted if the reaction is rejected.
    fn reaction(&self, alert: &Alert, words: &ReplyWords<'_>, has_substitute: bool) -> NewDelivery {
        let text = has_substitute.then(|| self.text(ReplyKind::Sent, words, Some(alert.id))).flatten();
        let otherwise = text.map(|text| Reply::about(alert, text));
        let message = alert.message.clone();
        NewDelivery {
            queue: Queue::new(queues::REACTIONS),
            kind: DeliveryKind::Reaction,
            ordering: message.to_string(),
            body: json(&Reaction { message, emoji: self.0.reaction.clone(), otherwise }),
            alert: Some(alert.id),
        }
    }
}

fn json(body: &impl Serialize) -> serde_json::Value {
    // Only strings and optional strings, which JSON can always represent.
    serde_json::to_value(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_has_a_unique_id_that_shows_its_origin() {
        let draw = || Reply::in_room(RoomId::new("r"), String::new()).id;
        let (one, other) = (draw(), draw());
        assert_ne!(one, other);
        assert!(is_reply_id(one.as_str()) && is_reply_id(other.as_str()));
        let is_drawn_by_meteor = |byte: u8| byte.is_ascii_alphanumeric();
        assert!(!REPLY_ID_PREFIX.bytes().all(is_drawn_by_meteor), "no message of a person has such an id");
        assert!(one.as_str().bytes().skip(REPLY_ID_PREFIX.len()).all(is_drawn_by_meteor));
    }

    #[test]
    fn a_stored_reply_is_read_as_it_was_queued() {
        let about = About { message: MessageId::new("m"), author: Some("alice".into()) };
        let reply = Reply {
            thread: Some(MessageId::new("t")),
            about: Some(about),
            is_late: true,
            ..Reply::in_room(RoomId::new("r"), "Rene: Alert closed.".into())
        };
        let row = reply.clone().queued(ReplyKind::Closed, None);
        assert_eq!(serde_json::from_value::<Reply>(row.body).unwrap(), reply);
        let reaction = Reaction { message: MessageId::new("m"), emoji: ":x:".into(), otherwise: Some(reply) };
        assert_eq!(serde_json::from_value::<Reaction>(json(&reaction)).unwrap(), reaction);
    }
}
