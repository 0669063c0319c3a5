//! Well-formed calls that are refused.

use sandbox::rocketchat::NewRoom;
use serde_json::{Value, json};

use crate::wire::{Answer, Office, Rest};

async fn send(rest: &Rest, message: Value) -> Answer {
    rest.post("chat.sendMessage", json!({ "message": message })).await
}

#[tokio::test]
async fn posting_as_somebody_else_needs_a_right() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let of_alice = Rest::of(&chat, &alice);
    for field in ["alias", "avatar"] {
        let refused = send(&of_alice, json!({ "rid": ops.id, "msg": "x", field: "SIGNL4" })).await;
        assert_eq!(
            (refused.status, refused.body),
            (400, json!({ "success": false, "error": "Not enough permission" }))
        );
    }
    assert_eq!(send(&of_alice, json!({ "rid": ops.id, "msg": "x", "emoji": ":fire:" })).await.status, 200);
    let of_bot = Rest::of(&chat, &bot);
    let impersonating = json!({ "rid": ops.id, "msg": "x", "alias": "SIGNL4", "avatar": "/avatar.png" });
    assert_eq!(send(&of_bot, impersonating.clone()).await.status, 200);
    chat.deny(&bot, "message-impersonate").unwrap();
    assert_eq!(send(&of_bot, impersonating.clone()).await.body["error"], "Not enough permission");
    chat.grant(&bot, "message-impersonate").unwrap();
    assert_eq!(send(&of_bot, impersonating).await.status, 200);
}

#[tokio::test]
async fn rooms_that_take_no_message_say_why() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let readonly = chat.create_room(NewRoom::channel("news").members([&bot]).read_only()).unwrap();
    let sealed = chat.create_room(NewRoom::group("sealed").members([&bot]).encrypted()).unwrap();
    chat.set_archived(&ops, true).unwrap();
    for (room, error) in [
        (hidden.id.as_str(), "error-not-allowed"),
        ("nowhere", "error-invalid-room"),
        (&readonly.id, "You can't send messages because the room is readonly."),
        (&ops.id, "room_is_archived"),
        (&sealed.id, "Not allowed to send un-encrypted messages in an encrypted room [error-not-allowed]"),
    ] {
        let refused = send(&rest, json!({ "rid": room, "msg": "x" })).await;
        assert_eq!((refused.status, &refused.body["error"]), (400, &json!(error)), "{room}");
    }
    chat.grant(&bot, "post-readonly").unwrap();
    assert_eq!(send(&rest, json!({ "rid": readonly.id, "msg": "x" })).await.status, 200);
    chat.set_archived(&ops, false).unwrap();
    assert_eq!(send(&rest, json!({ "rid": ops.id, "msg": "x" })).await.status, 200);
    chat.set_encrypted(&sealed, false).unwrap();
    assert_eq!(send(&rest, json!({ "rid": sealed.id, "msg": "x" })).await.status, 200);
}

#[tokio::test]
async fn a_message_is_measured_in_graphemes() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    // An emoji counts once, even if it consists of several characters.
    for (text, fits) in [
        ("x".repeat(5000), true),
        ("x".repeat(5001), false),
        ("👩‍🚒".repeat(5000), true),
        ("👩‍🚒".repeat(5001), false),
    ] {
        let answer = send(&rest, json!({ "rid": ops.id, "msg": text })).await;
        assert_eq!(answer.status == 200, fits);
        if !fits {
            assert_eq!(answer.body["errorType"], "error-message-size-exceeded");
            assert_eq!(answer.body["details"], json!({ "method": "sendMessage" }));
            let answer = rest.post("chat.postMessage", json!({ "roomId": ops.id, "text": text })).await;
            assert_eq!(answer.body["error"], "error-message-size-exceeded");
        }
    }
}

#[tokio::test]
async fn a_time_far_from_the_servers_is_refused_and_a_near_one_corrected() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    let at = |ms: i64| jiff::Timestamp::from_millisecond(chat.now() + ms).unwrap().to_string();
    let refused = send(&rest, json!({ "rid": ops.id, "msg": "x", "ts": at(-120_000) })).await;
    assert_eq!(refused.body["errorType"], "error-message-ts-out-of-sync");
    let corrected = send(&rest, json!({ "_id": "a", "rid": ops.id, "msg": "x", "ts": at(-40_000) })).await;
    assert_eq!(corrected.status, 200);
    assert!(chat.now() - chat.message("a").unwrap().ts < 20_000);
}

#[tokio::test]
async fn only_the_server_makes_system_messages() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let refused = send(&Rest::of(&chat, &bot), json!({ "rid": ops.id, "msg": "x", "t": "uj" })).await;
    assert_eq!(refused.body["error"], "Cannot send system messages using 'chat.sendMessage'");
}

#[tokio::test]
async fn others_messages_are_not_edited_or_deleted_without_the_right() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let message = chat.post(&ops, &alice, "hers").unwrap();
    let own = chat.post(&ops, &bot, "its own").unwrap();
    let rest = Rest::of(&chat, &bot);
    let update = json!({ "roomId": ops.id, "msgId": message.id, "text": "mine" });
    let refused = rest.post("chat.update", update.clone()).await;
    assert_eq!(refused.body["error"], "Message editing not allowed [error-action-not-allowed]");
    let delete = json!({ "roomId": ops.id, "msgId": message.id });
    let refused = rest.post("chat.delete", delete.clone()).await;
    assert_eq!(refused.body["error"], "Not allowed [error-action-not-allowed]");
    let delete_own = json!({ "roomId": ops.id, "msgId": own.id });
    let refused = rest.post("chat.delete", delete_own).await;
    assert_eq!(refused.status, 400, "the bot role may not even delete its own");
    let as_her = json!({ "roomId": ops.id, "msgId": message.id, "asUser": true });
    let refused = rest.post("chat.delete", as_her).await;
    assert!(refused.body["error"].as_str().unwrap().contains("force-delete-message"));
    for permission in ["edit-message", "delete-message"] {
        chat.grant(&bot, permission).unwrap();
    }
    assert_eq!(rest.post("chat.update", update).await.status, 200);
    assert_eq!(rest.post("chat.delete", delete).await.status, 200);
}

#[tokio::test]
async fn reactions_need_access_and_a_room_that_is_not_read_only() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let secret = chat.post(&hidden, &alice, "secret").unwrap();
    let rest = Rest::of(&chat, &bot);
    let react = |id: &str| json!({ "messageId": id, "emoji": ":fire:", "shouldReact": true });
    let refused = rest.post("chat.react", react(&secret.id)).await;
    assert_eq!(refused.body["error"], "Not Authorized [not-authorized]");
    let message = chat.post(&ops, &alice, "hello").unwrap();
    chat.set_read_only(&ops, true).unwrap();
    let refused = rest.post("chat.react", react(&message.id)).await;
    assert_eq!(refused.body["error"], "You can't send messages because the room is readonly.");
}

#[tokio::test]
async fn roles_added_and_removed_change_what_a_user_may_do() {
    let Office { chat, alice, ops, .. } = Office::open().await;
    let rest = Rest::of(&chat, &alice);
    let impersonating = json!({ "rid": ops.id, "msg": "x", "alias": "SIGNL4" });
    assert_eq!(send(&rest, impersonating.clone()).await.status, 400);
    chat.add_role(&alice, "bot").unwrap();
    assert_eq!(send(&rest, impersonating.clone()).await.status, 200);
    chat.remove_role(&alice, "bot").unwrap();
    assert_eq!(send(&rest, impersonating).await.status, 400);
}
