//! Sending with our own `_id`: a repeated call must be harmless, however the server answers it.

use serde_json::{Value, json};
use wiremock::matchers::{body_json, method, path, query_param};
use wiremock::{Mock, ResponseTemplate};

use super::chat::{Chat, ok, refused};
use crate::rest::{OutgoingMessage, RestError};
use crate::{MessageId, RoomId};

fn reply() -> OutgoingMessage {
    OutgoingMessage {
        id: MessageId::new("m1"),
        room: RoomId::new("r"),
        text: "Rene: Alert acknowledged.".into(),
        thread: Some(MessageId::new("t1")),
        alias: Some("SIGNL4".into()),
        avatar: None,
    }
}

fn document() -> Value {
    json!({"_id": "m1", "rid": "r", "msg": "x", "ts": "2023-10-04T11:05:05.309Z", "u": {"_id": "bot"}})
}

fn found() -> ResponseTemplate {
    ok(json!({"success": true, "message": document()}))
}

/// How `chat.getMessage` says that there is no such message.
fn not_found() -> ResponseTemplate {
    refused(400, json!({"success": false}))
}

/// What becomes of a message that is answered so, and that `chat.getMessage`, if it may be asked, answers so.
async fn send(sent: ResponseTemplate, asked: Option<ResponseTemplate>) -> Result<(), RestError> {
    let chat = Chat::new().await;
    chat.answers("chat.sendMessage", "first", sent, 1).await;
    Mock::given(path("/api/v1/chat.getMessage"))
        .and(query_param("msgId", "m1"))
        .respond_with(asked.clone().unwrap_or_else(|| ResponseTemplate::new(500)))
        .expect(u64::from(asked.is_some()))
        .mount(&chat.server)
        .await;
    chat.client.send_message(&reply()).await
}

#[tokio::test]
async fn a_message_is_sent_with_its_id_its_thread_and_its_alias() {
    let chat = Chat::new().await;
    Mock::given(method("POST"))
        .and(path("/api/v1/chat.sendMessage"))
        .and(body_json(json!({"message": {
            "_id": "m1", "rid": "r", "msg": "Rene: Alert acknowledged.", "tmid": "t1", "alias": "SIGNL4",
        }})))
        .respond_with(found())
        .expect(1)
        .mount(&chat.server)
        .await;
    assert_eq!(chat.client.send_message(&reply()).await, Ok(()));
}

#[tokio::test]
async fn a_repeated_id_is_recognized_in_every_answer_that_servers_give() {
    for answer in [
        refused(
            400,
            json!({"success": false, "error": "Cannot read properties of undefined (reading 'starred')"}),
        ),
        refused(400, json!({"success": false, "error": "E11000 duplicate key error collection"})),
        refused(400, json!({"success": false})),
        ok(json!({"success": true})),
        ok(json!({"success": true, "message": null})),
    ] {
        assert_eq!(send(answer, Some(found())).await, Ok(()));
    }
}

#[tokio::test]
async fn a_refused_message_does_not_exist() {
    let stopped = send(ok(json!({"success": true})), Some(not_found())).await.unwrap_err();
    assert_eq!(stopped.code(), Some("message-not-sent"));
    let words = "You can't send messages because the room is readonly.";
    let refusal = refused(400, json!({"success": false, "error": words}));
    let error = send(refusal, Some(not_found())).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn while_it_is_unknown_whether_a_message_exists_the_call_is_retryable() {
    for asked in [
        ResponseTemplate::new(502),
        refused(429, json!({"success": false, "error": "[error-too-many-requests]"})),
        ResponseTemplate::new(404).set_body_string("404 page not found"),
    ] {
        let error = send(refused(400, json!({"success": false})), Some(asked)).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_with_a_code_is_final() {
    for (body, code) in [
        (json!({"success": false, "error": "error-not-allowed"}), Some("error-not-allowed")),
        (
            json!({"success": false, "error": "Too long [error-message-size-exceeded]"}),
            Some("error-message-size-exceeded"),
        ),
        (json!({"success": false, "error": "Not enough permission"}), None),
    ] {
        let error = send(refused(400, body), None).await.unwrap_err();
        assert!(!error.is_retryable());
        assert_eq!(error.code(), code);
        assert_eq!(error.is_missing_impersonation(), code.is_none());
    }
}

#[tokio::test]
async fn a_temporary_failure_is_left_to_the_next_try() {
    for answer in
        [ResponseTemplate::new(502), ResponseTemplate::new(404).set_body_string("404 page not found")]
    {
        assert!(send(answer, None).await.unwrap_err().is_retryable());
    }
}

#[tokio::test]
async fn a_reaction_is_added_and_never_removed() {
    let chat = Chat::new().await;
    Mock::given(method("POST"))
        .and(path("/api/v1/chat.react"))
        .and(body_json(json!({"messageId": "m1", "emoji": ":eyes:", "shouldReact": true})))
        .respond_with(ok(json!({"success": true})))
        .expect(2)
        .mount(&chat.server)
        .await;
    for _ in 0..2 {
        chat.client.react(&MessageId::new("m1"), ":eyes:").await.unwrap();
    }
}

#[tokio::test]
async fn a_message_is_returned_or_does_not_exist() {
    for (answer, there) in [(found(), true), (not_found(), false)] {
        let chat = Chat::new().await;
        chat.answers("chat.getMessage", "first", answer, 1).await;
        assert_eq!(chat.client.has_message(&MessageId::new("m1")).await.unwrap(), there);
    }
    let chat = Chat::new().await;
    chat.answers("chat.getMessage", "first", ok(json!({"status": "maintenance"})), 1).await;
    assert!(chat.client.message(&MessageId::new("m1")).await.unwrap_err().is_retryable());
}
