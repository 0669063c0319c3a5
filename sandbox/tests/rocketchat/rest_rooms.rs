//! Rooms, channels and subscriptions over REST.

use std::time::Duration;

use sandbox::rocketchat::{NewRoom, RocketChat};
use serde_json::{Value, json};

use crate::wire::{Office, Rest};

fn iso(ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())
}

fn ids<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    let mut ids: Vec<_> = list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// A time after which everything that happens is certainly newer.
async fn a_moment_later(chat: &RocketChat) -> i64 {
    let now = chat.now();
    while chat.now() == now {
        tokio::task::yield_now().await;
    }
    now
}

#[tokio::test]
async fn rooms_get_lists_the_users_rooms_and_what_changed_since() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let group = chat.create_room(NewRoom::group("private").members([&bot])).unwrap();
    chat.create_room(NewRoom::channel("lobby").members([&alice])).unwrap();
    let rest = Rest::of(&chat, &bot);
    let all = rest.get("rooms.get", &[]).await;
    let mut expected = [ops.id.as_str(), group.id.as_str()];
    expected.sort_unstable();
    assert_eq!(ids(&all.body["update"], "_id"), expected);
    assert_eq!(all.body["remove"], json!([]));

    let since = iso(a_moment_later(&chat).await);
    let since = [("updatedSince", since.as_str())];
    assert_eq!(rest.get("rooms.get", &since).await.body["update"], json!([]));
    chat.post(&ops, &alice, "hello").unwrap();
    chat.delete_room(&group).unwrap();
    let changed = rest.get("rooms.get", &since).await;
    assert_eq!(ids(&changed.body["update"], "_id"), [ops.id.as_str()]);
    assert!(changed.body["update"][0]["lm"].is_string());
    assert_eq!(ids(&changed.body["remove"], "_id"), [group.id.as_str()]);
    let wrong = rest.get("rooms.get", &[("updatedSince", "soon")]).await;
    assert_eq!((wrong.status, &wrong.body["errorType"]), (400, &json!("error-updatedSince-param-invalid")));
}

#[tokio::test]
async fn subscriptions_get_lists_memberships_and_those_that_ended() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let direct = chat.create_room(NewRoom::direct([&alice, &bot])).unwrap();
    let rest = Rest::of(&chat, &bot);
    let all = rest.get("subscriptions.get", &[]).await.body["update"].take();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let of = |rid: &str| all.as_array().unwrap().iter().find(|entry| entry["rid"] == rid).unwrap();
    assert_eq!((&of(&direct.id)["name"], &of(&direct.id)["fname"]), (&json!("alice"), &json!("Alice")));
    assert_eq!((&of(&ops.id)["t"], &of(&ops.id)["u"]["_id"]), (&json!("c"), &json!(bot.id)));

    let since = iso(a_moment_later(&chat).await);
    let since = [("updatedSince", since.as_str())];
    chat.kick(&ops, &bot, &alice).unwrap();
    let changed = rest.get("subscriptions.get", &since).await;
    assert_eq!(ids(&changed.body["remove"], "_id"), [of(&ops.id)["_id"].as_str().unwrap()]);
    let one = rest.get("subscriptions.getOne", &[("roomId", &direct.id)]).await;
    assert_eq!(one.body["subscription"]["rid"], direct.id.as_str());
    let none = rest.get("subscriptions.getOne", &[("roomId", &ops.id)]).await;
    assert_eq!((none.status, &none.body["subscription"]), (200, &Value::Null));
}

