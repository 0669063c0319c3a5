//! Logged out, expired or revoked: with a password the bot logs in again. With a token it says what to do and keeps
//! running, and waiting deliveries are sent once the account is fixed.

use std::time::Duration;

use sandbox::rocketchat::{Options, RestFault, RocketChat};
use sandbox::signl4;
use tokio::time::Instant;

use crate::harness::{Harness, SOON};

/// How long a rejected password is not tried again with the fast tempo: 30 units of 100 ms, plus the time to measure
/// it.
const FIRST_WAIT: Duration = Duration::from_millis(2_500);
/// What a person has to do about a rejected token.
const WAY_OUT: &str = "create a new one (Profile > Personal Access Tokens)";

#[tokio::test]
async fn after_a_forced_logout_the_bot_logs_in_again_and_misses_nothing() {
    let harness = Harness::new().await.with_password();
    let bot = harness.start_bot().await;
    harness.flush().await;
    harness.chat.force_logout(&harness.bot).unwrap();
    bot.wait_for_log(&["no realtime session"]).await;
    harness.say("SIGNL4 while logged out");
    harness.alert("SIGNL4 while logged out").await;
}

#[tokio::test]
async fn a_revoked_login_is_renewed_with_the_password_for_session_and_replies() {
    let harness = Harness::new().await.with_password();
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.say("SIGNL4 after the login");
    harness.alert("SIGNL4 after the login").await;
}

#[tokio::test]
async fn with_a_revoked_token_the_bot_keeps_running_and_a_new_one_delivers_what_waited() {
    let mut harness = Harness::new().await.with_fast_tempo();
    let mut bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    harness.chat.faults().cut_connections();
    bot.wait_for_log(&[r#""level":"ERROR""#, WAY_OUT]).await;
    harness.wait_for_readiness(503, WAY_OUT).await;
    // SIGNL4 still gets its answer.
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.signl4.wait_for_delivery(SOON).await.unwrap();
    harness.say("SIGNL4 while revoked");
    bot.assert_runs();
    assert_eq!(bot.stop().await.code(), Some(0));
    harness.token = harness.chat.create_token(&harness.bot).unwrap();
    let _bot = harness.start_bot().await;
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.alert("SIGNL4 while revoked").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn a_token_refused_by_rest_alone_is_reported_and_alerts_continue() {
    let harness = Harness::new().await.with_fast_tempo();
    harness.chat.faults().set(|switches| switches.streamer = true);
    let bot = harness.start_bot().await;
    harness.flush().await;
    let body = r#"{"status":"error","message":"You must be logged in to do this."}"#.to_owned();
    let unauthorized = RestFault::Answer { status: 401, content_type: "application/json", body };
    harness.chat.faults().rest_always("*", unauthorized);
    harness.wait_for_readiness(200, WAY_OUT).await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["not delivered yet", "rocketchat:reply"]).await;
    harness.chat.faults().clear_rest();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.wait_for_readiness(200, r#""state":"ready""#).await;
}

#[tokio::test]
async fn with_a_wrong_token_the_bot_keeps_running_and_says_what_to_do() {
    let mut harness = Harness::new().await;
    harness.token = "no-such-token".into();
    let mut bot = harness.spawn_bot();
    bot.wait_for_log(&[r#""level":"ERROR""#, WAY_OUT]).await;
    harness.wait_for_readiness(503, WAY_OUT).await;
    bot.assert_runs();
    assert_eq!(bot.stop().await.code(), Some(0));
}

#[tokio::test]
async fn a_wrong_password_is_retried_slowly_enough_not_to_lock_the_account() {
    for version in ["7.5.0", "8.0.1"] {
        let options = Options { version: version.into(), ..Options::default() };
        let harness = Harness::with_options(options, signl4::Options::default()).await;
        let harness = harness.with_password().with_fast_tempo();
        harness.chat.set_password(&harness.bot, "another").unwrap();
        let bot = harness.spawn_bot();
        harness.wait_for_readiness(503, "check username and password").await;
        let first = Instant::now();
        // Meanwhile the bot tries a realtime session, and would poll the rooms, from memory and every second.
        let again = |chat: &RocketChat| (chat.calls_of("login").len() > 1).then_some(());
        harness.chat.wait_for(SOON, again).await.unwrap();
        assert!(first.elapsed() > FIRST_WAIT, "{:?}: {}", first.elapsed(), bot.log());
        harness.chat.set_password(&harness.bot, "a bot's password").unwrap();
        harness.wait_for_readiness(200, "").await;
        harness.flush().await;
    }
}

#[tokio::test]
async fn unauthorized_replies_wait_until_the_account_is_fixed() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let body = r#"{"status":"error","message":"You must be logged in to do this."}"#.to_owned();
    let unauthorized = RestFault::Answer { status: 401, content_type: "application/json", body };
    harness.chat.faults().rest_always("chat.sendMessage", unauthorized.clone());
    harness.chat.faults().rest_always("me", RestFault::proxy_unauthorized());
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["not delivered yet", "rocketchat:reply"]).await;
    harness.chat.faults().clear_rest();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
}

#[tokio::test]
async fn a_bot_that_starts_while_rest_is_down_pages_for_what_the_stream_delivers() {
    let harness = Harness::new().await;
    harness.chat.faults().rest_always("*", RestFault::bad_gateway());
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 while REST is down");
    let alert = harness.alert("SIGNL4 while REST is down").await;
    harness.chat.faults().clear_rest();
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
}
