//! The changes in a room, and its history.

use sandbox::rocketchat::{Message, NewMessage, NewRoom, Room};
use serde_json::{Value, json};

use crate::wire::{Answer, Office, Rest};

fn iso(ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|message| message["msg"].as_str().unwrap()).collect()
}

async fn paged(rest: &Rest, room: &Room, more: &[(&str, &str)]) -> Answer {
    let mut query = vec![("roomId", room.id.as_str()), ("type", "UPDATED")];
    query.extend(more);
    rest.get("chat.syncMessages", &query).await
}

/// Three messages whose `_updatedAt` certainly differ.
async fn three_messages(office: &Office) -> [Message; 3] {
    let post = async |text: &str| {
        let message = office.chat.post(&office.ops, &office.alice, text).unwrap();
        while office.chat.now() == message.updated_at {
            tokio::task::yield_now().await;
        }
        message
    };
    [post("first").await, post("second").await, post("third").await]
}

#[tokio::test]
async fn the_whole_form_gives_what_changed_strictly_after_a_time() {
    let office = Office::open().await;
    let [first, second, third] = three_messages(&office).await;
    let rest = Rest::of(&office.chat, &office.bot);
    let since = async |ms: i64| {
        let query = [("roomId", office.ops.id.as_str()), ("lastUpdate", &iso(ms))];
        rest.get("chat.syncMessages", &query).await.body["result"].take()
    };
    let all = since(first.updated_at - 1).await;
    assert_eq!(texts(&all["updated"]), ["third", "second", "first"]);
    assert_eq!(texts(&since(second.updated_at).await["updated"]), ["third"]);
    assert_eq!(since(third.updated_at).await, json!({ "updated": [], "deleted": [] }));
    office.chat.react(&first, &office.alice, "fire").unwrap();
    assert_eq!(texts(&since(third.updated_at).await["updated"]), ["first"], "a reaction is a change");
    office.chat.delete(&second, &office.alice).unwrap();
    let deleted = since(third.updated_at).await["deleted"].take();
    assert_eq!(deleted[0]["_id"], second.id.as_str());
    assert!(deleted[0]["_deletedAt"].is_string());
}

#[tokio::test]
async fn the_paged_form_continues_from_its_cursor() {
    let office = Office::open().await;
    let [first, second, third] = three_messages(&office).await;
    let rest = Rest::of(&office.chat, &office.bot);
    let next = (first.updated_at - 1).to_string();
    let page = paged(&rest, &office.ops, &[("next", &next), ("count", "2")]).await.body["result"].take();
    assert_eq!(texts(&page["updated"]), ["first", "second"]);
    let cursor = json!({ "next": second.updated_at.to_string(), "previous": first.updated_at.to_string() });
    assert_eq!(page["cursor"], cursor);
    let next = page["cursor"]["next"].as_str().unwrap();
    let page = paged(&rest, &office.ops, &[("next", next), ("count", "2")]).await.body["result"].take();
    assert_eq!(texts(&page["updated"]), ["third"]);
    assert_eq!(page["cursor"], json!({ "next": null, "previous": third.updated_at.to_string() }));
    let previous = third.updated_at.to_string();
    let page =
        paged(&rest, &office.ops, &[("previous", &previous), ("count", "1")]).await.body["result"].take();
    assert_eq!(texts(&page["updated"]), ["second"]);
    assert_eq!(page["cursor"]["previous"], second.updated_at.to_string());
}

#[tokio::test]
async fn a_page_may_end_between_messages_of_the_same_millisecond() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let before = (chat.now() - 1).to_string();
    let same = chat.now();
    for n in 0..3 {
        chat.post(&ops, &alice, NewMessage::text(format!("{n}")).updated_at(same)).unwrap();
    }
    let rest = Rest::of(&chat, &bot);
    let page = paged(&rest, &ops, &[("next", &before), ("count", "2")]).await.body["result"].take();
    assert_eq!(texts(&page["updated"]), ["0", "1"]);
    let next = page["cursor"]["next"].as_str().unwrap();
    let page = paged(&rest, &ops, &[("next", next), ("count", "2")]).await.body["result"].take();
    assert_eq!(page["updated"], json!([]), "the third is lost to who trusts the cursor");
}

#[tokio::test]
async fn deletions_are_paged_too() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let before = (chat.now() - 1).to_string();
    let message = chat.post(&ops, &alice, "oops").unwrap();
    chat.delete(&message, &alice).unwrap();
    let query = [("roomId", ops.id.as_str()), ("type", "DELETED"), ("next", before.as_str())];
    let answer = Rest::of(&chat, &bot).get("chat.syncMessages", &query).await;
    assert_eq!(answer.body["result"]["deleted"][0]["_id"], message.id.as_str());
    assert_eq!(answer.body["result"]["updated"], json!([]));
}

#[tokio::test]
async fn unpaged_sync_makes_an_older_server_that_wants_last_update() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    chat.faults().set(|switches| switches.unpaged_sync = true);
    chat.post(&ops, &alice, "hello").unwrap();
    let rest = Rest::of(&chat, &bot);
    let answer = paged(&rest, &ops, &[("next", "0"), ("count", "100")]).await;
    assert_eq!(
        (answer.status, &answer.body["errorType"]),
        (400, &json!("error-lastUpdate-param-not-provided"))
    );
    let whole = [("roomId", ops.id.as_str()), ("lastUpdate", "2020-01-01T00:00:00.000Z")];
    let answer = rest.get("chat.syncMessages", &whole).await;
    assert_eq!(texts(&answer.body["result"]["updated"]), ["hello"]);
}

