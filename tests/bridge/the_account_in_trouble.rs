//! Logged out, expired or revoked: with a password the bot logs in anew, with a token it says what to do, and what
//! waited goes out once the account is mended.

use sandbox::rocketchat::RestFault;

use crate::stage::Stage;

#[tokio::test]
async fn logged_out_by_force_the_bot_comes_back_and_misses_nothing() {
    let stage = Stage::set().await.by_password();
    let bot = stage.start().await;
    stage.flush().await;
    stage.chat.force_logout(&stage.bot).unwrap();
    bot.wait_for_log(&["no realtime session"]).await;
    stage.say("SIGNL4 while logged out");
    stage.alert("SIGNL4 while logged out").await;
}

#[tokio::test]
async fn with_a_password_a_revoked_login_is_made_anew_for_the_session_and_for_replies() {
    let stage = Stage::set().await.by_password();
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    stage.chat.revoke_tokens(&stage.bot).unwrap();
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    stage.say("SIGNL4 after the login");
    stage.alert("SIGNL4 after the login").await;
}

#[tokio::test]
async fn a_revoked_token_ends_the_bot_with_the_way_out_and_a_new_one_takes_up_what_waited() {
    let mut stage = Stage::set().await;
    let mut bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    stage.chat.faults().rest_always("chat.sendMessage", RestFault::status(503));
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["not delivered yet", "rocketchat:reply"]).await;
    stage.chat.revoke_tokens(&stage.bot).unwrap();
    stage.chat.faults().cut_connections();
    assert_eq!(bot.wait().await.code(), Some(1));
    assert!(bot.log().contains("make a new one (My Account > Personal Access Tokens)"), "{}", bot.log());
    stage.say("SIGNL4 while revoked");
    stage.chat.faults().clear_rest();
    stage.token = stage.chat.create_token(&stage.bot).unwrap();
    let _bot = stage.start().await;
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    stage.alert("SIGNL4 while revoked").await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), 2, "{:?}", stage.pages());
}

#[tokio::test]
async fn replies_that_are_unauthorized_for_a_while_wait_until_the_account_is_mended() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    let body = r#"{"status":"error","message":"You must be logged in to do this."}"#.to_owned();
    let unauthorized = RestFault::Answer { status: 401, content_type: "application/json", body };
    stage.chat.faults().rest_always("chat.sendMessage", unauthorized.clone());
    stage.chat.faults().rest_always("me", RestFault::plain_unauthorized());
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    bot.wait_for_log(&["not delivered yet", "rocketchat:reply"]).await;
    stage.chat.faults().clear_rest();
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
}
