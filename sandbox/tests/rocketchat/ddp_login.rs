//! The realtime handshake, and logging in and out.

use std::time::Duration;

use sandbox::rocketchat::{NewUser, Options, Refusal, RocketChat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::wire::{Ddp, Office, SOON};

fn digest(password: &str) -> String {
    Sha256::digest(password).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn password_login(username: &str, password: &str) -> Value {
    json!([{
        "user": { "username": username },
        "password": { "digest": digest(password), "algorithm": "sha-256" },
    }])
}

#[tokio::test]
async fn connect_is_answered_with_a_session() {
    let chat = RocketChat::start().await.unwrap();
    let answer = Ddp::open(&chat).await.connect().await;
    assert_eq!(answer["session"].as_str().unwrap().len(), 17);
}

#[tokio::test]
async fn the_prefix_applies_to_the_realtime_path_too() {
    let chat =
        RocketChat::start_with(Options { prefix: "/chat".into(), ..Options::default() }).await.unwrap();
    assert!(chat.url().ends_with("/chat"));
    Ddp::connected(&chat).await;
}

#[tokio::test]
async fn an_unsupported_version_fails_and_the_connection_ends() {
    let chat = RocketChat::start().await.unwrap();
    let mut ddp = Ddp::open(&chat).await;
    ddp.send(json!({ "msg": "connect", "version": "pre2", "support": ["pre2"] })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "failed", "version": "1" }));
    assert_eq!(ddp.next_or_end().await, None);
}

#[tokio::test]
async fn connect_must_come_first() {
    let chat = RocketChat::start().await.unwrap();
    let mut ddp = Ddp::open(&chat).await;
    ddp.send(json!({ "msg": "ping" })).await;
    let answer = ddp.next().await;
    assert_eq!((&answer["msg"], &answer["reason"]), (&json!("error"), &json!("Must connect first")));
    ddp.connect().await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_id_and_without_one_with_none() {
    let chat = RocketChat::start().await.unwrap();
    let mut ddp = Ddp::connected(&chat).await;
    ddp.send(json!({ "msg": "ping", "id": "a" })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "pong", "id": "a" }));
    ddp.send(json!({ "msg": "ping" })).await;
    assert_eq!(ddp.next().await, json!({ "msg": "pong" }));
}

#[tokio::test]
async fn the_monolith_answers_unreadable_frames_and_continues() {
    let chat = RocketChat::start().await.unwrap();
    let mut ddp = Ddp::connected(&chat).await;
    ddp.send_text("{").await;
    assert_eq!(ddp.next().await, json!({ "msg": "error", "reason": "Parse error" }));
    ddp.send(json!({ "msg": "sub", "id": "s" })).await;
    let answer = ddp.next().await;
    assert_eq!(answer["reason"], "Malformed subscription");
    assert_eq!(answer["offendingMessage"]["id"], "s");
    assert!(ddp.is_silent().await);
}

#[tokio::test]
async fn a_token_logs_in_and_the_session_learns_who_it_is() {
    let Office { chat, bot, .. } = Office::open().await;
    let (token, expires) = chat.create_login(&bot).unwrap();
    let mut ddp = Ddp::connected(&chat).await;
    ddp.send(json!({ "msg": "method", "id": "1", "method": "login", "params": [{ "resume": token }] })).await;
    let added = ddp.next().await;
    assert_eq!((&added["msg"], &added["collection"]), (&json!("added"), &json!("users")));
    assert_eq!((&added["id"], &added["fields"]["username"]), (&json!(bot.id), &json!("signl4.bot")));
    let expected =
        json!({ "id": bot.id, "token": token, "tokenExpires": { "$date": expires }, "type": "resume" });
    assert_eq!(ddp.next().await, json!({ "msg": "result", "id": "1", "result": expected }));
    assert_eq!(ddp.next().await, json!({ "msg": "updated", "methods": ["1"] }));
    assert_eq!(chat.sessions_of(&bot), 1);
}

#[tokio::test]
async fn a_password_logs_in_as_a_digest_and_gives_a_new_token() {
    let Office { chat, bot, .. } = Office::open().await;
    let mut ddp = Ddp::connected(&chat).await;
    let answer = ddp.call("login", password_login("SIGNL4.bot", "the bot's secret")).await;
    let token = answer["result"]["token"].as_str().unwrap();
    assert_eq!(answer["result"]["type"], "password");
    assert_eq!(chat.tokens(&bot), [token]);
    let mut other = Ddp::connected(&chat).await;
    let answer = other.call("login", json!([{ "resume": token }])).await;
    assert_eq!(answer["result"]["id"], bot.id.as_str());
    assert_eq!(chat.sessions_of(&bot), 2);
}

