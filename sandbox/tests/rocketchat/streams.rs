//! Subscriptions and what they emit.

use sandbox::rocketchat::{NewMessage, NewRoom, NewUser, Refusal, RocketChat};
use serde_json::json;

use crate::wire::{Ddp, Office, SOON};

const ROOM_MESSAGES: &str = "stream-room-messages";
const NOTIFY_USER: &str = "stream-notify-user";

#[tokio::test]
async fn one_subscription_carries_every_room_that_the_user_can_see() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let private = chat.create_room(NewRoom::group("private").members([&alice, &bot])).unwrap();
    let direct = chat.create_room(NewRoom::direct([&alice, &bot])).unwrap();
    let public = chat.create_room(NewRoom::channel("lobby").members([&alice])).unwrap();
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    chat.post(&hidden, &alice, "not for the bot").unwrap();
    for (room, meta) in [
        (&ops, json!({ "roomParticipant": true, "roomType": "c", "roomName": "ops" })),
        (&private, json!({ "roomParticipant": true, "roomType": "p", "roomName": "private" })),
        (&direct, json!({ "roomParticipant": true, "roomType": "d" })),
        (&public, json!({ "roomParticipant": false, "roomType": "c", "roomName": "lobby" })),
    ] {
        let posted = chat.post(room, &alice, "hello").unwrap();
        let args = ddp.emitted().await;
        assert_eq!(args, json!([chat.document(&posted).unwrap(), meta]));
        assert_eq!(args[0]["ts"], json!({ "$date": posted.ts }));
    }
    assert!(ddp.is_silent().await);
}

#[tokio::test]
async fn messages_of_a_room_joined_later_need_no_other_subscription() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    let later = chat.create_room(NewRoom::group("later").members([&alice, &bot])).unwrap();
    chat.post(&later, &alice, "welcome").unwrap();
    assert_eq!(ddp.emitted().await[0]["msg"], "welcome");
}

#[tokio::test]
async fn ready_proves_nothing_without_a_login() {
    let Office { chat, alice, ops, .. } = Office::open().await;
    let mut ddp = Ddp::connected(&chat).await;
    ddp.hear_all().await;
    chat.post(&ops, &alice, "hello").unwrap();
    assert!(ddp.is_silent().await);
}

#[tokio::test]
async fn subscriptions_that_a_login_does_not_allow_are_refused() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let mut ddp = Ddp::connected(&chat).await;
    assert_eq!(ddp.subscribe(ROOM_MESSAGES, &ops.id).await["error"]["error"], "not-allowed");
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    for (stream, event, error) in [
        (ROOM_MESSAGES, hidden.id.as_str(), json!("not-allowed")),
        (ROOM_MESSAGES, "no such room", json!("not-allowed")),
        (ROOM_MESSAGES, "", json!("invalid-event-name")),
        (NOTIFY_USER, &format!("{}/force_logout", alice.id), json!("not-allowed")),
        ("stream-notify-room", &format!("{}/deleteMessage", hidden.id), json!("not-allowed")),
        ("stream-no-such", "x", json!(404)),
    ] {
        let answer = ddp.subscribe(stream, event).await;
        assert_eq!(
            (&answer["msg"], &answer["error"]["error"]),
            (&json!("nosub"), &error),
            "{stream} {event}"
        );
    }
    assert_eq!(ddp.subscribe(ROOM_MESSAGES, &ops.id).await["msg"], "ready");
    assert_eq!(chat.ddp_subscriptions_of(&bot), [(ROOM_MESSAGES.to_owned(), ops.id)]);
}

#[tokio::test]
async fn everything_that_touches_a_message_emits_the_whole_of_it_again() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    let first = chat.post(&ops, &alice, "see https://example.com").unwrap();
    ddp.emitted().await;

    chat.react(&first, &alice, ":fire:").unwrap();
    let again = ddp.emitted().await;
    assert_eq!(again[0]["_id"], first.id.as_str());
    assert_eq!(again[0]["reactions"][":fire:"]["usernames"], json!(["alice"]));
    chat.pin(&first).unwrap();
    assert_eq!(ddp.emitted().await[0]["pinned"], true);
    chat.add_link_previews(&first).unwrap();
    let again = ddp.emitted().await;
    assert!(again[0]["urls"][0]["meta"]["pageTitle"].is_string());
    assert_eq!(again[0].get("editedAt"), None);
    chat.edit(&first, &alice, "changed").unwrap();
    let again = ddp.emitted().await;
    assert_eq!((&again[0]["msg"], &again[0]["editedBy"]["username"]), (&json!("changed"), &json!("alice")));

    chat.reply(&first, &alice, "a reply").unwrap();
    assert_eq!(ddp.emitted().await[0]["tmid"], first.id.as_str());
    let again = ddp.emitted().await;
    assert_eq!((&again[0]["_id"], &again[0]["tcount"]), (&json!(first.id), &json!(1)));
    chat.replay(&first);
    assert_eq!(ddp.emitted().await[0], again[0], "a replay is the very same document");
    chat.delete(&first, &alice).unwrap();
    let (edited, removed) = (ddp.emitted().await, ddp.emitted().await);
    assert_eq!((&edited[0]["msg"], &removed[0]["t"]), (&json!(""), &json!("rm")));
}

