//! The switches: connection faults, and differences between real servers.

use std::time::Duration;

use sandbox::rocketchat::{Heartbeat, NewRoom, Options, RocketChat, Switches};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::wire::{Ddp, Office, Rest, SOON};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// An office whose bot receives everything, with these switches on.
async fn listening(change: impl FnOnce(&mut Switches)) -> (Office, Ddp) {
    let office = Office::open().await;
    office.chat.faults().set(change);
    let mut ddp = logged_in_by_token(&office).await;
    ddp.hear_all().await;
    (office, ddp)
}

/// Like `Ddp::logged_in`, with a token that both kinds of server take.
async fn logged_in_by_token(office: &Office) -> Ddp {
    let (token, _) = office.chat.create_login(&office.bot).unwrap();
    let mut ddp = Ddp::connected(&office.chat).await;
    assert!(ddp.call("login", json!([{ "resume": token }])).await.get("error").is_none());
    ddp
}

#[tokio::test]
async fn send_server_id_sends_a_frame_without_msg_before_anything_else() {
    let Office { chat, .. } = Office::open().await;
    chat.faults().set(|switches| switches.send_server_id = true);
    let mut ddp = Ddp::open(&chat).await;
    assert_eq!(ddp.next().await, json!({ "server_id": "0" }));
    ddp.connect().await;
}

#[tokio::test]
async fn ping_before_connected_pings_a_client_that_has_sent_nothing() {
    let Office { chat, .. } = Office::open().await;
    chat.faults().set(|switches| switches.ping_before_connected = true);
    let mut ddp = Ddp::open(&chat).await;
    assert_eq!(ddp.next().await, json!({ "msg": "ping" }));
    ddp.send(json!({ "msg": "pong" })).await;
    assert_eq!(ddp.next().await["reason"], "Must connect first", "an answer before `connect` is a mistake");
}

#[tokio::test]
async fn refuse_connect_answers_failed() {
    let Office { chat, .. } = Office::open().await;
    chat.faults().set(|switches| switches.refuse_connect = true);
    let mut ddp = Ddp::open(&chat).await;
    ddp.send(json!({ "msg": "connect", "version": "1", "support": ["1"] })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "failed", "version": "1" }));
    chat.faults().clear();
    Ddp::connected(&chat).await;
}

#[tokio::test]
async fn updated_first_swaps_the_two_answers() {
    let Office { chat, .. } = Office::open().await;
    chat.faults().set(|switches| switches.updated_first = true);
    let mut ddp = Ddp::connected(&chat).await;
    ddp.send(json!({ "msg": "method", "id": "1", "method": "UserPresence:online", "params": [] })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "updated", "methods": ["1"] }));
    assert_eq!(ddp.next().await, json!({ "msg": "result", "id": "1" }));
}

#[tokio::test]
async fn nested_args_wraps_the_message_in_a_list() {
    let (Office { chat, alice, ops, .. }, mut ddp) = listening(|switches| switches.nested_args = true).await;
    let message = chat.post(&ops, &alice, "hello").unwrap();
    let args = ddp.emitted().await;
    assert_eq!(args[0][0]["_id"], message.id.as_str());
    assert_eq!(args[1]["roomName"], "ops");
}

#[tokio::test]
async fn omit_room_name_leaves_the_name_out() {
    let (Office { chat, alice, ops, .. }, mut ddp) =
        listening(|switches| switches.omit_room_name = true).await;
    chat.post(&ops, &alice, "hello").unwrap();
    assert_eq!(ddp.emitted().await[1], json!({ "roomParticipant": true, "roomType": "c" }));
}

#[tokio::test]
async fn duplicate_messages_emits_every_message_twice() {
    let (Office { chat, alice, ops, .. }, mut ddp) =
        listening(|switches| switches.duplicate_messages = true).await;
    chat.post(&ops, &alice, "hello").unwrap();
    assert_eq!(ddp.emitted().await, ddp.emitted().await);
    assert!(ddp.is_silent().await);
}