#[tokio::test]
async fn a_refused_login_says_why() {
    let Office { chat, alice, bot, .. } = Office::open().await;
    chat.create_user("tokens.only").unwrap();
    chat.set_active(&alice, false).unwrap();
    let (old, _) = chat.create_login(&bot).unwrap();
    chat.expire_tokens(&bot).unwrap();
    for (params, error, reason) in [
        (password_login("nobody", "x"), json!(403), "User not found"),
        (password_login("signl4.bot", "wrong"), json!(403), "Incorrect password"),
        (password_login("tokens.only", "x"), json!(403), "User has no password set"),
        (
            password_login("alice", "alice's secret"),
            json!("error-user-is-not-activated"),
            "User is not activated",
        ),
        (json!([{ "saml": true }]), json!(400), "Unrecognized options for login request"),
        (json!([{ "resume": old }]), json!(403), "Your session has expired. Please log in again."),
        (
            json!([{ "resume": "no such token" }]),
            json!(403),
            "You've been logged out by the server. Please log in again.",
        ),
    ] {
        // One session each: a session may only try so often.
        let answer = Ddp::connected(&chat).await.call("login", params.clone()).await;
        assert_eq!(
            (&answer["error"]["error"], &answer["error"]["reason"]),
            (&error, &json!(reason)),
            "{params}"
        );
        assert_eq!(answer.get("result"), None);
    }
    assert_eq!(chat.sessions_of(&bot) + chat.sessions_of(&alice), 0);
}

#[tokio::test]
async fn only_fifty_login_tokens_are_kept_and_personal_ones_do_not_count() {
    let Office { chat, bot, .. } = Office::open().await;
    let personal = chat.create_token(&bot).unwrap();
    let (first, _) = chat.create_login(&bot).unwrap();
    for _ in 0..50 {
        chat.create_login(&bot).unwrap();
    }
    let tokens = chat.tokens(&bot);
    assert_eq!(tokens.len(), 51);
    assert!(tokens.contains(&personal) && !tokens.contains(&first));
}

#[tokio::test]
async fn logging_out_invalidates_the_token_and_ends_its_other_sessions() {
    let Office { chat, bot, .. } = Office::open().await;
    let (token, _) = chat.create_login(&bot).unwrap();
    let login = json!([{ "resume": token }]);
    let mut one = Ddp::connected(&chat).await;
    let mut other = Ddp::connected(&chat).await;
    one.call("login", login.clone()).await;
    other.call("login", login.clone()).await;
    let answer = one.call("logout", json!([])).await;
    assert_eq!((answer.get("result"), answer.get("error")), (None, None));
    assert_eq!(other.end().await, 1000);
    assert_eq!(one.call("login", login).await["error"]["error"], 403);
}

#[tokio::test]
async fn a_revoked_token_ends_its_sessions_and_an_expired_one_does_not() {
    let Office { chat, bot, .. } = Office::open().await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await.skip_pending().await;
    chat.expire_tokens(&bot).unwrap();
    assert!(ddp.is_silent().await);
    chat.revoke_tokens(&bot).unwrap();
    assert_eq!(ddp.end().await, 1000);
}

#[tokio::test]
async fn planned_refusals_apply_only_to_the_next_logins() {
    let Office { chat, bot, .. } = Office::open().await;
    let token = chat.create_token(&bot).unwrap();
    chat.faults().refuse_logins(2, Refusal::meteor("totp-required", "TOTP Required"));
    let mut ddp = Ddp::connected(&chat).await;
    for _ in 0..2 {
        let answer = ddp.call("login", json!([{ "resume": token }])).await;
        assert_eq!(answer["error"]["error"], "totp-required");
        assert_eq!(answer["error"]["message"], "TOTP Required [totp-required]");
    }
    assert_eq!(ddp.call("login", json!([{ "resume": token }])).await["result"]["id"], bot.id.as_str());
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_answered_404() {
    let chat = RocketChat::start().await.unwrap();
    let answer = Ddp::connected(&chat).await.call("dance", json!([])).await;
    assert_eq!(answer["error"]["error"], 404);
    assert_eq!(answer["error"]["message"], "Method 'dance' not found [404]");
    assert_eq!(answer["error"]["errorType"], "Meteor.Error");
}

#[tokio::test]
async fn a_silent_client_is_pinged_and_then_disconnected() {
    let mut options = Options::default();
    options.heartbeat.interval = Duration::from_millis(50);
    options.heartbeat.timeout = Duration::from_millis(50);
    let chat = RocketChat::start_with(options).await.unwrap();
    let mut ddp = Ddp::connected(&chat).await;
    assert_eq!(ddp.next().await, json!({ "msg": "ping" }));
    assert_eq!(ddp.end().await, 1000);
}

#[tokio::test]
async fn a_close_frame_is_answered_with_its_code() {
    let chat = RocketChat::start().await.unwrap();
    let mut ddp = Ddp::connected(&chat).await;
    ddp.close(1000).await;
    assert_eq!(ddp.end().await, 1000);
}

#[tokio::test]
async fn a_waiter_sees_sessions_open_and_close() {
    let chat = RocketChat::start().await.unwrap();
    let bot = chat.create_user(NewUser::bot("signl4.bot")).unwrap();
    let (waiting, who) = (chat.clone(), bot.clone());
    let came = tokio::spawn(async move {
        waiting.wait_for(SOON, |chat| (chat.sessions_of(&who) == 1).then_some(())).await
    });
    let ddp = Ddp::logged_in(&chat, &bot).await;
    came.await.unwrap().unwrap();
    drop(ddp);
    chat.wait_for(SOON, |chat| (chat.sessions_of(&bot) == 0).then_some(())).await.unwrap();
}
