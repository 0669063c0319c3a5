//! Sending messages and reactions, and reading one message.

use serde_json::{Map, Value, json};

use super::{Call, RestClient, RestError};
use crate::{Message, MessageId, RoomId};

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// The `_id` it gets, chosen by the sender. Sending the same `_id` again does nothing, so a retry never doubles.
    pub id: MessageId,
    /// Where to.
    pub room: RoomId,
    /// What it says, in Rocket.Chat's Markdown.
    pub text: String,
    /// The parent's `_id`, to reply in its thread.
    pub thread: Option<MessageId>,
    /// The name it is shown under. Needs `message-impersonate`.
    pub alias: Option<String>,
    /// The URL of the picture it is shown with. Needs `message-impersonate`.
    pub avatar: Option<String>,
    /// An emoji (`:rotating_light:`) shown in place of a picture. Needs no right.
    pub emoji: Option<String>,
}

/// How a message came to stand in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// This call put it there.
    Sent,
    /// An earlier call had, whose answer was lost.
    AlreadyThere,
}

impl RestClient {
    /// Sends a message (`chat.sendMessage`).
    ///
    /// Where the `_id` exists already the server inserts nothing and, on every version read, answers as if something
    /// had broken: it tries to normalize the message it has not made ("Cannot read properties of undefined", HTTP
    /// 400), or says `success` without a `message`, or a duplicate key error of the database when two calls race
    /// (`sendMessage` in `app/lib/server/functions/sendMessage.ts`, `normalizeMessagesForUser`). An app that swallows
    /// messages makes it answer the same. So after such an answer `chat.getMessage` decides.
    pub async fn send_message(&self, message: &OutgoingMessage) -> Result<Delivery, RestError> {
        let body = json!({ "message": document(message) });
        let refusal = match self.call(Call::post("chat.sendMessage", &body)).await {
            Ok(answer) if answer.pointer("/message/_id").is_some() => return Ok(Delivery::Sent),
            Ok(_) => RestError::Rejected {
                status: 200,
                code: "message-not-sent".to_owned(),
                reason: "the server took the message and made none of it (an app may have stopped it)"
                    .to_owned(),
            },
            Err(error) if may_be_duplicate(&error) => error,
            Err(error) => return Err(error),
        };
        match self.get_message(&message.id).await {
            Ok(Some(_)) => Ok(Delivery::AlreadyThere),
            Ok(None) | Err(RestError::Rejected { .. }) => Err(refusal),
            Err(error) => Err(error),
        }
    }

    /// Puts a reaction on a message (`chat.react`); one that is there already stays. `emoji` with its colons.
    pub async fn react(&self, message: &MessageId, emoji: &str) -> Result<(), RestError> {
        let body = json!({ "messageId": message, "emoji": emoji, "shouldReact": true });
        self.call(Call::post("chat.react", &body)).await.map(drop)
    }

    /// Reads one message (`chat.getMessage`); `None` where there is none.
    pub async fn get_message(&self, id: &MessageId) -> Result<Option<Message>, RestError> {
        match self.call(Call::get("chat.getMessage", &[("msgId", id.to_string())])).await {
            Ok(answer) => {
                Ok(answer.get("message").and_then(|document| Message::from_document(document).ok()))
            }
            // "No such message" is a refusal without a word.
            Err(RestError::Rejected { status: 400 | 404, code, reason })
                if code.is_empty() && reason.is_empty() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// A refusal for a reason the server means has a code; what merely broke has none.
fn may_be_duplicate(error: &RestError) -> bool {
    matches!(error, RestError::Rejected { status: 400, code, .. } if code.is_empty())
        && !error.is_missing_impersonation()
}

fn document(message: &OutgoingMessage) -> Value {
    let mut document = Map::new();
    let mut put = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            document.insert(key.to_owned(), Value::from(value));
        }
    };
    put("_id", Some(message.id.as_str()));
    put("rid", Some(message.room.as_str()));
    put("msg", Some(&message.text));
    put("tmid", message.thread.as_ref().map(MessageId::as_str));
    put("alias", message.alias.as_deref());
    put("avatar", message.avatar.as_deref());
    put("emoji", message.emoji.as_deref());
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given_is_sent() {
        let mut message = OutgoingMessage {
            id: MessageId::new("m1"),
            room: RoomId::new("r1"),
            text: "Alert closed.".into(),
            thread: None,
            alias: None,
            avatar: None,
            emoji: None,
        };
        assert_eq!(document(&message), json!({"_id": "m1", "rid": "r1", "msg": "Alert closed."}));
        message.thread = Some(MessageId::new("t1"));
        message.alias = Some("SIGNL4".into());
        assert_eq!(
            document(&message),
            json!({"_id": "m1", "rid": "r1", "msg": "Alert closed.", "tmid": "t1", "alias": "SIGNL4"})
        );
    }

    #[test]
    fn only_a_refusal_without_a_code_may_be_a_duplicate() {
        let rejected = |code: &str, reason: &str| RestError::Rejected {
            status: 400,
            code: code.into(),
            reason: reason.into(),
        };
        assert!(may_be_duplicate(&rejected("", "Cannot read properties of undefined (reading 'starred')")));
        assert!(may_be_duplicate(&rejected("", "E11000 duplicate key error collection")));
        assert!(!may_be_duplicate(&rejected("error-not-allowed", "Not allowed")));
        assert!(!may_be_duplicate(&rejected("", "Not enough permission")));
        assert!(!may_be_duplicate(&RestError::unclear("HTTP 502")));
    }
}
