//! Sending, changing and reading single messages over REST.

use sandbox::rocketchat::{NewMessage, NewRoom};
use serde_json::{Value, json};

use crate::wire::{Office, Rest};

#[tokio::test]
async fn a_message_is_sent_with_the_chosen_id_and_returned_with_iso_dates() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let body =
        json!({ "message": { "_id": "mine", "rid": ops.id, "msg": "Alert sent.", "alias": "SIGNL4" } });
    let answer = Rest::of(&chat, &bot).post("chat.sendMessage", body).await;
    let message = chat.message("mine").unwrap();
    assert_eq!((answer.status, &answer.body["success"]), (200, &json!(true)));
    assert_eq!(answer.body["message"]["alias"], "SIGNL4");
    assert_eq!(answer.body["message"]["u"]["_id"], bot.id.as_str());
    let ts = answer.body["message"]["ts"].as_str().unwrap();
    assert_eq!(ts.parse::<jiff::Timestamp>().unwrap().as_millisecond(), message.ts);
    assert_eq!(ts.len(), "2023-10-04T11:05:05.309Z".len());
}

#[tokio::test]
async fn a_second_message_with_the_same_id_does_nothing_and_is_answered_as_something_broken() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    let send = |text: &str| json!({ "message": { "_id": "mine", "rid": ops.id, "msg": text } });
    assert_eq!(rest.post("chat.sendMessage", send("first")).await.status, 200);
    let second = rest.post("chat.sendMessage", send("second")).await;
    assert_eq!((second.status, &second.body["success"]), (400, &json!(false)));
    assert!(second.body["error"].as_str().unwrap().starts_with("Cannot read properties of undefined"));
    assert_eq!(second.body.get("errorType"), None);
    assert_eq!(chat.messages(&ops).len(), 1);
    assert_eq!(rest.get("chat.getMessage", &[("msgId", "mine")]).await.body["message"]["msg"], "first");
}

#[tokio::test]
async fn a_reply_goes_to_the_room_of_its_thread_and_never_nests() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let other = chat.create_room(NewRoom::channel("other").members([&bot])).unwrap();
    let first = chat.post(&ops, &alice, "pump 3 is down").unwrap();
    let reply = chat.reply(&first, &alice, "on it").unwrap();
    let rest = Rest::of(&chat, &bot);
    let body = json!({ "message": { "rid": other.id, "msg": "acknowledged", "tmid": reply.id } });
    let sent = rest.post("chat.sendMessage", body).await;
    assert_eq!(sent.body["message"]["rid"], ops.id.as_str());
    assert_eq!(sent.body["message"]["tmid"], first.id.as_str());
    let lone = json!({ "message": { "rid": ops.id, "msg": "x", "tshow": true } });
    assert_eq!(rest.post("chat.sendMessage", lone).await.body["errorType"], "invalid-params");
    let shown = json!({ "message": { "rid": ops.id, "msg": "x", "tshow": true, "tmid": first.id } });
    assert_eq!(rest.post("chat.sendMessage", shown).await.body["message"]["tshow"], true);
    let thread = rest.get("chat.getThreadMessages", &[("tmid", &first.id), ("count", "2")]).await;
    let replies = thread.body["messages"].as_array().unwrap();
    let texts: Vec<_> = replies.iter().map(|reply| reply["msg"].as_str().unwrap()).collect();
    assert_eq!(texts, ["on it", "acknowledged"]);
    assert_eq!((&thread.body["count"], &thread.body["total"]), (&json!(2), &json!(3)));
}

#[tokio::test]
async fn post_message_finds_rooms_by_id_name_and_user_and_joins_channels() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    let lobby = chat.create_room("lobby").unwrap();
    let rest = Rest::of(&chat, &bot);
    for target in
        [json!({ "roomId": lobby.id }), json!({ "channel": "#lobby" }), json!({ "channel": ["lobby"] })]
    {
        let mut body = target.clone();
        body["text"] = json!(" hello ");
        let answer = rest.post("chat.postMessage", body).await;
        assert_eq!((answer.status, &answer.body["message"]["msg"]), (200, &json!("hello")), "{target}");
        assert_eq!(answer.body["message"]["rid"], lobby.id.as_str());
    }
    assert!(chat.room(&lobby).unwrap().members.contains(&bot.id));
    let direct = rest.post("chat.postMessage", json!({ "channel": "@alice", "text": "psst" })).await;
    let room = chat.room(direct.body["message"]["rid"].as_str().unwrap()).unwrap();
    assert!(room.members.contains(&alice.id) && room.members.contains(&bot.id));
    let nowhere = rest.post("chat.postMessage", json!({ "channel": "#nowhere", "text": "x" })).await;
    assert_eq!((nowhere.status, &nowhere.body["errorType"]), (400, &json!("invalid-channel")));
    let both = rest.post("chat.postMessage", json!({ "channel": "#lobby", "roomId": lobby.id })).await;
    assert_eq!(both.body["errorType"], "invalid-params");
    let idless =
        rest.post("chat.postMessage", json!({ "roomId": lobby.id, "_id": "mine", "text": "x" })).await;
    assert_eq!(idless.body["error"], "must NOT have additional properties [invalid-params]");
}