#[tokio::test]
async fn a_star_is_seen_by_its_owner_alone() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    let message = chat.post(&ops, &alice, "hello").unwrap();
    ddp.emitted().await;
    chat.star(&message, &alice).unwrap();
    assert_eq!(ddp.emitted().await[0].get("starred"), None);
    chat.star(&message, &bot).unwrap();
    assert_eq!(ddp.emitted().await[0]["starred"], json!([{ "_id": bot.id }]));
}

#[tokio::test]
async fn a_deletion_is_announced_to_the_subscribers_of_its_room() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let message = chat.post(&ops, &alice, "oops").unwrap();
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    let event = format!("{}/deleteMessage", ops.id);
    assert_eq!(ddp.subscribe("stream-notify-room", &event).await["msg"], "ready");
    chat.delete(&message, &alice).unwrap();
    let frame = ddp.until("changed").await;
    assert_eq!(frame["fields"], json!({ "eventName": event, "args": [{ "_id": message.id }] }));
}

#[tokio::test]
async fn a_kick_silently_ends_a_rooms_messages_and_a_new_membership_is_announced() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    let changed = format!("{}/subscriptions-changed", bot.id);
    ddp.subscribe(ROOM_MESSAGES, &ops.id).await;
    ddp.subscribe(NOTIFY_USER, &changed).await;

    chat.kick(&ops, &bot, &alice).unwrap();
    assert_eq!(ddp.emitted().await[0]["t"], "ru", "the kick itself is the last message received");
    let removed = ddp.emitted().await;
    assert_eq!((&removed[0], &removed[1]["rid"]), (&json!("removed"), &json!(ops.id)));
    chat.post(&ops, &alice, "is it gone?").unwrap();
    assert!(ddp.is_silent().await);

    chat.join(&ops, &bot).unwrap();
    let inserted = ddp.emitted().await;
    assert_eq!((&inserted[0], &inserted[1]["rid"]), (&json!("inserted"), &json!(ops.id)));
    assert_eq!((&inserted[1]["name"], &inserted[1]["t"]), (&json!("ops"), &json!("c")));
    assert!(ddp.is_silent().await, "the old subscription stays silent");
    ddp.subscribe(ROOM_MESSAGES, &ops.id).await;
    chat.post(&ops, &alice, "welcome back").unwrap();
    assert_eq!(ddp.emitted().await[0]["msg"], "welcome back");
}

#[tokio::test]
async fn rooms_changed_announces_new_and_changed_rooms() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.subscribe(NOTIFY_USER, &format!("{}/rooms-changed", bot.id)).await;
    chat.rename(&ops, "operations").unwrap();
    let updated = ddp.emitted().await;
    assert_eq!((&updated[0], &updated[1]["name"]), (&json!("updated"), &json!("operations")));
    let second = chat.create_room(NewRoom::group("second").members([&bot])).unwrap();
    let inserted = ddp.emitted().await;
    assert_eq!((&inserted[0], &inserted[1]["_id"]), (&json!("inserted"), &json!(second.id)));
}

#[tokio::test]
async fn a_forced_logout_is_announced_and_ends_the_sessions_of_login_tokens() {
    let Office { chat, bot, .. } = Office::open().await;
    let (token, _) = chat.create_login(&bot).unwrap();
    let mut ddp = Ddp::connected(&chat).await;
    ddp.call("login", json!([{ "resume": token }])).await;
    let event = format!("{}/force_logout", bot.id);
    ddp.subscribe(NOTIFY_USER, &event).await;
    let mut personal = Ddp::logged_in(&chat, &bot).await.skip_pending().await;
    chat.force_logout(&bot).unwrap();
    assert_eq!(ddp.until("changed").await["fields"]["eventName"], event.as_str());
    assert_eq!(ddp.end().await, 1000);
    assert!(personal.is_silent().await, "a personal access token stays");
}

#[tokio::test]
async fn a_repeated_live_id_is_silently_dropped() {
    let Office { chat, bot, ops, .. } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await.skip_pending().await;
    let sub = json!({ "msg": "sub", "id": "same", "name": ROOM_MESSAGES, "params": [ops.id, false] });
    ddp.send(sub.clone()).await;
    assert_eq!(ddp.next().await, json!({ "msg": "ready", "subs": ["same"] }));
    ddp.send(sub).await;
    assert!(ddp.is_silent().await);
}

#[tokio::test]
async fn an_ended_subscription_is_acknowledged_and_silent() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await.skip_pending().await;
    let sub = json!({ "msg": "sub", "id": "s", "name": ROOM_MESSAGES, "params": [ops.id, { "useCollection": false }] });
    ddp.send(sub).await;
    ddp.until("ready").await;
    ddp.send(json!({ "msg": "unsub", "id": "s" })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "nosub", "id": "s" }));
    chat.post(&ops, &alice, "hello").unwrap();
    assert!(ddp.is_silent().await);
    assert_eq!(chat.ddp_subscriptions_of(&bot), []);
}

