//! How calls are made: tokens, rate limits, and what each failure means.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::chat::{Chat, client, client_with, logged_out, ok, refused};
use crate::http::MAX_BODY;
use crate::rest::{Failure, RestError};
use crate::{Connector, MessageId, RoomId};

fn me() -> ResponseTemplate {
    ok(json!({"_id": "bot", "username": "signl4.bot", "roles": ["bot"], "success": true}))
}

#[tokio::test]
async fn a_call_sends_the_token_and_its_user() {
    let chat = Chat::without_login().await;
    chat.takes_password("first", 1).await;
    chat.answers("me", "first", me(), 1).await;
    let me = chat.client.me().await.unwrap();
    assert_eq!((me.identity.user_id.as_str(), me.roles, me.active), ("bot", vec!["bot".to_owned()], true));
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_however_many_calls_notice_and_each_call_is_repeated() {
    let chat = Chat::new().await;
    // Ten calls, and the question whether the token is really dead.
    chat.answers("rooms.info", "first", logged_out(), 10).await;
    chat.answers("me", "first", logged_out(), 1).await;
    chat.takes_password("second", 1).await;
    chat.answers("rooms.info", "second", ok(json!({"room": {"_id": "r", "t": "c"}, "success": true})), 10)
        .await;
    let room = RoomId::new("r");
    let rooms = join_all((0..10).map(|_| chat.client.room_by_id(&room))).await;
    assert!(rooms.iter().all(Result::is_ok), "{rooms:?}");
}

#[tokio::test]
async fn a_call_is_made_at_most_twice() {
    let chat = Chat::new().await;
    chat.answers("me", "first", logged_out(), 1).await;
    chat.takes_password("second", 1).await;
    chat.answers("rooms.info", "first", logged_out(), 1).await;
    chat.answers("rooms.info", "second", logged_out(), 1).await;
    let error = chat.client.room_by_id(&RoomId::new("r")).await.unwrap_err();
    assert!(matches!(error, RestError::Unauthorized { .. }), "{error:?}");
}

#[tokio::test]
async fn a_401_with_a_valid_token_is_about_the_call_and_uses_no_password() {
    let chat = Chat::new().await;
    chat.answers(
        "rooms.info",
        "first",
        refused(401, json!({"success": false, "error": "[unauthorized]"})),
        1,
    )
    .await;
    chat.answers("me", "first", me(), 1).await;
    let error = chat.client.room_by_id(&RoomId::new("r")).await.unwrap_err();
    assert!(matches!(&error, RestError::Rejected { status: 401, .. }), "{error:?}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_401_of_a_proxy_neither_renews_the_token_nor_gives_up_the_call() {
    let chat = Chat::new().await;
    chat.answers("rooms.info", "first", ResponseTemplate::new(401).set_body_string("Unauthorized"), 1).await;
    let error = chat.client.room_by_id(&RoomId::new("r")).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_429_closes_its_route_and_no_other_until_the_time_it_names() {
    let chat = Chat::new().await;
    let until = Timestamp::now().as_millisecond() + 40_000;
    let limited = refused(429, json!({"success": false, "error": "Too many [error-too-many-requests]"}))
        .insert_header("X-RateLimit-Reset", until.to_string());
    chat.answers("chat.react", "first", limited, 1).await;
    chat.answers("rooms.info", "first", ok(json!({"room": {"_id": "r", "t": "c"}, "success": true})), 1)
        .await;
    for _ in 0..3 {
        let error = chat.client.react(&MessageId::new("m"), ":eyes:").await.unwrap_err();
        let RestError::RateLimited { wait } = error else { panic!("{error:?}") };
        assert!((1..=60).contains(&wait.as_secs()), "milliseconds, not seconds: {wait:?}");
    }
    chat.client.room_by_id(&RoomId::new("r")).await.unwrap();
}

#[tokio::test]
async fn the_last_call_of_a_window_closes_its_route_before_the_server_must() {
    let chat = Chat::new().await;
    let until = Timestamp::now().as_millisecond() + 40_000;
    let last = ok(json!({"success": true}))
        .insert_header("X-RateLimit-Remaining", "0")
        .insert_header("X-RateLimit-Reset", until.to_string());
    chat.answers("chat.react", "first", last, 1).await;
    chat.client.react(&MessageId::new("m"), ":eyes:").await.unwrap();
    let error = chat.client.react(&MessageId::new("m"), ":eyes:").await.unwrap_err();
    assert!(matches!(error, RestError::RateLimited { .. }), "{error:?}");
}

#[tokio::test]
async fn a_gateways_error_is_retryable_and_its_page_is_not_repeated() {
    for status in [502, 503, 504] {
        let chat = Chat::new().await;
        let page = ResponseTemplate::new(status).set_body_raw("<html>secret inner host</html>", "text/html");
        chat.answers("chat.react", "first", page, 1).await;
        let error = chat.client.react(&MessageId::new("m"), ":eyes:").await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        assert!(error.to_string().contains(&status.to_string()) && !error.to_string().contains("inner"));
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let chat = Chat::new().await;
    let endless = ResponseTemplate::new(200).set_body_bytes(vec![b' '; MAX_BODY + 1]);
    chat.answers("chat.react", "first", endless, 1).await;
    let error = chat.client.react(&MessageId::new("m"), ":eyes:").await.unwrap_err();
    assert_eq!(error.code(), Some("answer-too-large"));
}

#[tokio::test]
async fn a_redirect_is_not_followed_since_it_would_leak_the_token() {
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(me()).expect(0).mount(&elsewhere).await;
    let chat = Chat::new().await;
    let redirect = ResponseTemplate::new(301).insert_header("Location", format!("{}/x", elsewhere.uri()));
    chat.answers("me", "first", redirect, 1).await;
    let error = chat.client.me().await.unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");
}

fn closed_port() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", socket.local_addr().unwrap())
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let error = client(&closed_port()).me().await.unwrap_err();
    assert!(matches!(&error, RestError::Unavailable { failure: Some(Failure::Refused), .. }), "{error:?}");
}

#[tokio::test]
async fn each_failed_call_is_reported_to_the_hook() {
    let codes = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&codes);
    let connector =
        Connector::new("test").unwrap().on_http_error(move |code| hook.lock().unwrap().push(code.to_owned()));
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).mount(&server).await;
    client_with(&server.uri(), connector.clone()).server_version().await.unwrap_err();
    client_with(&closed_port(), connector).server_version().await.unwrap_err();
    assert_eq!(*codes.lock().unwrap(), ["503", "connect"]);
}

/// What a call meets on a server that takes the login, and then does this with the next connection.
async fn after_login<F>(serve: impl FnOnce(TcpStream) -> F) -> RestError
where
    F: Future<Output = ()>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let (login, ()) = tokio::join!(client.account().log_in(), async {
        let mut stream = request(&listener).await;
        let body = r#"{"status":"success","data":{"userId":"bot","authToken":"first"}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).await.unwrap();
    });
    login.unwrap();
    let message = MessageId::new("m");
    let (outcome, ()) = tokio::join!(client.react(&message, ":eyes:"), async {
        serve(request(&listener).await).await;
    });
    outcome.unwrap_err()
}

/// The next connection, its request read.
async fn request(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut chunk = [0; 1024];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0);
        request.extend_from_slice(&chunk[..read]);
    }
    stream
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_tried_again() {
    let error = after_login(|stream| async move { drop(stream) }).await;
    assert!(error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_call_without_an_answer_times_out() {
    let error = after_login(|open| async move {
        // From here on nothing but the clock moves.
        tokio::time::pause();
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        drop(open);
    })
    .await;
    assert!(error.is_retryable() && error.to_string().contains("in time"), "{error:?}");
}

#[tokio::test]
async fn the_server_says_its_version_without_a_login() {
    let chat = Chat::without_login().await;
    for (body, version) in [
        (json!({"version": "8.0", "success": true}), Some("8.0")),
        (json!({"info": {"version": "6.5"}, "success": true}), Some("6.5")),
        (json!({"success": true}), None),
    ] {
        let info = Mock::given(path("/api/info")).respond_with(ok(body)).mount_as_scoped(&chat.server).await;
        assert_eq!(chat.client.server_version().await.unwrap().as_deref(), version);
        drop(info);
    }
}
