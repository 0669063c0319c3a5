//! Connect, ping, login.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::super::*;
use super::harness::Conversation;
use crate::UserId;

#[test]
fn connect_comes_before_everything_even_before_the_answer_to_an_early_ping() {
    let mut conversation = Conversation::new();
    conversation.receive(json!({"server_id": "0"}));
    conversation.receive(json!({"msg": "server_id", "server_id": "0"}));
    conversation.receive(json!({"msg": "ping"}));
    assert_eq!(
        conversation.sent(),
        [json!({"msg": "connect", "version": "1", "support": ["1"]}), json!({"msg": "pong"})]
    );
}

#[test]
fn a_ping_is_answered_with_its_id_at_any_time() {
    for mut conversation in [Conversation::subscribing(), Conversation::online()] {
        conversation.sent();
        conversation.receive(json!({"msg": "ping", "id": "a"}));
        conversation.receive(json!({"msg": "ping"}));
        assert_eq!(conversation.sent(), [json!({"msg": "pong", "id": "a"}), json!({"msg": "pong"})]);
    }
}

#[test]
fn nothing_is_requested_before_the_login() {
    let mut conversation = Conversation::new();
    conversation.sent();
    conversation.receive(json!({"msg": "ready", "subs": ["1", "2"]}));
    conversation.receive(json!({"msg": "result", "id": "", "result": {"id": "bot"}}));
    assert!(conversation.sent().is_empty());
    conversation.receive(json!({"msg": "connected", "session": "s"}));
    assert_eq!(
        conversation.sent(),
        [json!({"msg": "method", "method": "login", "id": "1", "params": [{"resume": "t0k3n"}]})]
    );
    conversation.receive(json!({"msg": "connected", "session": "s"}));
    assert!(conversation.sent().is_empty(), "logs in once");
}