#[tokio::test]
async fn rooms_info_finds_by_id_and_name_what_the_user_may_see() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let sealed = chat.create_room(NewRoom::group("sealed").members([&bot]).encrypted().read_only()).unwrap();
    let rest = Rest::of(&chat, &bot);
    let by_id = rest.get("rooms.info", &[("roomId", &ops.id)]).await;
    let by_name = rest.get("rooms.info", &[("roomName", "ops")]).await;
    assert_eq!((by_id.status, &by_id.body), (200, &by_name.body));
    assert_eq!((&by_id.body["room"]["_id"], &by_id.body["room"]["name"]), (&json!(ops.id), &json!("ops")));
    let room = rest.get("rooms.info", &[("roomId", &sealed.id)]).await.body["room"].take();
    assert_eq!((&room["encrypted"], &room["ro"], &room["t"]), (&json!(true), &json!(true), &json!("p")));
    chat.set_archived(&ops, true).unwrap();
    for (query, error) in [
        (("roomName", "hidden"), "not-allowed"),
        (
            ("roomName", "nowhere"),
            "The required \"roomId\" or \"roomName\" param provided does not match any channel [error-room-not-found]",
        ),
        (("roomId", &ops.id), "The channel, ops, is archived [error-room-archived]"),
        (
            ("room", "ops"),
            "The parameter \"roomId\" or \"roomName\" is required [error-roomid-param-not-provided]",
        ),
    ] {
        let answer = rest.get("rooms.info", &[query]).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!(error)));
    }
}

#[tokio::test]
async fn channels_are_sorted_as_they_are_asked_for() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    let lobby = chat.create_room(NewRoom::channel("lobby").members([&alice])).unwrap();
    chat.create_room("yard").unwrap();
    chat.clock_forward(Duration::from_secs(1));
    chat.post(&lobby, &alice, "hello").unwrap();
    let rest = Rest::of(&chat, &bot);
    let first = async |sort: &str| rest.get("channels.list", &[("sort", sort), ("count", "1")]).await;
    assert_eq!(first(r#"{"_updatedAt":-1}"#).await.body["channels"][0]["name"], "lobby");
    assert_eq!(first(r#"{"name":-1}"#).await.body["channels"][0]["name"], "yard");
    for wrong in ["_updatedAt", r#"{"name":2}"#, "[1]"] {
        let refused = first(wrong).await;
        assert_eq!((refused.status, &refused.body["errorType"]), (400, &json!("error-invalid-sort")));
    }
}

#[tokio::test]
async fn channels_are_listed_in_pages_joined_or_not() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    for name in ["general", "lobby"] {
        chat.create_room(name).unwrap();
    }
    chat.create_room(NewRoom::group("private").members([&bot])).unwrap();
    let rest = Rest::of(&chat, &bot);
    let page = rest.get("channels.list", &[("offset", "1"), ("count", "5")]).await.body;
    let names: Vec<_> = page["channels"].as_array().unwrap().iter().map(|room| &room["name"]).collect();
    assert_eq!(names, ["lobby", "ops"]);
    assert_eq!((&page["total"], &page["offset"], &page["count"]), (&json!(3), &json!(1), &json!(2)));
    chat.deny(&alice, "view-c-room").unwrap();
    let refused = Rest::of(&chat, &alice).get("channels.list", &[]).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.body["error"],
        "User does not have the permissions required for this action [error-unauthorized]"
    );
}

#[tokio::test]
async fn public_channels_are_joined_and_others_are_not() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    let lobby = chat.create_room(NewRoom::channel("lobby").members([&alice])).unwrap();
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let rest = Rest::of(&chat, &bot);
    for _ in 0..2 {
        let answer = rest.post("channels.join", json!({ "roomId": lobby.id })).await;
        assert_eq!((answer.status, &answer.body["channel"]["usersCount"]), (200, &json!(2)));
    }
    assert_eq!(chat.messages(&lobby).len(), 1, "one system message");
    assert_eq!(chat.messages(&lobby)[0].kind.as_deref(), Some("uj"));
    let refused = rest.post("channels.join", json!({ "roomId": hidden.id })).await;
    assert_eq!(refused.body["errorType"], "error-room-not-found");
    chat.leave(&lobby, &bot).unwrap();
    chat.deny(&bot, "view-c-room").unwrap();
    let refused = rest.post("channels.join", json!({ "roomId": lobby.id })).await;
    assert_eq!(refused.body["errorType"], "error-not-allowed");
    chat.set_archived(&lobby, true).unwrap();
    let refused = rest.post("channels.join", json!({ "roomId": lobby.id })).await;
    assert_eq!(refused.body["errorType"], "error-room-archived");
    let info = rest.get("channels.info", &[("roomId", &lobby.id)]).await;
    assert_eq!((info.status, &info.body["channel"]["archived"]), (200, &json!(true)));
}