#[tokio::test]
async fn a_reaction_is_set_removed_and_toggled() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let message = chat.post(&ops, &alice, "pump 3 is down").unwrap();
    let rest = Rest::of(&chat, &bot);
    let reacted = async |more: Value| {
        let mut body = json!({ "messageId": message.id, "emoji": ":fire:" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(rest.post("chat.react", body).await.body, json!({ "success": true }));
        !chat.message(&message).unwrap().reacted_with("fire").is_empty()
    };
    assert!(reacted(json!({ "shouldReact": true })).await);
    assert!(reacted(json!({ "shouldReact": true })).await, "once more changes nothing");
    assert!(!reacted(json!({})).await, "left out, it toggles");
    assert!(reacted(json!({})).await);
    assert!(!reacted(json!({ "shouldReact": false })).await);
    let lost = rest.post("chat.react", json!({ "messageId": "gone", "emoji": "fire" })).await;
    assert_eq!((lost.status, &lost.body["errorType"]), (400, &json!("error-message-not-found")));
    let odd = rest.post("chat.react", json!({ "messageId": message.id, "emoji": ":no_such_emoji:" })).await;
    assert_eq!(odd.body["error"], "Invalid emoji provided. [error-not-allowed]");
}

#[tokio::test]
async fn an_edit_needs_message_and_room_and_marks_the_message() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let mine = chat.post(&ops, &bot, "before").unwrap();
    let rest = Rest::of(&chat, &bot);
    let update = |room: &str| json!({ "roomId": room, "msgId": mine.id, "text": "after" });
    let answer = rest.post("chat.update", update("elsewhere")).await;
    assert_eq!(answer.body["error"], "The room id provided does not match where the message is from.");
    let answer = rest.post("chat.update", update(&ops.id)).await;
    assert_eq!((&answer.body["message"]["msg"], answer.status), (&json!("after"), 200));
    assert!(answer.body["message"]["editedAt"].is_string());
    let gone = json!({ "roomId": ops.id, "msgId": "gone", "text": "x" });
    assert_eq!(
        rest.post("chat.update", gone).await.body["error"],
        "No message found with the id of \"gone\"."
    );
}

#[tokio::test]
async fn a_deleted_message_is_gone() {
    let Office { chat, alice, ops, .. } = Office::open().await;
    let message = chat.post(&ops, &alice, "oops").unwrap();
    let rest = Rest::of(&chat, &alice);
    let answer = rest.post("chat.delete", json!({ "roomId": ops.id, "msgId": message.id })).await;
    assert_eq!((answer.status, &answer.body["_id"]), (200, &json!(message.id)));
    assert_eq!(chat.message(&message), None);
    let read = rest.get("chat.getMessage", &[("msgId", &message.id)]).await;
    assert_eq!((read.status, read.body), (400, json!({ "success": false })));
}

#[tokio::test]
async fn parameters_are_checked_as_the_schema_does() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let rest = Rest::of(&chat, &bot);
    for (body, error) in [
        (json!({}), "must have required property 'message' [invalid-params]"),
        (json!({ "message": "hello" }), "must be object [invalid-params]"),
        (json!({ "message": { "rid": ops.id, "msg": 7 } }), "must be string [invalid-params]"),
        (
            json!({ "message": { "rid": ops.id }, "room": 1 }),
            "must NOT have additional properties [invalid-params]",
        ),
        (json!({ "message": { "msg": "x" } }), "The 'rid' property on the message object is missing."),
    ] {
        let answer = rest.post("chat.sendMessage", body.clone()).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!(error)), "{body}");
    }
    let missing = rest.get("chat.getMessage", &[]).await;
    assert_eq!(missing.body["error"], "must have required property 'msgId' [invalid-params]");
    let unreadable = rest.posting("chat.sendMessage", Value::Null).body("{");
    let answer = rest.try_send(unreadable).await.unwrap();
    assert_eq!(answer.body["errorType"], "invalid-params");
}

#[tokio::test]
async fn fields_that_a_client_adds_to_a_message_are_kept() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let body = json!({ "message": {
        "rid": ops.id, "msg": "see https://example.com", "emoji": ":fire:", "attachments": [{ "text": "more" }],
        "customFields": { "alert": "4711" },
    } });
    let sent = Rest::of(&chat, &bot).post("chat.sendMessage", body).await.body["message"].take();
    assert_eq!((&sent["emoji"], &sent["attachments"][0]["text"]), (&json!(":fire:"), &json!("more")));
    assert_eq!(
        (&sent["customFields"]["alert"], &sent["urls"][0]["url"]),
        (&json!("4711"), &json!("https://example.com"))
    );
    let quoted = chat.post(
        &ops,
        &alice,
        NewMessage::text("?").quoting("https://chat/ops?msg=1", "signl4.bot", "more"),
    );
    assert_eq!(quoted.unwrap().attachments[0]["author_name"], "signl4.bot");
}