#[tokio::test]
async fn reverse_messages_reverses_messages_that_come_together() {
    let (Office { chat, alice, ops, .. }, mut ddp) =
        listening(|switches| switches.reverse_messages = true).await;
    for text in ["first", "second", "third"] {
        chat.post(&ops, &alice, text).unwrap();
    }
    ddp.send(json!({ "msg": "ping" })).await;
    let mut received = Vec::new();
    for _ in 0..3 {
        received.push(ddp.emitted().await[0]["msg"].clone());
    }
    assert_eq!(received, ["third", "second", "first"]);
    assert_eq!(ddp.next().await, json!({ "msg": "pong" }), "what is no message keeps its place");
}

#[tokio::test]
async fn withhold_messages_leaves_a_message_to_the_backfill() {
    let (Office { chat, alice, bot, ops }, mut ddp) =
        listening(|switches| switches.withhold_messages = true).await;
    let since = chat.now() - 1;
    let message = chat.post(&ops, &alice, "hello").unwrap();
    assert!(ddp.is_silent().await);
    let query = [("roomId", ops.id.as_str()), ("type", "UPDATED"), ("next", &since.to_string())];
    let found = Rest::of(&chat, &bot).get("chat.syncMessages", &query).await;
    assert_eq!(found.body["result"]["updated"][0]["_id"], message.id.as_str());
    chat.faults().clear();
    chat.post(&ops, &alice, "loud again").unwrap();
    assert_eq!(ddp.emitted().await[0]["msg"], "loud again");
}

#[tokio::test]
async fn delay_frames_sends_every_frame_later_and_in_order() {
    let office = Office::open().await;
    let mut ddp = logged_in_by_token(&office).await;
    ddp.hear_all().await;
    office.chat.faults().set(|switches| switches.delay_frames = MS(100));
    let posted = Instant::now();
    for text in ["first", "second"] {
        office.chat.post(&office.ops, &office.alice, text).unwrap();
    }
    assert_eq!(ddp.emitted().await[0]["msg"], "first");
    assert!(posted.elapsed() >= MS(100));
    assert_eq!(ddp.emitted().await[0]["msg"], "second");
}

#[tokio::test]
async fn a_stalled_session_takes_everything_and_stays_silent_for_good() {
    let (Office { chat, alice, bot, ops }, mut ddp) = listening(|_| {}).await;
    chat.faults().set(|switches| switches.stall = true);
    chat.post(&ops, &alice, "unheard").unwrap();
    ddp.send(json!({ "msg": "ping" })).await;
    assert!(ddp.says_nothing_for(MS(200)).await);
    chat.faults().clear();
    chat.post(&ops, &alice, "unheard too").unwrap();
    assert!(ddp.says_nothing_for(MS(200)).await);
    assert_eq!(chat.sessions_of(&bot), 1, "the server believes in the session");
    let mut fresh = Ddp::logged_in(&chat, &bot).await;
    fresh.hear_all().await;
    chat.post(&ops, &alice, "heard").unwrap();
    assert_eq!(fresh.emitted().await[0]["msg"], "heard");
}

#[tokio::test]
async fn stall_now_makes_only_existing_sessions_half_open() {
    let (Office { chat, alice, bot, ops }, mut old) = listening(|_| {}).await;
    chat.stall_now();
    let mut fresh = Ddp::logged_in(&chat, &bot).await;
    fresh.hear_all().await;
    chat.post(&ops, &alice, "hello").unwrap();
    assert_eq!(fresh.emitted().await[0]["msg"], "hello");
    assert!(old.says_nothing_for(MS(200)).await);
}

#[tokio::test]
async fn a_raw_frame_reaches_every_session_unchanged() {
    let (Office { chat, .. }, mut ddp) = listening(|_| {}).await;
    chat.send_raw_to_all("{\"msg\":");
    assert_eq!(ddp.next_text().await, "{\"msg\":");
    assert!(ddp.is_silent().await);
}

