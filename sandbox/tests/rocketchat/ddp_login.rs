//! The realtime handshake and logins of the simulated Rocket.Chat.

use crate::wire::{Ddp, Office};
use serde_json::json;

#[tokio::test]
async fn a_session_connects_logs_in_with_a_token_and_hears_a_message() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    let message = chat.post(&ops, &alice, "pump 3 is down").unwrap();
    let args = ddp.emitted().await;
    assert_eq!(args[0]["_id"], message.id.as_str());
    assert_eq!(args[0]["ts"], json!({ "$date": message.ts }));
    assert_eq!(args[1], json!({ "roomParticipant": true, "roomType": "c", "roomName": "ops" }));
}
