//! Logged out, expired or revoked: with a password the bot logs in anew, with a token it says what to do, and what
//! waited goes out once the account is mended.

use sandbox::rocketchat::RestFault;

use crate::harness::Harness;

#[tokio::test]
async fn logged_out_by_force_the_bot_comes_back_and_misses_nothing() {
    let harness = Harness::new().await.with_password();
    let bot = harness.start_bot().await;
    harness.flush().await;
    harness.chat.force_logout(&harness.bot).unwrap();
    bot.wait_for_log(&["no realtime session"]).await;
    harness.say("SIGNL4 while logged out");
    harness.alert("SIGNL4 while logged out").await;
}

#[tokio::test]
async fn with_a_password_a_revoked_login_is_made_anew_for_the_session_and_for_replies() {
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
async fn a_revoked_token_ends_the_bot_with_the_way_out_and_a_new_one_takes_up_what_waited() {
    let mut harness = Harness::new().await.with_fast_tempo();
    let mut bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    harness.chat.faults().rest_always("chat.sendMessage", RestFault::status(503));
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["not delivered yet", "rocketchat:reply"]).await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    harness.chat.faults().cut_connections();
    assert_eq!(bot.wait().await.code(), Some(1));
    assert!(bot.log().contains("make a new one (My Account > Personal Access Tokens)"), "{}", bot.log());
    harness.say("SIGNL4 while revoked");
    harness.chat.faults().clear_rest();
    harness.token = harness.chat.create_token(&harness.bot).unwrap();
    let _bot = harness.start_bot().await;
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    harness.alert("SIGNL4 while revoked").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn replies_that_are_unauthorized_for_a_while_wait_until_the_account_is_mended() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let body = r#"{"status":"error","message":"You must be logged in to do this."}"#.to_owned();
    let unauthorized = RestFault::Answer { status: 401, content_type: "application/json", body };
    harness.chat.faults().rest_always("chat.sendMessage", unauthorized.clone());
    harness.chat.faults().rest_always("me", RestFault::plain_unauthorized());
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["not delivered yet", "rocketchat:reply"]).await;
    harness.chat.faults().clear_rest();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
}
