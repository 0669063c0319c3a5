//! Promise 5: nobody without the secret can post through the bot, no secret is ever logged, and the bot never talks to
//! itself.

use serde_json::{Value, json};

use crate::stage::{LISTENER_SECRET, SOON, Stage, http, status_event};

#[tokio::test]
async fn everything_but_the_one_right_call_is_not_found() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let event = status_event("n1", &json!({"externalEventId": stage.room.id}), 2).to_string();
    for path in ["/", "/signl4", "/signl4/", "/signl4/wrong", "/signl4/wrong/more", "/readyz", "/metrics"] {
        assert_eq!(stage.post(path, event.clone()).await.0, 404, "{path}");
    }
    let right = format!("{}/signl4/{LISTENER_SECRET}", stage.listener_url());
    assert_eq!(http().get(&right).send().await.unwrap().status(), 404);
    assert_eq!(http().put(&right).body(event.clone()).send().await.unwrap().status(), 404);
    assert_eq!(stage.post(&format!("/signl4/{LISTENER_SECRET}x"), event.clone()).await.0, 404);
    assert_eq!(stage.post(&format!("/signl4/{LISTENER_SECRET}"), event).await.0, 200);
}

#[tokio::test]
async fn a_body_that_is_no_event_is_refused_with_the_reason() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    for body in [json!({}), json!([]), json!("x"), json!({"eventType": "now"}), json!({"id": "n1"})] {
        let (status, reason) = stage.post_event(&body).await;
        let reason: Value = serde_json::from_str(&reason).unwrap();
        assert_eq!(status, 400, "{body}");
        assert!(reason["error"].as_str().is_some_and(|reason| reason.len() > 10), "{reason}");
    }
    let path = format!("/signl4/{LISTENER_SECRET}");
    assert_eq!(stage.post(&path, "{not json").await.0, 400);
    assert_eq!(stage.post(&path, vec![b'x'; 1024 * 1024 + 1]).await.0, 413);
}

#[tokio::test]
async fn the_bot_never_reacts_to_itself() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.chat.post(&stage.room, &stage.bot, "SIGNL4 said the bot").unwrap();
    stage.say("SIGNL4 by Alice");
    let alert = stage.alert("SIGNL4 by Alice").await;
    // The bot repeats this under its own account, and must not page for it.
    stage.signl4.annotate(&alert.id, "Rene", "SIGNL4 again?").unwrap();
    let room = stage.room.clone();
    let echoed = stage.chat.wait_for(SOON, |chat| {
        chat.messages(&room).into_iter().find(|message| message.text == "Rene: SIGNL4 again?")
    });
    echoed.await.unwrap();
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 by Alice"]);
}

#[tokio::test]
async fn no_secret_is_logged_at_any_level_and_no_text_at_info() {
    const TEXT: &str = "SIGNL4 the text of a message";
    const NOTE: &str = "the text of a note";
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let message = stage.say(TEXT);
    let alert = stage.alert(TEXT).await;
    stage.post("/signl4/a-wrong-secret", "{}").await;
    stage.signl4.annotate(&alert.id, "Rene", NOTE).unwrap();
    stage.wait_for_reply(&message, &format!("Rene: {NOTE}")).await;
    stage.chat.faults().cut_connections();
    bot.wait_for_log(&["no realtime session"]).await;
    stage.flush().await;
    let log = bot.log();
    assert!(
        log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""),
        "the log is a full one"
    );
    let webhook = stage.signl4.webhook_url(crate::stage::TEAM);
    let team_secret = webhook.rsplit('/').next().unwrap();
    for secret in [stage.token.as_str(), team_secret, LISTENER_SECRET, "a-wrong-secret"] {
        let leaks: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
    let quiet = log
        .lines()
        .filter(|line| !line.contains("\"level\":\"TRACE\"") && !line.contains("\"level\":\"DEBUG\""));
    let told: Vec<&str> = quiet.filter(|line| line.contains(TEXT) || line.contains(NOTE)).collect();
    assert!(told.is_empty(), "{told:#?}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_shown_ends_the_start_with_its_key_and_what_to_do() {
    let mut stage = Stage::set().await;
    stage.reconfigure_listener("tls_cert = \"absent.pem\"\ntls_key = \"absent.pem\"");
    let mut bot = stage.launch();
    assert_eq!(bot.wait().await.code(), Some(2), "a matter of configuration");
    let log = bot.log();
    assert!(log.contains("listener.tls_cert: absent.pem cannot be read"), "{log}");
    assert!(log.contains("name a PEM file"), "{log}");
}
