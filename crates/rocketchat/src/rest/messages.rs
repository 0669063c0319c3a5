//! Sending messages and reactions, and reading one message.

use serde::Serialize;
use serde_json::{Value, json};

use super::{RestClient, RestError};
use crate::{Message, MessageId, RoomId, wire};

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutgoingMessage {
    /// The `_id`, chosen by the sender. The server ignores a second message with the same `_id`, so a retry cannot post
    /// twice.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// The room to post to.
    #[serde(rename = "rid")]
    pub room: RoomId,
    /// The text, in Rocket.Chat's Markdown.
    #[serde(rename = "msg")]
    pub text: String,
    /// The `_id` of the parent message, to reply in its thread.
    #[serde(rename = "tmid", skip_serializing_if = "Option::is_none")]
    pub thread: Option<MessageId>,
    /// Display name in place of the account's. Needs `message-impersonate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// URL of an avatar in place of the account's. Needs `message-impersonate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
}

impl RestClient {
    /// Sends a message (`chat.sendMessage`), unless an earlier call, whose answer was lost, has posted it already.
    ///
    /// If the `_id` exists already, the server inserts nothing and answers with a misleading error: it fails to
    /// normalize the missing message ("Cannot read properties of undefined", HTTP 400), answers `success` without a
    /// `message`, or reports the database's duplicate key error when two calls race (`sendMessage` in
    /// `app/lib/server/functions/sendMessage.ts`, `normalizeMessagesForUser`). A Rocket.Chat app that suppresses messages
    /// causes the same answers. After such an answer, `chat.getMessage` shows whether the message exists.
    ///
    /// # Errors
    /// See [`RestError`]. `Rejected` with the code `message-not-sent` if the server accepted the call but posted nothing.
    pub async fn send_message(&self, message: &OutgoingMessage) -> Result<(), RestError> {
        let body = json!({ "message": message });
        let refusal = match self.post("chat.sendMessage", &body).await {
            Ok(answer) if answer.pointer("/message/_id").is_some() => return Ok(()),
            Ok(_) => RestError::rejected(
                200,
                "message-not-sent",
                "the server accepted the message but did not post it (an app may have suppressed it)",
            ),
            Err(error) if may_be_duplicate(&error) => error,
            Err(error) => return Err(error),
        };
        match self.has_message(&message.id).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(RestError::Rejected { .. }) => Err(refusal),
            Err(error) => Err(error),
        }
    }

    /// Adds a reaction to a message (`chat.react`), unless it is there already. `emoji` includes the colons.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn react(&self, message: &MessageId, emoji: &str) -> Result<(), RestError> {
        let body = json!({ "messageId": message, "emoji": emoji, "shouldReact": true });
        self.post("chat.react", &body).await.map(drop)
    }

    /// Whether a message exists (`chat.getMessage`).
    ///
    /// # Errors
    /// See [`RestError`]: `Rejected` if it is in a room that the account cannot read.
    pub async fn has_message(&self, id: &MessageId) -> Result<bool, RestError> {
        Ok(self.message_document(id).await?.is_some())
    }

    /// A message in its current form (`chat.getMessage`). `None` if it was deleted or hidden. With some servers also
    /// if it is in a room that the account cannot read.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn message(&self, id: &MessageId) -> Result<Option<Message>, RestError> {
        let Some(document) = self.message_document(id).await? else { return Ok(None) };
        // With `Message_KeepHistory` a deleted one stays hidden, and the first one of a thread stays as "rm".
        if wire::flag(&document, "_hidden") || wire::text(&document, "t") == Some("rm") {
            return Ok(None);
        }
        let message = Message::from_document(&document, self.account.server());
        message.map(Some).map_err(|error| RestError::unavailable(error.to_string()))
    }

    async fn message_document(&self, id: &MessageId) -> Result<Option<Value>, RestError> {
        match self.get("chat.getMessage", &[("msgId", id.to_string())]).await {
            // Without it, the answer is a gateway's, which does not mean that the message was deleted.
            Ok(mut answer) => match answer.get_mut("message").map(Value::take) {
                Some(Value::Null) => Ok(None),
                Some(message @ Value::Object(_)) => Ok(Some(message)),
                _ => Err(RestError::unavailable("an answer without a message")),
            },
            // The answer for a message that does not exist is a refusal without code and reason.
            Err(RestError::Rejected { status: 400 | 404, code, reason })
                if code.is_empty() && reason.is_empty() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The room of direct messages with a user (`im.create`), which is created if there is none.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn direct_room(&self, username: &str) -> Result<RoomId, RestError> {
        let answer = self.post("im.create", &json!({ "username": username })).await?;
        let room = answer
            .get("room")
            .and_then(|room| wire::filled(room, "_id").or_else(|| wire::filled(room, "rid")));
        room.map(RoomId::new).ok_or_else(|| RestError::unavailable("an answer without the room"))
    }
}

/// A deliberate refusal has a code; an internal error, which a duplicate causes, has none.
fn may_be_duplicate(error: &RestError) -> bool {
    matches!(error, RestError::Rejected { status: 400, code, .. } if code.is_empty())
        && !error.is_missing_impersonation()
        && !error.is_invalid_avatar()
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
        };
        assert_eq!(json!(message), json!({"_id": "m1", "rid": "r1", "msg": "Alert closed."}));
        message.thread = Some(MessageId::new("t1"));
        message.alias = Some("SIGNL4".into());
        assert_eq!(
            json!(message),
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
        assert!(!may_be_duplicate(&rejected("", "Invalid href value provided")));
        assert!(!may_be_duplicate(&RestError::unavailable("HTTP 502")));
    }
}
