//! The log: each alert can be followed by one id through all its lines.

use serde_json::Value;

use crate::stage::{Bot, SOON, Stage};

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
async fn an_alerts_life_is_told_by_its_id_from_the_match_to_the_last_reply() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    stage.flush().await;
    let message = stage.say("SIGNL4 pump 3");
    let alert = stage.alert("SIGNL4 pump 3").await;
    stage.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    bot.wait_for_log(&["reaction added", "\"alert\":\"2\""]).await;
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    bot.wait_for_log(&["reply posted", "\"alert\":\"2\""]).await;
    let life = life(&bot, "2");
    let mut lines = life.iter();
    for step in ["message matched", "alert sent", "event placed", "reply posted"] {
        assert!(lines.any(|line| line == step), "{step} is missing or out of order: {life:?}");
    }
}

#[tokio::test]
async fn an_alert_that_does_not_go_out_tells_so_by_its_id() {
    let mut stage = Stage::set().await;
    stage.reconfigure(
        "[[signl4.team]]\nname = \"gone\"\nwebhook_url = \"http://127.0.0.1:9/webhook/gone\"\n\
         [[trigger]]\nname = \"pump\"\npattern = 'pump'\nteam = \"gone\"\n",
    );
    let bot = stage.start().await;
    stage.say("pump 3");
    bot.wait_for_log(&["not delivered yet", "\"alert\":\"1\""]).await;
    assert_eq!(life(&bot, "1")[..2], ["message matched", "not delivered yet"]);
}
