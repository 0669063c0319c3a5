//! Promise 1 for what people and integrations really write: every text that people see sets off a trigger, and nothing else does.

use sandbox::rocketchat::{NewMessage, NewRoom};
use serde_json::json;

use crate::harness::Harness;

#[tokio::test]
async fn the_default_trigger_word_counts_where_it_stands_alone() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    for text in [
        "see https://docs.signl4.com/integrations",
        "@signl4.bot are you there?",
        "signl4-manual.pdf is in the wiki",
        "my SIGNL4s",
    ] {
        harness.say(text);
    }
    let counting = ["_SIGNL4_ pump", "⚠️SIGNL4", "泵SIGNL4故障", "signl4."];
    for text in counting {
        harness.say(text);
    }
    harness.wait_for_texts(&counting).await;
    harness.flush().await;
    assert_eq!(harness.pages(), counting);
}

#[tokio::test]
async fn what_unless_matches_pages_nobody() {
    let mut harness = Harness::new().await;
    harness.configure(
        "[[trigger]]\nname = \"pumps\"\nwords = [\"pump 3\", \"SIGNL4\"]\nunless = '(?i)\\bresolved\\b'\n",
    );
    let _bot = harness.start_bot().await;
    harness.say("Pump 3 is back: RESOLVED");
    harness.say("pump 33 is down");
    harness.say("PUMP 3 is down");
    harness.flush().await;
    assert_eq!(harness.pages(), ["PUMP 3 is down"]);
}

/// The second file that README.md shows: a pattern with `.` across the title and the text of an attachment.
#[tokio::test]
async fn the_readmes_trigger_matches_what_its_monitoring_system_posts() {
    let trigger = include_str!("../../README.md").split("```toml\n").nth(2).unwrap();
    let trigger = trigger.split("```").next().unwrap();
    let mut harness = Harness::new().await;
    let team = harness.signl4.webhook_url(crate::harness::TEAM);
    harness.configure(&format!("[[signl4.team]]\nname = \"operations\"\nwebhook_url = {team:?}\n{trigger}"));
    let zabbix = harness.chat.create_user("zabbix").unwrap();
    let room =
        harness.chat.create_room(NewRoom::channel("monitoring").members([&zabbix, &harness.bot])).unwrap();
    let _bot = harness.start_bot().await;
    for (title, text) in
        [("RESOLVED (was PROBLEM)", "pump 7 is up"), ("PROBLEM", "Host north\npump 3 has no pressure")]
    {
        let posted = NewMessage::text("").attachment(json!({"title": title, "text": text}));
        harness.chat.post(&room, &zabbix, posted).unwrap();
    }
    harness.wait_for_texts(&["PROBLEM\nHost north\npump 3 has no pressure"]).await;
    let alerts = harness.signl4.alerts();
    let titles: Vec<_> = alerts.iter().map(|alert| alert.title.as_str()).collect();
    assert_eq!(titles, ["Pump 3 is down"]);
}
