use std::sync::Arc;

use super::*;
use crate::account::Login;
use crate::{Identity, UserId};

/// The debug form of a decoded frame.
fn read(text: &str) -> String {
    match ServerFrame::decode(text) {
        Ok(frame) => format!("{frame:?}"),
        Err(error) => format!("Err({error})"),
    }
}

fn decode(frame: Value) -> ServerFrame {
    ServerFrame::decode(&frame.to_string()).unwrap()
}

fn refused(frame: Value) -> DdpError {
    match decode(frame) {
        ServerFrame::Result { outcome: Err(error), .. } | ServerFrame::Nosub { error: Some(error), .. } => {
            error
        }
        other => panic!("{other:?}"),
    }
}

fn resume(token: &str) -> LoginRequest {
    let identity = Identity { user_id: UserId::new("u1"), username: "signl4.bot".into() };
    LoginRequest::Resume(Arc::new(Login { identity, token: SecretString::from(token) }))
}

fn password(username: &str) -> LoginRequest {
    LoginRequest::Password { username: username.into(), digest: SecretString::from("d1ge5t") }
}

#[test]
fn every_sent_frame_has_the_form_that_ddp_requires() {
    for (frame, json) in [
        (connect(), json!({"msg": "connect", "version": "1", "support": ["1"]})),
        (
            login("7", &resume("t0k3n")),
            json!({"msg": "method", "method": "login", "id": "7", "params": [{"resume": "t0k3n"}]}),
        ),
        (
            login("7", &password("signl4.bot")),
            json!({"msg": "method", "method": "login", "id": "7", "params": [{
                "user": {"username": "signl4.bot"}, "password": {"digest": "d1ge5t", "algorithm": "sha-256"},
            }]}),
        ),
        (
            login("7", &password("bot@example.com")),
            json!({"msg": "method", "method": "login", "id": "7", "params": [{
                "user": {"email": "bot@example.com"}, "password": {"digest": "d1ge5t", "algorithm": "sha-256"},
            }]}),
        ),
        (
            sub("7", "stream-room-messages", "GENERAL"),
            json!({"msg": "sub", "id": "7", "name": "stream-room-messages", "params": ["GENERAL", false]}),
        ),
        (ping(), json!({"msg": "ping"})),
        (pong(None), json!({"msg": "pong"})),
        (pong(Some("7".to_owned())), json!({"msg": "pong", "id": "7"})),
    ] {
        assert_eq!(frame, json);
    }
}

#[test]
fn debug_output_has_no_credentials() {
    for login in [resume("t0k3n"), password("signl4.bot")] {
        let text = format!("{login:?}");
        assert!(!text.contains("t0k3n") && !text.contains("d1ge5t"), "{text}");
    }
}

