//! The account while a session runs: expired tokens, refused and rate limited logins, and what is fatal.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketchat::realtime::{LostReason, RealtimeEvent};
use rocketchat::{Credentials, Fatal, UserId};
use sandbox::rocketchat::{Refusal, RestFault};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::listener::{Harness, Listener, PASSWORD, timing};

fn with_password(harness: &Harness) -> Listener {
    Listener::start(harness, harness.password(), timing(), 1_024)
}

#[tokio::test]
async fn with_a_password_a_revoked_token_is_replaced_by_one_new_login() {
    let harness = Harness::new().await;
    let mut listener = with_password(&harness);
    listener.ready().await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    listener.lost_for("token_expired").await;
    listener.ready().await;
    harness.say("with the new token");
    assert_eq!(listener.message().await.text, "with the new token");
    assert_eq!(harness.chat.calls_of("login").len(), 2);
}

#[tokio::test]
async fn with_a_password_an_expired_token_is_replaced_although_rest_still_accepts_it() {
    for streamer in [false, true] {
        let harness = Harness::new().await;
        harness.chat.faults().set(|switches| switches.streamer = streamer);
        let mut listener = with_password(&harness);
        listener.ready().await;
        harness.chat.expire_tokens(&harness.bot).unwrap();
        harness.chat.faults().cut_connections();
        listener.lost_for("token_expired").await;
        listener.ready().await;
        assert_eq!(harness.chat.calls_of("login").len(), 2, "streamer: {streamer}");
    }
}

#[tokio::test]
async fn reconnecting_uses_no_password() {
    let harness = Harness::new().await;
    let mut listener = with_password(&harness);
    for _ in 0..4 {
        listener.ready().await;
        harness.chat.faults().cut_connections();
    }
    listener.ready().await;
    assert_eq!(harness.chat.calls_of("login").len(), 1);
}

#[tokio::test]
async fn a_revoked_personal_access_token_is_tried_again_and_the_error_says_what_to_do() {
    let harness = Harness::new().await;
    let mut listener = harness.online().await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    let fatal = listener.refused().await;
    assert!(matches!(fatal, Fatal::TokenDead(_)), "{fatal:?}");
    let words = fatal.to_string();
    assert!(words.contains("personal access token") && words.contains("create a new one"), "{words}");
    assert_eq!(listener.refused().await, fatal);
}

#[tokio::test]
async fn a_wrong_personal_access_token_is_refused() {
    let harness = Harness::new().await;
    let token = SecretString::from("no-such-token");
    let credentials = Credentials::Token { user_id: UserId::new(&harness.bot.id), token };
    let mut listener = Listener::start(&harness, credentials, timing(), 16);
    assert!(matches!(listener.refused().await, Fatal::TokenDead(_)));
}

#[tokio::test]
async fn a_token_of_another_user_is_fatal() {
    let harness = Harness::new().await;
    let Credentials::Token { token, .. } = harness.token() else { panic!() };
    let credentials = Credentials::Token { user_id: UserId::new(&harness.alice.id), token };
    let mut listener = Listener::start(&harness, credentials, timing(), 16);
    listener.refused().await;
}

#[tokio::test]
async fn a_valid_personal_access_token_refused_for_a_while_is_not_fatal() {
    let harness = Harness::new().await;
    let refusal = Refusal::meteor(403, "You've been logged out by the server. Please log in again");
    harness.chat.faults().refuse_logins(3, refusal);
    let mut listener = harness.listen();
    for _ in 0..3 {
        assert_eq!(listener.lost().await.0.name(), "login");
    }
    listener.ready().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_the_servers_message_until_it_is_right() {
    let harness = Harness::new().await;
    harness.chat.set_password(&harness.bot, "another").unwrap();
    let mut listener = with_password(&harness);
    let fatal = listener.refused().await;
    assert!(matches!(&fatal, Fatal::Refused(words) if words.contains("Incorrect password")), "{fatal:?}");
    assert!(
        fatal.to_string().contains("check username and password") && !fatal.to_string().contains(PASSWORD)
    );
    harness.chat.set_password(&harness.bot, PASSWORD).unwrap();
    listener.ready().await;
}

#[tokio::test]
async fn a_second_factor_is_fatal_and_the_error_says_what_to_do() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_always(
        "login",
        RestFault::Answer {
            status: 401,
            content_type: "application/json",
            body: json!({"status": "error", "error": "totp-required", "message": "TOTP Required"})
                .to_string(),
        },
    );
    let mut listener = with_password(&harness);
    let fatal = listener.refused().await;
    assert_eq!(fatal, Fatal::SecondFactor);
    assert!(fatal.to_string().contains("use a personal access token"));
}

