//! One login with a password serves all starts, for Rocket.Chat keeps only 50 of an account; and whatever becomes of it, the bot comes
//! back and misses nothing.

use std::fs;

use sandbox::rocketchat::RestFault;

use crate::harness::{Bot, Harness, PASSWORD};

const ONE: &str = "SIGNL4 pump 1 is down";
const TWO: &str = "SIGNL4 pump 2 is down";

impl Harness {
    /// A bot that has saved its login and was killed.
    async fn killed_after_its_login() -> Self {
        let harness = Self::new().await.with_password().with_fast_tempo();
        let bot = harness.start_bot().await;
        harness.say(ONE);
        harness.alert(ONE).await;
        bot.wait_for_log(&["login at Rocket.Chat saved"]).await;
        bot.kill().await;
        harness
    }

    /// Starts the bot after something happened to its login: it logs in once more, raises the alert that waits, and uses the new login
    /// the next time.
    async fn logs_in_again_and_pages(&self) -> Bot {
        let before = self.chat.calls_of("login").len();
        self.say(TWO);
        let bot = self.start_bot().await;
        self.alert(TWO).await;
        bot.wait_for_log(&["login at Rocket.Chat saved"]).await;
        bot.kill().await;
        let bot = self.start_bot().await;
        self.flush().await;
        assert_eq!(self.chat.calls_of("login").len(), before + 1, "{}", bot.log());
        assert_eq!(self.pages(), [ONE, TWO]);
        bot
    }
}

#[tokio::test]
async fn ten_killed_bots_and_one_that_is_stopped_share_one_login() {
    let harness = Harness::killed_after_its_login().await;
    for _ in 0..10 {
        let bot = harness.start_bot().await;
        harness.flush().await;
        bot.kill().await;
    }
    assert!(harness.start_bot().await.stop().await.success());
    let _bot = harness.start_bot().await;
    harness.flush().await;
    assert_eq!(harness.chat.calls_of("login").len(), 1);
    assert_eq!(harness.chat.tokens(&harness.bot).len(), 2, "the login, and the token made by hand");
}

#[tokio::test]
async fn a_login_that_was_revoked_or_expired_while_the_bot_was_down_is_replaced() {
    let harness = Harness::killed_after_its_login().await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    harness.logs_in_again_and_pages().await;
    let harness = Harness::killed_after_its_login().await;
    harness.chat.expire_tokens(&harness.bot).unwrap();
    harness.logs_in_again_and_pages().await;
}

/// So a real server does until it deletes the token.
#[tokio::test]
async fn a_login_that_rest_accepts_although_it_has_expired_is_replaced() {
    let harness = Harness::killed_after_its_login().await;
    harness.chat.expire_tokens(&harness.bot).unwrap();
    let me = r#"{"_id":"b","username":"signl4.bot","success":true}"#.to_owned();
    let accepted = RestFault::Answer { status: 200, content_type: "application/json", body: me };
    harness.chat.faults().rest_always("me", accepted);
    harness.logs_in_again_and_pages().await;
}

#[tokio::test]
async fn a_login_that_was_revoked_is_replaced_although_rest_cannot_check_it() {
    let harness = Harness::killed_after_its_login().await;
    harness.chat.revoke_tokens(&harness.bot).unwrap();
    harness.chat.faults().rest_always("me", RestFault::proxy_unauthorized());
    harness.logs_in_again_and_pages().await;
}

#[tokio::test]
async fn another_password_does_not_open_the_login() {
    let mut harness = Harness::killed_after_its_login().await;
    harness.chat.set_password(&harness.bot, "another").unwrap();
    harness.set_variable("SIGNL4_BOT_ROCKETCHAT__PASSWORD", "another");
    let bot = harness.logs_in_again_and_pages().await;
    assert_eq!(bot.count_in_log(&["another account or password"]), 0, "the new one is of this password");
}

#[tokio::test]
async fn a_damaged_login_is_replaced() {
    for damage in
        ["UPDATE login SET sealed = substr(sealed, 2)", "UPDATE login SET sealed = substr(sealed, 1, 3)"]
    {
        let harness = Harness::killed_after_its_login().await;
        harness.alter_store(damage).await;
        harness.logs_in_again_and_pages().await;
    }
}

#[tokio::test]
async fn a_store_that_cannot_save_the_login_is_reported_and_alerts_continue() {
    let harness = Harness::killed_after_its_login().await;
    harness.alter_store("DROP TABLE login").await;
    harness.say(TWO);
    let mut bot = harness.start_bot().await;
    harness.alert(TWO).await;
    bot.wait_for_log(&[r#""level":"WARN""#, "cannot be read, logging in"]).await;
    bot.wait_for_log(&[r#""level":"WARN""#, "cannot be saved"]).await;
    harness.flush().await;
    bot.assert_runs();
}

#[tokio::test]
async fn neither_the_store_nor_the_log_has_the_token_or_the_password() {
    let mut harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.flush().await;
    assert!(bot.stop().await.success());
    assert!(harness.saved_logins().await.is_empty(), "a personal access token is not saved");
    harness = harness.with_password();
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.wait_for_log(&["login at Rocket.Chat saved"]).await;
    bot.kill().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    let mut written = harness.saved_logins().await;
    assert_eq!(written.len(), 1);
    drop(bot);
    for file in fs::read_dir(harness.path("")).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            written.push(fs::read(file).unwrap());
        }
    }
    assert!(written.len() > 3, "the store and the logs");
    let tokens = harness.chat.tokens(&harness.bot);
    assert_eq!(tokens.len(), 2);
    let secrets = tokens.iter().map(String::as_str).chain([PASSWORD]);
    for secret in secrets {
        for bytes in &written {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
    }
}