#[tokio::test]
async fn invalid_requests_for_changes_are_refused() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let rest = Rest::of(&chat, &bot);
    let room = ("roomId", ops.id.as_str());
    for (query, error) in [
        (vec![], "must have required property 'roomId' [invalid-params]"),
        (vec![room], "The \"type\" or \"lastUpdate\" parameters must be provided [error-param-required]"),
        (
            vec![room, ("lastUpdate", "yesterday")],
            "The \"lastUpdate\" query parameter must be a valid date [error-lastUpdate-param-invalid]",
        ),
        (
            vec![room, ("type", "UPDATED"), ("next", "1"), ("previous", "2")],
            "You cannot provide both \"next\" and \"previous\" parameters [error-cursor-conflict]",
        ),
        (
            vec![room, ("next", "1"), ("lastUpdate", "2020-01-01")],
            "The attributes \"next\", \"previous\" and \"lastUpdate\" cannot be used together \
             [error-cursor-and-lastUpdate-conflict]",
        ),
        (vec![room, ("type", "UPDATED"), ("next", "soon")], "Invalid Date"),
        (vec![("roomId", &hidden.id), ("lastUpdate", "2020-01-01")], "Not allowed [error-not-allowed]"),
    ] {
        let answer = rest.get("chat.syncMessages", &query).await;
        assert_eq!((answer.status, &answer.body["error"]), (400, &json!(error)), "{query:?}");
    }
}

#[tokio::test]
async fn a_history_starts_with_the_newest_message() {
    let office = Office::open().await;
    let [first, second, third] = three_messages(&office).await;
    office.chat.reply(&first, &office.alice, "a reply").unwrap();
    let rest = Rest::of(&office.chat, &office.bot);
    let history = async |more: &[(&str, &str)]| {
        let mut query = vec![("roomId", office.ops.id.as_str())];
        query.extend(more);
        rest.get("channels.history", &query).await.body["messages"].take()
    };
    let later = iso(office.chat.now() + 60_000);
    let to = ("latest", later.as_str());
    assert_eq!(texts(&history(&[to]).await), ["a reply", "third", "second", "first"]);
    let shown = history(&[to, ("showThreadMessages", "false")]).await;
    assert_eq!(texts(&shown), ["third", "second", "first"]);
    assert_eq!(texts(&history(&[to, ("count", "2"), ("offset", "1")]).await), ["third", "second"]);
    let (from, until) = (iso(first.ts), iso(third.ts));
    let between = [("oldest", from.as_str()), ("latest", until.as_str())];
    assert_eq!(texts(&history(&between).await), ["second"]);
    let inclusive = [between[0], between[1], ("inclusive", "true")];
    assert_eq!(texts(&history(&inclusive).await), ["third", "second", "first"]);
    assert!(second.ts > first.ts);
}

#[tokio::test]
async fn each_kind_of_room_has_a_history_of_its_own() {
    let Office { chat, alice, bot, ops } = Office::open().await;
    let group = chat.create_room(NewRoom::group("private").members([&alice, &bot])).unwrap();
    let direct = chat.create_room(NewRoom::direct([&alice, &bot])).unwrap();
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let lobby = chat.create_room(NewRoom::channel("lobby").members([&alice])).unwrap();
    for room in [&ops, &group, &direct, &hidden, &lobby] {
        chat.post(room, &alice, "hello").unwrap();
    }
    let rest = Rest::of(&chat, &bot);
    let later = iso(chat.now() + 60_000);
    let ask = async |route: &str, room: &Room| {
        rest.get(route, &[("roomId", room.id.as_str()), ("latest", &later)]).await
    };
    for (route, room) in [("channels.history", &ops), ("groups.history", &group), ("im.history", &direct)] {
        assert_eq!(texts(&ask(route, room).await.body["messages"]), ["hello"], "{route}");
    }
    for (route, room) in [("channels.history", &group), ("groups.history", &ops), ("groups.history", &hidden)]
    {
        let answer = ask(route, room).await;
        assert_eq!(
            (answer.status, &answer.body["errorType"]),
            (400, &json!("error-room-not-found")),
            "{route}"
        );
    }
    let unjoined = ask("channels.history", &lobby).await;
    assert_eq!(
        (unjoined.status, &unjoined.body["error"]),
        (403, &json!("unauthorized")),
        "bots may not preview"
    );
    chat.grant(&bot, "preview-c-room").unwrap();
    assert_eq!(ask("channels.history", &lobby).await.status, 200);
    let nameless = rest.get("groups.history", &[]).await;
    assert_eq!(nameless.body["errorType"], "error-room-param-not-provided");
}

#[tokio::test]
async fn a_thread_is_read_by_those_who_see_its_room() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    let hidden = chat.create_room(NewRoom::group("hidden").members([&alice])).unwrap();
    let first = chat.post(&hidden, &alice, "first").unwrap();
    let rest = Rest::of(&chat, &bot);
    let answer = rest.get("chat.getThreadMessages", &[("tmid", &first.id)]).await;
    assert_eq!(answer.body["error"], "Not Allowed [error-not-allowed]");
    let answer = rest.get("chat.getMessage", &[("msgId", &first.id)]).await;
    assert_eq!(answer.body["errorType"], "error-not-allowed");
    let answer = rest.get("chat.getThreadMessages", &[("tmid", "gone")]).await;
    assert_eq!(answer.body["errorType"], "error-invalid-message");
}