#[tokio::test]
async fn a_deactivated_account_is_fatal() {
    let harness = Harness::new().await;
    harness.chat.set_active(&harness.bot, false).unwrap();
    let mut listener = with_password(&harness);
    assert!(matches!(listener.refused().await, Fatal::Refused(_)));
}

#[tokio::test]
async fn a_login_rate_limited_over_ddp_is_retried_after_the_time_the_server_names() {
    let harness = Harness::new().await;
    let refusal = Refusal::meteor("too-many-requests", "slow down").with_details(json!({"timeToReset": 700}));
    harness.chat.faults().refuse_logins(1, refusal);
    let mut listener = harness.listen();
    let (reason, wait) = listener.lost().await;
    assert_eq!(reason, LostReason::RateLimited { wait: Some(Duration::from_millis(700)) });
    assert!(wait >= Duration::from_millis(700), "{wait:?}");
    listener.ready().await;
}

#[tokio::test]
async fn a_login_rate_limited_over_rest_is_retried_after_the_time_the_server_names() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_next(
        "login",
        1,
        RestFault::TooManyRequests { reset_in: Duration::from_secs(2) },
    );
    let mut listener = with_password(&harness);
    let (reason, _) = listener.lost().await;
    assert!(matches!(reason, LostReason::RateLimited { wait: Some(_) }), "{reason:?}");
    assert!(matches!(listener.next().await, RealtimeEvent::Ready { .. }), "at the first attempt after it");
    assert_eq!(harness.chat.calls_of("login").len(), 2);
}

#[tokio::test]
async fn after_a_forced_logout_it_logs_in_again() {
    let harness = Harness::new().await;
    let mut listener = with_password(&harness);
    listener.ready().await;
    harness.chat.force_logout(&harness.bot).unwrap();
    listener.lost().await;
    listener.ready().await;
    harness.say("back");
    assert_eq!(listener.message().await.text, "back");
}

/// Everything that is logged on this thread, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_and_no_message_is_logged_at_any_level() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With a single subscriber, tracing lets the thread of another test, which has none, switch an event off for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    // A test runs on one thread, and so does all it spawns.
    let guard = tracing::subscriber::set_default(subscriber);
    let harness = Harness::new().await;
    let token = harness.token();
    let mut by_token = Listener::start(&harness, token.clone(), timing(), 1_024);
    let mut by_password = with_password(&harness);
    by_token.ready().await;
    by_password.ready().await;
    harness.say("the reactor is on fire");
    by_token.message().await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    by_token.refused().await;
    by_password.lost_for("token_expired").await;
    by_password.ready().await;
    drop(guard);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains(" rocketchat::")).collect();
    assert!(ours.len() > 5, "the log was caught: {text}");
    let Credentials::Token { token, .. } = token else { panic!() };
    let tokens = harness.chat.tokens(&harness.bot);
    assert!(!tokens.is_empty());
    let secrets = tokens.iter().map(String::as_str).chain([token.expose_secret(), PASSWORD]);
    for secret in secrets.chain(["reactor"]) {
        assert!(!ours.iter().any(|line| line.contains(secret)), "{secret} is in the log");
    }
}
