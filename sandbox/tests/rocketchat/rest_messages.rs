//! Sending and reading messages over the REST API of the simulated Rocket.Chat.

use crate::wire::{Office, Rest};
use serde_json::json;

#[tokio::test]
async fn a_second_message_with_the_same_id_does_nothing_and_is_answered_as_something_broken() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    let body = json!({ "message": { "_id": "mine", "rid": ops.id, "msg": "Alert sent." } });
    let first = rest.post("chat.sendMessage", body.clone()).await;
    assert_eq!((first.status, &first.body["message"]["_id"]), (200, &json!("mine")));
    let second = rest.post("chat.sendMessage", body).await;
    assert_eq!((second.status, &second.body["success"]), (400, &json!(false)));
    assert!(second.body["error"].as_str().unwrap().starts_with("Cannot read properties of undefined"));
    assert_eq!(second.body.get("errorType"), None);
    assert_eq!(chat.messages(&ops).len(), 1);
}
