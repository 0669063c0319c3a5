//! The account while a session runs: tokens that die, logins that are refused or limited, and what is fatal.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rocketchat::realtime::{ConnectionState, LostReason, RealtimeEvent};
use rocketchat::{Credentials, Fatal, UserId};
use sandbox::rocketchat::{Refusal, RestFault};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::listener::{Listener, PASSWORD, Stage, timing};

fn with_password(stage: &Stage) -> Listener {
    Listener::start(stage, stage.password(), timing(), 1_024)
}

#[tokio::test]
async fn with_a_password_a_revoked_token_is_replaced_by_one_new_login() {
    let stage = Stage::set().await;
    let mut listener = with_password(&stage);
    listener.ready().await;
    stage.chat.revoke_tokens(&stage.bot).unwrap();
    listener.lost_for("token_expired").await;
    listener.ready().await;
    stage.say("with the new token");
    assert_eq!(listener.message().await.text, "with the new token");
    assert_eq!(stage.chat.calls_of("login").len(), 2);
}

#[tokio::test]
async fn with_a_password_an_expired_token_is_replaced_though_rest_still_takes_it() {
    for streamer in [false, true] {
        let stage = Stage::set().await;
        stage.chat.faults().set(|switches| switches.streamer = streamer);
        let mut listener = with_password(&stage);
        listener.ready().await;
        stage.chat.expire_tokens(&stage.bot).unwrap();
        stage.chat.faults().cut_connections();
        listener.lost_for("token_expired").await;
        listener.ready().await;
        assert_eq!(stage.chat.calls_of("login").len(), 2, "streamer: {streamer}");
    }
}

#[tokio::test]
async fn reconnecting_spends_no_password() {
    let stage = Stage::set().await;
    let mut listener = with_password(&stage);
    for _ in 0..4 {
        listener.ready().await;
        stage.chat.faults().cut_connections();
    }
    listener.ready().await;
    assert_eq!(stage.chat.calls_of("login").len(), 1);
}

#[tokio::test]
async fn a_revoked_personal_access_token_ends_it_and_the_error_says_the_way_out() {
    let stage = Stage::set().await;
    let mut listener = stage.online().await;
    stage.chat.revoke_tokens(&stage.bot).unwrap();
    let fatal = listener.end().await.unwrap_err();
    assert!(matches!(fatal, Fatal::TokenDead(_)), "{fatal:?}");
    let words = fatal.to_string();
    assert!(words.contains("personal access token") && words.contains("make a new one"), "{words}");
    assert_eq!(*listener.state.borrow(), ConnectionState::Stopped(Some(fatal)));
}

#[tokio::test]
async fn a_wrong_personal_access_token_ends_it_at_the_start() {
    let stage = Stage::set().await;
    let token = SecretString::from("no-such-token");
    let credentials = Credentials::Token { user_id: UserId::new(&stage.bot.id), token };
    let mut listener = Listener::start(&stage, credentials, timing(), 16);
    assert!(matches!(listener.end().await, Err(Fatal::TokenDead(_))));
}

#[tokio::test]
async fn a_token_of_somebody_else_ends_it() {
    let stage = Stage::set().await;
    let Credentials::Token { token, .. } = stage.token() else { panic!() };
    let credentials = Credentials::Token { user_id: UserId::new(&stage.alice.id), token };
    let mut listener = Listener::start(&stage, credentials, timing(), 16);
    assert!(listener.end().await.is_err());
}

#[tokio::test]
async fn a_good_personal_access_token_refused_for_a_while_ends_nothing() {
    let stage = Stage::set().await;
    let refusal = Refusal::meteor(403, "You've been logged out by the server. Please log in again");
    stage.chat.faults().refuse_logins(3, refusal);
    let mut listener = stage.listen();
    for _ in 0..3 {
        assert_eq!(listener.lost().await.0.name(), "login");
    }
    listener.ready().await;
}