#[tokio::test]
async fn planned_refusals_apply_to_the_next_subscriptions_as_on_a_starting_server() {
    let Office { chat, bot, .. } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    let starting = Refusal::meteor(404, "Subscription 'stream-room-messages' not found");
    chat.faults().refuse_subscriptions(1, starting);
    let answer = ddp.subscribe(ROOM_MESSAGES, "__my_messages__").await;
    assert_eq!((&answer["msg"], &answer["error"]["error"]), (&json!("nosub"), &json!(404)));
    ddp.hear_all().await;
}

#[tokio::test]
async fn methods_send_react_list_and_look_up() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    let first = chat.post(&ops, &alice, "pump 3 is down").unwrap();
    let sent = ddp
        .call("sendMessage", json!([{ "_id": "m", "rid": ops.id, "msg": "sent", "tmid": first.id }]))
        .await;
    assert_eq!((&sent["result"]["_id"], &sent["result"]["tmid"]), (&json!("m"), &json!(first.id)));
    let again = ddp.call("sendMessage", json!([{ "_id": "m", "rid": ops.id, "msg": "sent" }])).await;
    assert_eq!((again.get("result"), again.get("error")), (None, None), "a second one does nothing");
    ddp.call("setReaction", json!([":fire:", first.id, true])).await;
    assert!(chat.message(&first).unwrap().reacted_with("fire").contains("signl4.bot"));
    let history = ddp.call("loadHistory", json!([ops.id, null, 1])).await;
    assert_eq!(history["result"]["messages"][0]["_id"], "m");
    assert_eq!(ddp.call("getRoomIdByNameOrId", json!(["ops"])).await["result"], ops.id.as_str());
    assert_eq!(ddp.call("getRoomNameById", json!([ops.id])).await["result"], "ops");
    let direct = ddp.call("createDirectMessage", json!(["alice"])).await["result"]["rid"].take();
    assert!(chat.room(direct.as_str().unwrap()).unwrap().members.contains(&alice.id));
    let rooms = ddp.call("rooms/get", json!([])).await;
    assert_eq!(rooms["result"].as_array().unwrap().len(), 2);
    let now = json!({ "$date": chat.now() + 1000 });
    let changed = ddp.call("subscriptions/get", json!([now])).await;
    assert_eq!(changed["result"], json!({ "update": [], "remove": [] }));
    chat.create_room("lobby").unwrap();
    let lobby = chat.room("lobby").unwrap().id;
    assert_eq!(ddp.call("joinRoom", json!([lobby])).await["result"], true);
    assert!(chat.room(&lobby).unwrap().members.contains(&bot.id));
}

#[tokio::test]
async fn sending_by_method_takes_few_fields_and_swallows_most_refusals() {
    let Office { chat, alice, ops, .. } = Office::open().await;
    let hidden = chat.create_room(NewRoom::group("hidden")).unwrap();
    let mut ddp = Ddp::logged_in(&chat, &alice).await;
    let mut send = async |message| ddp.call("sendMessage", json!([message])).await;
    let answer = send(json!({ "rid": ops.id, "msg": "x", "alias": "SIGNL4" })).await;
    assert_eq!(answer["error"]["reason"], "Match failed");
    let answer = send(json!({ "rid": hidden.id, "msg": "x" })).await;
    assert_eq!(answer["error"]["error"], "error-not-allowed");
    chat.set_read_only(&ops, true).unwrap();
    let answer = send(json!({ "rid": ops.id, "msg": "x" })).await;
    assert_eq!(
        (answer.get("result"), answer.get("error")),
        (None, None),
        "nothing was sent and nothing said"
    );
    assert!(chat.messages(&ops).is_empty());
}

#[tokio::test]
async fn a_message_by_an_integration_has_its_mark_and_an_encrypted_one_its_type() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    chat.post(&ops, &alice, NewMessage::text("down").by_integration("zabbix")).unwrap();
    assert_eq!(ddp.emitted().await[0]["bot"], json!({ "i": "zabbix" }));
    chat.post(&ops, &alice, NewMessage::encrypted("U2FsdGVk")).unwrap();
    assert_eq!(ddp.emitted().await[0]["t"], "e2e");
}

#[tokio::test]
async fn many_messages_arrive_complete_and_in_order() {
    let chat = RocketChat::start().await.unwrap();
    let alice = chat.create_user("alice").unwrap();
    let bot = chat.create_user(NewUser::bot("signl4.bot")).unwrap();
    let ops = chat.create_room(NewRoom::channel("ops").members([&alice, &bot])).unwrap();
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    let posted: Vec<String> =
        (0..500).map(|n| chat.post(&ops, &alice, format!("message {n}")).unwrap().id).collect();
    let mut received = Vec::new();
    while received.len() < posted.len() {
        received.push(ddp.emitted().await[0]["_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(received, posted);
    chat.wait_for(SOON, |chat| (chat.messages(&ops).len() == 500).then_some(())).await.unwrap();
}
