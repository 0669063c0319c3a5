//! The way in: connect, ping, login.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::*;
use super::talk::{Talk, lost};
use crate::UserId;

#[test]
fn connect_comes_before_everything_even_before_the_answer_to_an_early_ping() {
    let mut talk = Talk::new();
    talk.hear(json!({"server_id": "0"}));
    talk.hear(json!({"msg": "server_id", "server_id": "0"}));
    talk.hear(json!({"msg": "ping"}));
    assert_eq!(
        talk.said(),
        [json!({"msg": "connect", "version": "1", "support": ["1"]}), json!({"msg": "pong"})]
    );
}

#[test]
fn a_ping_is_answered_with_its_id_at_any_time() {
    for mut talk in [Talk::subscribing(), Talk::online()] {
        talk.said();
        talk.hear(json!({"msg": "ping", "id": "a"}));
        talk.hear(json!({"msg": "ping"}));
        assert_eq!(talk.said(), [json!({"msg": "pong", "id": "a"}), json!({"msg": "pong"})]);
    }
}

#[test]
fn nothing_is_asked_for_before_the_server_has_let_it_in() {
    let mut talk = Talk::new();
    talk.said();
    talk.hear(json!({"msg": "ready", "subs": ["1", "2"]}));
    talk.hear(json!({"msg": "result", "id": "", "result": {"id": "bot"}}));
    assert!(talk.said().is_empty());
    talk.hear(json!({"msg": "connected", "session": "s"}));
    assert_eq!(
        talk.said(),
        [json!({"msg": "method", "method": "login", "id": "1", "params": [{"resume": "t0k3n"}]})]
    );
    talk.hear(json!({"msg": "connected", "session": "s"}));
    assert!(talk.said().is_empty(), "logs in once");
}

