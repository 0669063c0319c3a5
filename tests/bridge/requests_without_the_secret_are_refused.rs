//! Promise 5: nobody without the secret can post through the bot, no secret is ever logged, and the bot never talks to
//! itself.

use serde_json::json;

use crate::harness::{Harness, LISTENER_SECRET, SOON, http, status_event};

#[tokio::test]
async fn any_other_call_is_not_found() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let event = status_event("n1", &json!({"externalEventId": harness.room.id}), 2).to_string();
    for path in ["/", "/signl4", "/signl4/", "/signl4/wrong", "/signl4/wrong/more", "/readyz", "/metrics"] {
        assert_eq!(harness.post(path, event.clone()).await.0, 404, "{path}");
    }
    let right = format!("{}/signl4/{LISTENER_SECRET}", harness.listener_url());
    assert_eq!(http().get(&right).send().await.unwrap().status(), 404);
    assert_eq!(http().put(&right).body(event.clone()).send().await.unwrap().status(), 404);
    assert_eq!(harness.post(&format!("/signl4/{LISTENER_SECRET}x"), event.clone()).await.0, 404);
    assert_eq!(harness.post(&format!("/signl4/{LISTENER_SECRET}"), event).await.0, 200);
}

#[tokio::test]
async fn a_short_secret_works_with_a_warning() {
    let mut harness = Harness::new().await;
    harness.set_variable("SIGNL4_BOT_LISTENER__SECRET", "s3cret");
    let bot = harness.start_bot().await;
    assert_eq!(harness.post("/signl4/s3cret", r#"{"eventType":1}"#).await.0, 200);
    assert_eq!(bot.count_in_log(&["WARN", "listener.secret has fewer than 16 characters"]), 1);
    assert_eq!(bot.count_in_log(&["s3cret"]), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let path = format!("/signl4/{LISTENER_SECRET}");
    assert_eq!(harness.post(&path, vec![b'x'; 1024 * 1024 + 1]).await.0, 413);
}

#[tokio::test]
async fn the_bot_never_reacts_to_itself() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.chat.post(&harness.room, &harness.bot, "SIGNL4 said the bot").unwrap();
    harness.say("SIGNL4 by Alice");
    let alert = harness.alert("SIGNL4 by Alice").await;
    // The bot repeats this under its own account, and must not page for it.
    harness.signl4.annotate(&alert.id, "Rene", "SIGNL4 again?").unwrap();
    let room = harness.room.clone();
    let echoed = harness.chat.wait_for(SOON, |chat| {
        chat.messages(&room).into_iter().find(|message| message.text == "Rene: SIGNL4 again?")
    });
    echoed.await.unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 by Alice"]);
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level_and_no_text_at_info() {
    const TEXT: &str = "SIGNL4 the text of a message";
    const NOTE: &str = "the text of a note";
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say(TEXT);
    let alert = harness.alert(TEXT).await;
    harness.post("/signl4/a-wrong-secret", "{}").await;
    harness.signl4.annotate(&alert.id, "Rene", NOTE).unwrap();
    harness.wait_for_reply(&message, &format!("Rene: {NOTE}")).await;
    harness.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    harness.flush().await;
    let log = bot.log();
    assert!(
        log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""),
        "the log is a full one"
    );
    let webhook = harness.signl4.webhook_url(crate::harness::TEAM);
    let team_secret = webhook.rsplit('/').next().unwrap();
    for secret in [harness.token.as_str(), team_secret, LISTENER_SECRET, "a-wrong-secret"] {
        let leaks: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
    let quiet = log
        .lines()
        .filter(|line| !line.contains("\"level\":\"TRACE\"") && !line.contains("\"level\":\"DEBUG\""));
    let reported: Vec<&str> = quiet.filter(|line| line.contains(TEXT) || line.contains(NOTE)).collect();
    assert!(reported.is_empty(), "{reported:#?}");
}

#[tokio::test]
async fn an_unusable_certificate_ends_the_start_with_its_key_and_a_fix() {
    let mut harness = Harness::new().await;
    harness.reconfigure_listener("tls_cert = \"absent.pem\"\ntls_key = \"absent.pem\"");
    let mut bot = harness.spawn_bot();
    assert_eq!(bot.wait().await.code(), Some(2), "a matter of configuration");
    let log = bot.log();
    assert!(log.contains("listener.tls_cert: absent.pem cannot be read"), "{log}");
    assert!(log.contains("name a PEM file"), "{log}");
}
