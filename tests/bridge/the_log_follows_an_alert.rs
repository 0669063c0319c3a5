//! The log: each alert can be followed through all its lines by one ID.

use sandbox::rocketchat::Message;
use serde_json::Value;

use crate::harness::{Bot, Harness, SOON};

/// The id of the alert that a message raised.
async fn alert_of(bot: &Bot, message: &Message) -> String {
    bot.wait_for_log(&["message matched", &message.id]).await;
    let lines = bot.log();
    let line = lines.lines().find(|line| line.contains("message matched") && line.contains(&message.id));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    line["alert"].as_str().unwrap().to_owned()
}

/// The messages of all lines at info and above that carry this alert's id.
fn life(bot: &Bot, alert: &str) -> Vec<String> {
    let lines = bot.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["alert"] == alert && line["level"] != "DEBUG" && line["level"] != "TRACE")
        .filter_map(|line| line["message"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn every_step_of_an_alert_is_logged_with_its_id() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    let message = harness.say("SIGNL4 pump 3");
    let alert = harness.alert("SIGNL4 pump 3").await;
    harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    let id = alert_of(&bot, &message).await;
    let of_alert = format!("\"alert\":\"{id}\"");
    bot.wait_for_log(&["reaction added", &of_alert]).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    bot.wait_for_log(&["reply posted", &of_alert]).await;
    let life = life(&bot, &id);
    let mut lines = life.iter();
    for step in ["message matched", "alert sent", "event correlated", "reply posted"] {
        assert!(lines.any(|line| line == step), "{step} is missing or out of order: {life:?}");
    }
}

#[tokio::test]
async fn a_failing_alert_is_logged_with_its_id() {
    let mut harness = Harness::new().await;
    harness.reconfigure(
        "[[signl4.team]]\nname = \"gone\"\nwebhook_url = \"http://127.0.0.1:9/webhook/gone\"\n\
         [[trigger]]\nname = \"pump\"\npattern = 'pump'\nteam = \"gone\"\n",
    );
    let bot = harness.start_bot().await;
    let id = alert_of(&bot, &harness.say("pump 3")).await;
    bot.wait_for_log(&["not delivered yet", &format!("\"alert\":\"{id}\"")]).await;
    assert_eq!(life(&bot, &id)[..2], ["message matched", "not delivered yet"]);
}

#[tokio::test]
async fn a_panic_over_a_text_loses_no_alert_and_logs_no_text() {
    const TEXT: &str = "SIGNL4 pump %(S\u{fffd}";
    let mut harness = Harness::new().await;
    // A defect of minijinja's filter: it cuts in the middle of a character.
    harness
        .configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\nmessage = \"{{ text|format(1) }}\"");
    let bot = harness.start_bot().await;
    harness.say(TEXT);
    harness.alert(TEXT).await;
    bot.wait_for_log(&["\"ERROR\"", "panicked; this is a bug"]).await;
    let lines = bot.log();
    let is_reported = |line: &&str| line.contains("char boundary") && !line.contains("\"DEBUG\"");
    assert_eq!(lines.lines().find(is_reported), None);
}