#[tokio::test]
async fn a_wrong_password_ends_it_with_the_servers_words() {
    let stage = Stage::set().await;
    stage.chat.set_password(&stage.bot, "another").unwrap();
    let mut listener = with_password(&stage);
    let fatal = listener.end().await.unwrap_err();
    assert!(matches!(&fatal, Fatal::Refused(words) if words.contains("Incorrect password")), "{fatal:?}");
    assert!(
        fatal.to_string().contains("check user name and password") && !fatal.to_string().contains(PASSWORD)
    );
}

#[tokio::test]
async fn a_second_factor_ends_it_with_the_way_out() {
    let stage = Stage::set().await;
    stage.chat.faults().rest_always(
        "login",
        RestFault::Answer {
            status: 401,
            content_type: "application/json",
            body: json!({"status": "error", "error": "totp-required", "message": "TOTP Required"})
                .to_string(),
        },
    );
    let mut listener = with_password(&stage);
    let fatal = listener.end().await.unwrap_err();
    assert_eq!(fatal, Fatal::SecondFactor);
    assert!(fatal.to_string().contains("use a personal access token"));
}

#[tokio::test]
async fn a_deactivated_account_ends_it() {
    let stage = Stage::set().await;
    stage.chat.set_active(&stage.bot, false).unwrap();
    let mut listener = with_password(&stage);
    assert!(matches!(listener.end().await, Err(Fatal::Refused(_))));
}

#[tokio::test]
async fn a_login_limited_over_ddp_is_made_again_not_before_the_time_the_server_names() {
    let stage = Stage::set().await;
    let refusal = Refusal::meteor("too-many-requests", "slow down").with_details(json!({"timeToReset": 700}));
    stage.chat.faults().refuse_logins(1, refusal);
    let mut listener = stage.listen();
    let (reason, wait) = listener.lost().await;
    assert_eq!(reason, LostReason::RateLimited { wait: Some(Duration::from_millis(700)) });
    assert!(wait >= Duration::from_millis(700), "{wait:?}");
    listener.ready().await;
}

#[tokio::test]
async fn a_login_limited_over_rest_is_made_again_not_before_the_time_the_server_names() {
    let stage = Stage::set().await;
    stage.chat.faults().rest_next(
        "login",
        1,
        RestFault::TooManyRequests { reset_in: Duration::from_secs(3) },
    );
    let mut listener = with_password(&stage);
    let (reason, _) = listener.lost().await;
    assert!(matches!(reason, LostReason::RateLimited { wait: Some(_) }), "{reason:?}");
    assert!(matches!(listener.next().await, RealtimeEvent::Ready { .. }), "at the first attempt after it");
    assert_eq!(stage.chat.calls_of("login").len(), 2);
}

#[tokio::test]
async fn logged_out_everywhere_it_comes_back() {
    let stage = Stage::set().await;
    let mut listener = with_password(&stage);
    listener.ready().await;
    stage.chat.force_logout(&stage.bot).unwrap();
    listener.lost().await;
    listener.ready().await;
    stage.say("back");
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
        .with_writer(move || writer.clone())
        .finish();
    // A test runs on one thread, and so does all it spawns.
    let guard = tracing::subscriber::set_default(subscriber);
    let stage = Stage::set().await;
    let token = stage.token();
    let mut by_token = Listener::start(&stage, token.clone(), timing(), 1_024);
    let mut by_password = with_password(&stage);
    by_token.ready().await;
    by_password.ready().await;
    stage.say("the reactor is on fire");
    by_token.message().await;
    stage.chat.revoke_tokens(&stage.bot).unwrap();
    by_token.end().await.unwrap_err();
    by_password.lost_for("token_expired").await;
    by_password.ready().await;
    drop(guard);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("signl4_rocketchat::")).collect();
    assert!(ours.len() > 10, "the log was caught: {text}");
    let Credentials::Token { token, .. } = token else { panic!() };
    let tokens = stage.chat.tokens(&stage.bot);
    assert!(!tokens.is_empty());
    let secrets = tokens.iter().map(String::as_str).chain([token.expose_secret(), PASSWORD]);
    for secret in secrets.chain(["reactor"]) {
        assert!(!ours.iter().any(|line| line.contains(secret)), "{secret} is in the log");
    }
}