#[tokio::test]
async fn cut_connections_end_without_a_close_frame_and_new_ones_work() {
    let (Office { chat, bot, .. }, mut ddp) = listening(|_| {}).await;
    chat.faults().cut_connections();
    assert_eq!(ddp.next_or_end().await, None);
    chat.wait_for(SOON, |chat| (chat.sessions_of(&bot) == 0).then_some(())).await.unwrap();
    Ddp::logged_in(&chat, &bot).await;
}

#[tokio::test]
async fn refuse_connections_closes_the_port_and_leaves_open_connections() {
    let (Office { chat, alice, bot, ops }, mut ddp) = listening(|_| {}).await;
    chat.faults().set(|switches| switches.refuse_connections = true);
    let refused = async {
        while TcpStream::connect(chat.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, refused).await.unwrap();
    chat.post(&ops, &alice, "still here").unwrap();
    assert_eq!(ddp.emitted().await[0]["msg"], "still here");
    chat.faults().clear();
    let accepted = async {
        while TcpStream::connect(chat.address()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, accepted).await.unwrap();
    Ddp::logged_in(&chat, &bot).await;
}

#[tokio::test]
async fn accept_then_close_hangs_up_at_once() {
    let Office { chat, bot, .. } = Office::open().await;
    chat.faults().set(|switches| switches.accept_then_close = true);
    let rest = Rest::of(&chat, &bot);
    assert!(rest.try_send(rest.getting("me", &[])).await.is_err());
    assert!(Ddp::try_open(&chat).await.is_err());
    assert_eq!(chat.calls(), []);
    chat.faults().clear();
    assert_eq!(rest.get("me", &[]).await.status, 200);
}

#[tokio::test]
async fn a_restart_closes_all_connections_and_keeps_port_and_state() {
    let (Office { chat, alice, bot, ops }, mut ddp) = listening(|_| {}).await;
    let message = chat.post(&ops, &alice, "before").unwrap();
    let address = chat.address();
    chat.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    chat.restart().await.unwrap();
    assert_eq!(chat.address(), address);
    while ddp.next_or_end().await.is_some() {}
    let got = Rest::of(&chat, &bot).get("chat.getMessage", &[("msgId", &message.id)]).await;
    assert_eq!(got.body["message"]["msg"], "before");
}

mod streamer {
    use super::*;

    fn on(switches: &mut Switches) {
        switches.streamer = true;
    }

    #[tokio::test]
    async fn it_sends_its_server_id_first() {
        let Office { chat, .. } = Office::open().await;
        chat.faults().set(on);
        assert_eq!(Ddp::open(&chat).await.next().await, json!({ "msg": "server_id", "server_id": "0" }));
    }

    #[tokio::test]
    async fn only_resume_logs_in_and_a_personal_token_has_no_expiry() {
        let Office { chat, bot, .. } = Office::open().await;
        chat.faults().set(on);
        let mut ddp = Ddp::connected(&chat).await;
        let password = json!([{ "user": { "username": "signl4.bot" }, "password": "the bot's secret" }]);
        let answer = ddp.call("login", password).await;
        assert_eq!(answer["error"]["error"], 403);
        assert_eq!(answer["error"]["reason"], "You've been logged out by the server. Please log in again");
        let token = chat.create_token(&bot).unwrap();
        let answer = ddp.call("login", json!([{ "resume": token }])).await;
        assert_eq!(answer["result"], json!({ "id": bot.id, "token": token, "type": "resume" }));
    }

    #[tokio::test]
    async fn an_empty_result_is_left_out() {
        let Office { chat, bot, .. } = Office::open().await;
        let mut monolith = Ddp::logged_in(&chat, &bot).await;
        let hidden = chat.create_room(NewRoom::group("hidden")).unwrap();
        let params = json!([hidden.id]);
        assert_eq!(
            monolith.call("loadHistory", params.clone()).await.get("result"),
            Some(&Value::Bool(false))
        );
        chat.faults().set(on);
        let mut streamer = Ddp::logged_in(&chat, &bot).await;
        assert_eq!(streamer.call("loadHistory", params).await.get("result"), None);
    }

    #[tokio::test]
    async fn an_unreadable_frame_ends_the_connection() {
        let Office { chat, .. } = Office::open().await;
        chat.faults().set(on);
        for (frame, code) in [("{", 1007), (r#"{"msg":"method","id":"1"}"#, 1002), (r#"{"msg":"sub"}"#, 1002)]
        {
            let mut ddp = Ddp::connected(&chat).await;
            ddp.send_text(frame).await;
            assert_eq!(ddp.end().await, code, "{frame}");
        }
        let mut ddp = Ddp::open(&chat).await;
        ddp.send(json!({ "msg": "ping" })).await;
        assert_eq!(ddp.end().await, 1002, "nothing may come before connect");
    }

    #[tokio::test]
    async fn a_repeated_live_id_is_served_again() {
        let (office, mut ddp) = listening(on).await;
        let sub = json!({ "msg": "sub", "id": "same", "name": "stream-room-messages", "params": [office.ops.id, false] });
        for _ in 0..2 {
            ddp.send(sub.clone()).await;
            assert_eq!(ddp.until("ready").await["subs"], json!(["same"]));
        }
    }

    #[tokio::test]
    async fn a_logout_closes_the_connection() {
        let (_office, mut ddp) = listening(on).await;
        ddp.call("logout", json!([])).await;
        assert_eq!(ddp.end().await, 1002);
    }

    #[tokio::test]
    async fn a_silent_client_is_disconnected_with_its_own_code() {
        let heartbeat = Heartbeat { interval: MS(50), timeout: MS(50) };
        let chat = RocketChat::start_with(Options { heartbeat, ..Options::default() }).await.unwrap();
        chat.faults().set(on);
        let mut ddp = Ddp::connected(&chat).await;
        ddp.until("ping").await;
        assert_eq!(ddp.end().await, 4000);
    }
}

mod versions {
    use super::*;
    use crate::wire::{Office, Rest};
    use sandbox::rocketchat::{NewRoom, Options, RocketChat};

    async fn of_version(version: &str) -> Office {
        Office::with_chat(RocketChat::start_with(Options::of_version(version)).await.unwrap())
    }

    #[tokio::test]
    async fn only_meteor_2_sends_its_server_id() {
        let (six, seven) = (of_version("6.13.1").await, of_version("7.7.1").await);
        assert_eq!(Ddp::open(&six.chat).await.next().await, json!({ "server_id": "0" }));
        let mut ddp = Ddp::open(&seven.chat).await;
        ddp.send(json!({ "msg": "connect", "version": "1", "support": ["1"] })).await;
        assert_eq!(ddp.next().await["msg"], "connected");
    }

    #[tokio::test]
    async fn since_9_only_logins_are_left_of_the_methods() {
        for (version, is_there) in [("8.9.0", true), ("9.0.0", false)] {
            let Office { chat, bot, .. } = of_version(version).await;
            let mut ddp = Ddp::connected(&chat).await;
            let token = chat.create_token(&bot).unwrap();
            assert_eq!(ddp.call("login", json!([{ "resume": token }])).await["error"], Value::Null);
            assert_eq!(
                ddp.call("rooms/get", json!([])).await["error"]["error"] != 404,
                is_there,
                "{version}"
            );
        }
    }

    #[tokio::test]
    async fn since_9_a_missing_access_is_forbidden() {
        for (version, status, kind) in [("8.9.0", 400, "Not Allowed"), ("9.0.0", 403, "error-forbidden")] {
            let Office { chat, alice, bot, .. } = of_version(version).await;
            let room = chat.create_room(NewRoom::group("secret").members([&alice])).unwrap();
            let answer = Rest::of(&chat, &bot).get("rooms.info", &[("roomId", &room.id)]).await;
            assert_eq!((answer.status, &answer.body["errorType"]), (status, &json!(kind)));
        }
    }
}