#[test]
fn a_login_is_followed_by_subscriptions_with_ids_of_their_own() {
    let mut talk = Talk::subscribing();
    let said = talk.said();
    let subs: Vec<_> = said[2..].iter().map(|frame| (&frame["name"], &frame["params"])).collect();
    assert_eq!(
        subs,
        [
            (&json!("stream-room-messages"), &json!(["__my_messages__", false])),
            (&json!("stream-notify-user"), &json!(["bot/force_logout", false])),
            (&json!("stream-notify-user"), &json!(["bot/subscriptions-changed", false])),
            (&json!("stream-notify-user"), &json!(["bot/rooms-changed", false])),
        ]
    );
    let mut ids: Vec<_> = said[1..].iter().map(|frame| frame["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn updated_may_come_before_the_result_or_after_it() {
    for updated_first in [true, false] {
        let mut talk = Talk::new();
        talk.hear(json!({"msg": "connected"}));
        let mut frames = vec![
            json!({"msg": "result", "id": "1", "result": {"id": "bot", "token": "t0k3n"}}),
            json!({"msg": "updated", "methods": ["1"]}),
        ];
        if updated_first {
            frames.reverse();
        }
        frames.into_iter().for_each(|frame| talk.hear(frame));
        assert_eq!(talk.sub_ids().len(), 4);
        talk.hear(json!({"msg": "result", "id": "1", "result": {"id": "bot"}}));
        assert!(talk.said().is_empty(), "a result counts once");
    }
}

#[test]
fn results_of_other_ids_are_not_the_logins() {
    let mut talk = Talk::new();
    talk.hear(json!({"msg": "connected"}));
    talk.hear(json!({"msg": "result", "id": "99", "error": {"error": 403}}));
    talk.hear(json!({"msg": "result", "id": "1", "result": {"id": "bot"}}));
    assert_eq!(talk.sub_ids().len(), 4);
}

#[test]
fn only_the_answer_to_connect_can_be_failed() {
    let mut talk = Talk::new();
    assert_eq!(lost(talk.end(json!({"msg": "failed", "version": "pre2"}))), LostReason::ConnectFailed);
    for mut talk in [Talk::subscribing(), Talk::online()] {
        talk.hear(json!({"msg": "failed", "version": "1"}));
    }
}

#[test]
fn a_refused_token_is_doubted_and_only_the_account_says_what_follows() {
    for code in [json!(403), json!("403"), json!(401)] {
        let mut talk = Talk::new();
        talk.hear(json!({"msg": "connected"}));
        let reason = "You've been logged out by the server. Please log in again.";
        let end = talk.end(json!({"msg": "result", "id": "1", "error": {"error": code, "reason": reason}}));
        assert!(matches!(end, End::TokenRefused(words) if words == reason));
    }
}

#[test]
fn every_refusal_of_a_login_is_sorted_by_what_helps() {
    let end = |mut talk: Talk, error: Value| {
        talk.hear(json!({"msg": "connected"}));
        talk.end(json!({"msg": "result", "id": "1", "error": error}))
    };
    let refused = |error: Value| end(Talk::with_password(), error);

    for reason in
        ["Incorrect password", "User not found", "Something went wrong. Please check your credentials."]
    {
        let end = refused(json!({"error": 403, "reason": reason}));
        assert!(matches!(&end, End::Fatal(Fatal::Refused(words)) if words == reason), "{end:?}");
    }
    for code in ["error-user-is-not-activated", "error-app-user-is-not-allowed-to-login"] {
        for talk in [Talk::new(), Talk::with_password()] {
            let end = end(talk, json!({"error": code, "reason": "No"}));
            assert!(matches!(end, End::Fatal(Fatal::Refused(_))), "{code}: {end:?}");
        }
    }
    for code in ["totp-required", "totp-invalid", "TOTP Required"] {
        assert!(matches!(refused(json!({"error": code})), End::Fatal(Fatal::SecondFactor)), "{code}");
    }
    // A streamer that takes no password says so of a right one too.
    let streamer =
        refused(json!({"error": 403, "reason": "You've been logged out by the server. Please log in again"}));
    assert_eq!(lost(streamer).name(), "login");
    for code in ["error-login-blocked-for-user", "error-login-blocked-for-ip"] {
        let wait = Some(Duration::from_secs(60));
        assert_eq!(lost(refused(json!({"error": code}))), LostReason::RateLimited { wait });
    }
    for talk in [Talk::new(), Talk::with_password()] {
        let error = json!({"error": "too-many-requests", "details": {"timeToReset": 7_250}});
        let wait = Some(Duration::from_millis(7_250));
        assert_eq!(lost(end(talk, error)), LostReason::RateLimited { wait });
    }
    for error in [json!({"error": 500, "reason": "Internal server error"}), json!({"error": 400}), json!({})]
    {
        for talk in [Talk::new(), Talk::with_password()] {
            assert_eq!(lost(end(talk, error.clone())).name(), "login", "{error}");
        }
    }
}

#[test]
fn a_login_without_a_user_breaks_the_protocol() {
    let mut talk = Talk::new();
    talk.hear(json!({"msg": "connected"}));
    assert_eq!(lost(talk.end(json!({"msg": "result", "id": "1"}))).name(), "protocol");
}

#[test]
fn a_token_of_somebody_else_is_fatal() {
    let mut talk = Talk::new();
    talk.hear(json!({"msg": "connected"}));
    let end = talk.end(json!({"msg": "result", "id": "1", "result": {"id": "alice", "token": "t0k3n"}}));
    assert!(matches!(end, End::Fatal(Fatal::WrongUser { actual, .. }) if actual == UserId::new("alice")));
}

#[test]
fn a_password_login_leaves_its_token_for_rest() {
    let mut talk = Talk::with_password();
    talk.hear(json!({"msg": "connected"}));
    talk.hear(json!({"msg": "result", "id": "1", "result": {"id": "bot", "token": "fr35h"}}));
    let identity = talk.account.identity().unwrap();
    assert_eq!((identity.user_id.as_str(), identity.username.as_str()), ("bot", "signl4.bot"));
    let LoginRequest::Resume(login) = now(talk.account.login_request()).unwrap() else { panic!() };
    assert_eq!(login.token.expose_secret(), "fr35h");
}

/// The outcome of what is ready at once.
fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match work.as_mut().poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