#[test]
fn every_frame_of_ddp_is_recognized() {
    for (text, meaning) in [
        (r#"{"msg":"connected","session":"s"}"#, "Connected"),
        (r#"{"msg":"failed","version":"1"}"#, "Failed"),
        (r#"{"msg":"ping"}"#, "Ping { id: None }"),
        (r#"{"msg":"ping","id":"a"}"#, r#"Ping { id: Some("a") }"#),
        (r#"{"msg":"ready","subs":["1","2"]}"#, r#"Ready { subs: ["1", "2"] }"#),
        (r#"{"msg":"nosub","id":"1"}"#, r#"Nosub { id: "1", error: None }"#),
        (r#"{"msg":"nosub","id":"1","error":null}"#, r#"Nosub { id: "1", error: None }"#),
        // The streamer omits an empty result.
        (r#"{"msg":"result","id":"1"}"#, r#"Result { id: "1", outcome: Ok(Null) }"#),
        (r#"{"msg":"result","id":"1","result":7}"#, r#"Result { id: "1", outcome: Ok(Number(7)) }"#),
        (r#"{"msg":"error","reason":"Bad request"}"#, r#"Error { reason: "Bad request" }"#),
        (r#"{"msg":"error"}"#, r#"Error { reason: "" }"#),
        (
            r#"{"msg":"changed","collection":"stream-room-messages","id":"id","fields":{"eventName":"r","args":[1]}}"#,
            r#"Changed { stream: "stream-room-messages", event: "r", args: [Number(1)] }"#,
        ),
        (
            r#"{"msg":"changed","collection":"stream-notify-user","id":"id","fields":{"eventName":"u/force_logout"}}"#,
            r#"Changed { stream: "stream-notify-user", event: "u/force_logout", args: [] }"#,
        ),
    ] {
        assert_eq!(read(text), meaning, "{text}");
    }
}

#[test]
fn frames_that_are_not_needed_are_no_error() {
    for text in [
        r#"{"server_id":"0"}"#,
        r#"{"msg":"server_id","server_id":"0"}"#,
        r#"{"msg":"pong"}"#,
        r#"{"msg":"updated","methods":["1"]}"#,
        r#"{"msg":"added","collection":"users","id":"u","fields":{}}"#,
        r#"{"msg":"removed","collection":"users","id":"u"}"#,
        r#"{"msg":"changed","collection":"users","id":"u"}"#,
        r#"{"msg":"changed","collection":"users","id":"u","fields":{"name":"x"}}"#,
        r#"{"msg":"something-newer","a":[1]}"#,
    ] {
        assert_eq!(read(text), "Other", "{text}");
    }
}

#[test]
fn an_unreadable_frame_is_a_named_error() {
    for (text, error) in [
        ("", "not JSON"),
        ("o", "not JSON"),
        (r#"{"msg":"pong""#, "not JSON"),
        (r#"a["{\"msg\":\"pong\"}"]"#, "not JSON"),
        ("[]", "not an object"),
        ("null", "not an object"),
        ("{}", r#"no "msg""#),
        (r#"{"msg":7}"#, r#"no "msg""#),
        (r#"{"msg":"result"}"#, r#"no "id""#),
        (r#"{"msg":"nosub","id":{}}"#, r#"no "id""#),
        (r#"{"msg":"ready"}"#, r#"no "subs""#),
        (r#"{"msg":"ready","subs":"1"}"#, r#"no "subs""#),
        (r#"{"msg":"changed","fields":{}}"#, r#"no "collection""#),
        (r#"{"msg":"changed","collection":"c","fields":{"eventName":"r","args":{}}}"#, r#"no "args""#),
    ] {
        assert_eq!(read(text), format!("Err({error})"), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(read(&deep), "Err(not JSON)");
}

#[test]
fn an_error_is_read_in_every_form() {
    let error = |error: Value| refused(json!({"msg": "result", "id": "1", "error": error}));
    let full = error(json!({
        "isClientSafe": true, "error": 403, "reason": "Incorrect password",
        "message": "Incorrect password [403]", "errorType": "Meteor.Error",
    }));
    assert_eq!((full.code.as_str(), full.reason.as_str()), ("403", "Incorrect password"));
    assert_eq!(full.to_string(), "Incorrect password (403)");

    assert_eq!(error(json!({"error": "not-allowed"})).to_string(), "not-allowed");
    assert_eq!(error(json!({"error": 500, "message": "broken"})).to_string(), "broken (500)");
    assert_eq!(error(json!("not-allowed")).code, "not-allowed");
    assert_eq!(error(json!(404)).code, "404");
    for odd in [json!({}), json!([]), json!(true), json!({"error": {"error": 1}})] {
        assert_eq!(error(odd.clone()).code, "", "{odd}");
    }
    assert_eq!(error(json!({"error": 1, "reason": "ü".repeat(1_000)})).reason.chars().count(), 200);
}

#[test]
fn too_many_requests_say_how_long_to_wait_in_results_and_in_nosubs() {
    let wait = |frame: Value| {
        let error = refused(frame);
        assert!(error.is_rate_limit() && !error.is_refusal());
        error.time_to_reset
    };
    let error =
        |details: Value| json!({"error": "too-many-requests", "reason": "slow down", "details": details});
    let reported = Some(Duration::from_millis(8_500));
    let given = json!({"timeToReset": 8_500});
    assert_eq!(wait(json!({"msg": "result", "id": "1", "error": error(given.clone())})), reported);
    assert_eq!(wait(json!({"msg": "nosub", "id": "1", "error": error(given)})), reported);
    for absurd in
        [json!({}), json!({"timeToReset": -1}), json!({"timeToReset": 1e300}), json!(null), json!("x")]
    {
        assert_eq!(
            wait(json!({"msg": "nosub", "id": "1", "error": error(absurd.clone())})),
            None,
            "{absurd}"
        );
    }
    let endless = error(json!({"timeToReset": 80_000_000}));
    let longest = Some(Duration::from_secs(15 * 60));
    assert_eq!(wait(json!({"msg": "nosub", "id": "1", "error": endless})), longest, "not most of a day");
}

#[test]
fn a_refusal_is_distinguished_from_a_starting_server() {
    let is_refusal =
        |code: Value| refused(json!({"msg": "nosub", "id": "1", "error": {"error": code}})).is_refusal();
    for code in [json!("not-allowed"), json!("error-not-allowed"), json!(403), json!("unauthorized")] {
        assert!(is_refusal(code.clone()), "{code}");
    }
    for code in [json!(404), json!(500), json!("too-many-requests"), json!("publication-client-disconnected")]
    {
        assert!(!is_refusal(code.clone()), "{code}");
    }
}

#[test]
fn a_login_result_has_the_user_and_maybe_a_token() {
    let (user, token) = login_result(&json!({
        "id": "u1", "token": "t", "tokenExpires": {"$date": 1_700_000_000_000_i64}, "type": "resume",
    }))
    .unwrap();
    assert_eq!((user.as_str(), token.unwrap().expose_secret()), ("u1", "t"));
    assert!(login_result(&json!({"id": "u1"})).unwrap().1.is_none());
    for nobody in [Value::Null, json!({}), json!({"id": ""}), json!({"id": 7}), json!("u1")] {
        assert!(login_result(&nobody).is_none(), "{nobody}");
    }
}

#[test]
fn a_frame_of_megabytes_is_read() {
    let text = "x".repeat(5_000_000);
    let frame = json!({
        "msg": "changed", "collection": "stream-room-messages", "id": "id",
        "fields": {"eventName": "r", "args": [{"msg": text}]},
    });
    let ServerFrame::Changed { args, .. } = decode(frame) else { panic!() };
    assert_eq!(args[0]["msg"].as_str().map(str::len), Some(5_000_000));
}

#[test]
fn half_of_a_surrogate_pair_costs_no_frame() {
    let frame = r#"{"msg":"changed","collection":"c","fields":{"eventName":"e","args":["SIGNL4 \ud83d"]}}"#;
    assert!(read(frame).contains(r#"args: [String("SIGNL4 �")]"#), "{}", read(frame));
}
