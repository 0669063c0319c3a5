//! Limits on the number of calls. The windows are long enough for a slow machine.

use std::time::Duration;

use sandbox::rocketchat::{Limit, Limits, Options, RocketChat};
use serde_json::json;

use crate::wire::{Ddp, Office, Rest};

/// An office whose limits are those given.
async fn limited(limits: Limits) -> Office {
    Office::with_chat(RocketChat::start_with(Options { limits, ..Options::default() }).await.unwrap())
}

const HOUR: u64 = 3600;

#[tokio::test]
async fn the_default_limits_are_those_of_rocket_chat() {
    assert_eq!(
        Limits::default(),
        Limits {
            logins: Some(Limit::per_seconds(5, 10)),
            methods: Some(Limit::per_seconds(10, 10)),
            all_methods: Some(Limit::per_seconds(600, 60)),
            rest: Some(Limit::per_seconds(10, 60)),
        }
    );
}

#[tokio::test]
async fn rest_calls_of_a_route_are_limited_for_a_user_and_not_for_a_bot() {
    let limits = Limits { rest: Some(Limit::per_seconds(3, HOUR)), ..Limits::OFF };
    let Office { chat, alice, bot, .. } = limited(limits).await;
    let rest = Rest::of(&chat, &alice);
    for left in ["2", "1", "0"] {
        let answer = rest.get("me", &[]).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, left));
        assert_eq!(answer.header("x-ratelimit-limit"), "3");
    }
    let refused = rest.get("me", &[]).await;
    assert_eq!((refused.status, refused.body["success"].clone()), (429, json!(false)));
    assert!(refused.body["error"].as_str().unwrap().ends_with("[error-too-many-requests]"));
    let reset: i64 = refused.header("x-ratelimit-reset").parse().unwrap();
    let in_an_hour = chat.now() + 3_600_000;
    assert!((in_an_hour - 60_000..=in_an_hour).contains(&reset), "{reset}");
    assert_eq!(rest.get("rooms.get", &[]).await.status, 200, "another route has its own window");
    let of_bot = Rest::of(&chat, &bot);
    for _ in 0..10 {
        let answer = of_bot.get("me", &[]).await;
        assert_eq!((answer.status, answer.header("x-ratelimit-remaining")), (200, ""));
    }
    chat.deny(&bot, "api-bypass-rate-limit").unwrap();
    assert_eq!(of_bot.get("me", &[]).await.status, 429, "the window is that of the address");
}

#[tokio::test]
async fn refused_calls_without_a_login_are_not_counted() {
    let limits = Limits { rest: Some(Limit::per_seconds(1, HOUR)), ..Limits::OFF };
    let Office { chat, alice, .. } = limited(limits).await;
    for _ in 0..3 {
        assert_eq!(Rest::nobody(&chat).get("me", &[]).await.status, 401);
    }
    assert_eq!(Rest::of(&chat, &alice).get("me", &[]).await.status, 200);
    assert_eq!(Rest::nobody(&chat).get("../info", &[]).await.status, 200);
    assert_eq!(Rest::nobody(&chat).get("../info", &[]).await.status, 200, "it has no limit");
}

#[tokio::test]
async fn rest_logins_are_counted_like_any_route() {
    let limits = Limits { rest: Some(Limit::per_seconds(2, HOUR)), ..Limits::OFF };
    let Office { chat, .. } = limited(limits).await;
    let body = json!({ "user": "alice", "password": "alice's secret" });
    let rest = Rest::nobody(&chat);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(rest.post("login", body.clone()).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn the_logins_of_a_session_are_limited() {
    let limits = Limits { logins: Some(Limit::per_seconds(2, HOUR)), ..Limits::OFF };
    let Office { chat, .. } = limited(limits).await;
    let mut ddp = Ddp::connected(&chat).await;
    for _ in 0..2 {
        assert_eq!(ddp.call("login", json!([{ "resume": "wrong" }])).await["error"]["error"], 403);
    }
    let refused = ddp.call("login", json!([{ "resume": "wrong" }])).await["error"].take();
    assert_eq!(refused["error"], "too-many-requests");
    let reset = refused["details"]["timeToReset"].as_u64().unwrap();
    assert!((3_540_000..=3_600_000).contains(&reset), "{reset}");
    let other = Ddp::connected(&chat).await.call("login", json!([{ "resume": "wrong" }])).await;
    assert_eq!(other["error"]["error"], 403, "another connection has its own window");
}

#[tokio::test]
async fn a_method_is_limited_by_its_name_and_a_stream_gets_four_times_as_many() {
    let limits = Limits { methods: Some(Limit::per_seconds(2, HOUR)), ..Limits::OFF };
    let Office { chat, bot, ops, .. } = limited(limits).await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    for error in [None, None, Some("too-many-requests")] {
        let answer = ddp.call("rooms/get", json!([])).await;
        assert_eq!(answer["error"]["error"].as_str(), error);
    }
    assert_eq!(ddp.call("subscriptions/get", json!([])).await.get("error"), None);
    for _ in 0..8 {
        assert_eq!(ddp.subscribe("stream-room-messages", &ops.id).await["msg"], "ready");
    }
    let refused = ddp.subscribe("stream-room-messages", &ops.id).await;
    assert_eq!((&refused["msg"], &refused["error"]["error"]), (&json!("nosub"), &json!("too-many-requests")));
}

#[tokio::test]
async fn all_methods_of_a_session_together_are_limited_too() {
    let limits = Limits { all_methods: Some(Limit::per_seconds(3, HOUR)), ..Limits::OFF };
    let Office { chat, bot, .. } = limited(limits).await;
    let mut ddp = Ddp::logged_in(&chat, &bot).await;
    ddp.hear_all().await;
    assert_eq!(ddp.call("rooms/get", json!([])).await.get("error"), None);
    let refused = ddp.call("subscriptions/get", json!([])).await;
    assert_eq!(refused["error"]["error"], "too-many-requests");
}

#[tokio::test]
async fn an_expired_window_starts_over() {
    let window = Duration::from_millis(200);
    let limits = Limits { rest: Some(Limit { calls: 1, window }), ..Limits::OFF };
    let Office { chat, alice, .. } = limited(limits).await;
    let rest = Rest::of(&chat, &alice);
    rest.get("me", &[]).await;
    let again = async { while rest.get("me", &[]).await.status != 200 {} };
    tokio::time::timeout(crate::wire::SOON, again).await.unwrap();
}