#[test]
fn a_login_is_followed_by_subscriptions_with_distinct_ids() {
    let mut conversation = Conversation::subscribing();
    let sent = conversation.sent();
    let subs: Vec<_> = sent[2..].iter().map(|frame| (&frame["name"], &frame["params"])).collect();
    assert_eq!(
        subs,
        [
            (&json!("stream-room-messages"), &json!(["__my_messages__", false])),
            (&json!("stream-notify-user"), &json!(["bot/force_logout", false])),
            (&json!("stream-notify-user"), &json!(["bot/subscriptions-changed", false])),
            (&json!("stream-notify-user"), &json!(["bot/rooms-changed", false])),
        ]
    );
    let mut ids: Vec<_> = sent[1..].iter().map(|frame| frame["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn updated_may_come_before_the_result_or_after_it() {
    for updated_first in [true, false] {
        let mut conversation = Conversation::new();
        conversation.receive(json!({"msg": "connected"}));
        let mut frames = vec![
            json!({"msg": "result", "id": "1", "result": {"id": "bot", "token": "t0k3n"}}),
            json!({"msg": "updated", "methods": ["1"]}),
        ];
        if updated_first {
            frames.reverse();
        }
        frames.into_iter().for_each(|frame| conversation.receive(frame));
        assert_eq!(conversation.sub_ids().len(), 4);
        conversation.receive(json!({"msg": "result", "id": "1", "result": {"id": "bot"}}));
        assert!(conversation.sent().is_empty(), "a result counts once");
    }
}

#[test]
fn results_with_other_ids_are_not_the_logins() {
    let mut conversation = Conversation::new();
    conversation.receive(json!({"msg": "connected"}));
    conversation.receive(json!({"msg": "result", "id": "99", "error": {"error": 403}}));
    conversation.receive(json!({"msg": "result", "id": "1", "result": {"id": "bot"}}));
    assert_eq!(conversation.sub_ids().len(), 4);
}

#[test]
fn only_the_answer_to_connect_can_be_failed() {
    let mut conversation = Conversation::new();
    assert_eq!(conversation.end(json!({"msg": "failed", "version": "pre2"})), LostReason::ConnectFailed);
    for mut conversation in [Conversation::subscribing(), Conversation::online()] {
        conversation.receive(json!({"msg": "failed", "version": "1"}));
    }
}

#[test]
fn a_refused_token_is_left_to_the_account() {
    for code in [json!(403), json!("403"), json!(401)] {
        let mut conversation = Conversation::new();
        conversation.receive(json!({"msg": "connected"}));
        let reason = "You've been logged out by the server. Please log in again.";
        let end =
            conversation.end(json!({"msg": "result", "id": "1", "error": {"error": code, "reason": reason}}));
        assert!(matches!(end, LostReason::Login(words) if words == reason));
    }
}

#[test]
fn every_refused_login_is_classified_by_what_to_do() {
    let end = |mut conversation: Conversation, error: Value| {
        conversation.receive(json!({"msg": "connected"}));
        conversation.end(json!({"msg": "result", "id": "1", "error": error}))
    };
    let refused = |error: Value| end(Conversation::with_password(), error);

    for reason in
        ["Incorrect password", "User not found", "Something went wrong. Please check your credentials."]
    {
        let end = refused(json!({"error": 403, "reason": reason}));
        assert!(matches!(&end, LostReason::Account(Fatal::Refused(words)) if words == reason), "{end:?}");
    }
    for code in ["error-user-is-not-activated", "error-app-user-is-not-allowed-to-login"] {
        for conversation in [Conversation::new(), Conversation::with_password()] {
            let end = end(conversation, json!({"error": code, "reason": "No"}));
            assert!(matches!(end, LostReason::Account(Fatal::Refused(_))), "{code}: {end:?}");
        }
    }
    for code in ["totp-required", "totp-invalid", "TOTP Required"] {
        assert!(
            matches!(refused(json!({"error": code})), LostReason::Account(Fatal::SecondFactor)),
            "{code}"
        );
    }
    // A streamer that accepts no passwords answers this to a valid one too.
    let streamer =
        refused(json!({"error": 403, "reason": "You've been logged out by the server. Please log in again"}));
    assert_eq!(streamer.name(), "login");
    for code in ["error-login-blocked-for-user", "error-login-blocked-for-ip"] {
        let wait = Some(Duration::from_secs(60));
        assert_eq!(refused(json!({"error": code})), LostReason::RateLimited { wait });
    }
    for conversation in [Conversation::new(), Conversation::with_password()] {
        let error = json!({"error": "too-many-requests", "details": {"timeToReset": 7_250}});
        let wait = Some(Duration::from_millis(7_250));
        assert_eq!(end(conversation, error), LostReason::RateLimited { wait });
    }
    for error in [json!({"error": 500, "reason": "Internal server error"}), json!({"error": 400}), json!({})]
    {
        for conversation in [Conversation::new(), Conversation::with_password()] {
            assert_eq!(end(conversation, error.clone()).name(), "login", "{error}");
        }
    }
}

#[test]
fn a_login_result_without_a_user_violates_the_protocol() {
    let mut conversation = Conversation::new();
    conversation.receive(json!({"msg": "connected"}));
    assert_eq!(conversation.end(json!({"msg": "result", "id": "1"})).name(), "protocol");
}

#[test]
fn a_token_of_somebody_else_is_fatal() {
    let mut conversation = Conversation::new();
    conversation.receive(json!({"msg": "connected"}));
    let end =
        conversation.end(json!({"msg": "result", "id": "1", "result": {"id": "alice", "token": "t0k3n"}}));
    assert!(
        matches!(end, LostReason::Account(Fatal::WrongUser { actual, .. }) if actual == UserId::new("alice"))
    );
}

#[test]
fn a_password_login_leaves_its_token_for_rest() {
    let mut conversation = Conversation::with_password();
    conversation.receive(json!({"msg": "connected"}));
    conversation.receive(json!({"msg": "result", "id": "1", "result": {"id": "bot", "token": "fr35h"}}));
    let identity = conversation.account.identity().unwrap();
    assert_eq!((identity.user_id.as_str(), identity.username.as_str()), ("bot", "signl4.bot"));
    let LoginRequest::Resume(login) = now(conversation.account.login_request()).unwrap() else { panic!() };
    assert_eq!(login.token.expose_secret(), "fr35h");
}

/// The output of a future that is ready at once.
fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match work.as_mut().poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
