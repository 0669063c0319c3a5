//! Promise 1 for what people and integrations really write: every visible text can fire a trigger, and nothing else
//! does.

use sandbox::rocketchat::{NewMessage, NewRoom};
use serde_json::{Value, json};

use crate::harness::{Harness, http};

#[tokio::test]
async fn the_default_trigger_word_matches_if_it_stands_alone() {
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
    let mut counting = ["_SIGNL4_ pump", "⚠️SIGNL4", "泵SIGNL4故障", "signl4."];
    for text in counting {
        harness.say(text);
    }
    harness.wait_for_texts(&counting).await;
    harness.flush().await;
    // The newest message of a room may be found before the stream brings those before it.
    let mut pages = harness.pages();
    pages.sort();
    counting.sort_unstable();
    assert_eq!(pages, counting);
}

#[tokio::test]
async fn a_message_that_unless_matches_pages_nobody() {
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

fn attached(attachment: Value) -> NewMessage {
    NewMessage::text("").by_integration("monitoring").attachment(attachment)
}

/// Messages as servers store them, each with the text of its alert. An empty text means that the message pages nobody.
fn documents(server: &str, number: u32) -> Vec<(NewMessage, String)> {
    let text = format!("SIGNL4 pump {number} is down");
    let quoted = format!("{server}/channel/operations?msg=abc");
    let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": &text}});
    let context = json!({"type": "context", "elements": [{"type": "plain_text", "text": &text}]});
    let header = json!({"type": "header", "text": {"type": "plain_text", "text": "Zabbix"}});
    let fields = json!({"type": "section", "fields": [{"type": "mrkdwn", "text": &text}]});
    let file = json!({"_id": "f", "name": format!("{text}.png"), "type": "image/png"});
    let upload = json!({"title": format!("{text}.png"), "type": "file", "description": "it leaks"});
    vec![
        (
            attached(json!({"title": "Link", "text": &text, "message_link": "https://zabbix.example.com/x"})),
            format!("Link\n{text}"),
        ),
        (
            attached(
                json!({"text": &text, "title": "Query", "message_link": "https://zabbix.example.com/x?msg=7"}),
            ),
            format!("Query\n{text}"),
        ),
        (NewMessage::text("").field("blocks", json!([header, section])), format!("Zabbix\n{text}")),
        (NewMessage::text("blocks:").field("blocks", json!([fields])), format!("blocks:\n{text}")),
        (attached(json!({"title": "In blocks", "blocks": [context]})), format!("In blocks\n{text}")),
        (
            attached(json!({"title": "Nested", "attachments": [{"fallback": &text}]})),
            format!("Nested\n{text}"),
        ),
        (
            attached(json!({"title": "Field", "fields": [{"title": &text, "value": 7}]})),
            format!("Field\n{text}: 7"),
        ),
        (
            NewMessage::text("").field("file", file.clone()).field("files", json!([file])).attachment(upload),
            format!("{text}.png\nit leaks"),
        ),
        (
            NewMessage::text("").field("files", json!([{"name": format!("{text}.log")}])),
            format!("{text}.log"),
        ),
        (
            NewMessage::text(format!("[ ]({quoted}) ")).quoting(
                &quoted,
                "alice",
                &format!("{text}, forwarded"),
            ),
            format!("{text}, forwarded"),
        ),
        (
            NewMessage::text(format!("[ ]({quoted}) I look into it")).quoting(&quoted, "alice", &text),
            String::new(),
        ),
        // The first message of a discussion.
        (NewMessage::text("").quoting("/channel/operations?msg=abc", "alice", &text), String::new()),
    ]
}

#[tokio::test]
async fn every_text_that_people_see_pages_once_by_the_stream_and_from_the_history() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let post = |number| {
        let documents = documents(&harness.chat.url(), number).into_iter();
        let posted = documents.map(|(message, text)| {
            harness.chat.post(&harness.room, &harness.bob, message).unwrap();
            text
        });
        posted.filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    let mut expected = post(3);
    harness.flush().await;
    bot.kill().await;
    expected.extend(post(4));
    let _bot = harness.start_bot().await;
    harness.wait_for_texts(&expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    harness.flush().await;
    let mut pages = harness.pages();
    pages.sort();
    expected.sort();
    assert_eq!(pages, expected);
}

#[tokio::test]
async fn an_unreadable_message_is_counted_and_affects_no_other() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    harness.say("SIGNL4 before");
    let bad = harness.say("SIGNL4 of nobody");
    harness.chat.change_message(&bad, |message| message.user_id.clear()).unwrap();
    harness.say("SIGNL4 after");
    let bot = harness.start_bot().await;
    harness.wait_for_texts(&["SIGNL4 before", "SIGNL4 after"]).await;
    bot.wait_for_log(&["a message cannot be read and is skipped", &bad.id, "u._id"]).await;
    let metrics =
        http().get(format!("{}/metrics", harness.admin_url())).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("signl4_bot_messages_unreadable_total 1"), "{metrics}");
    let mut pages = harness.pages();
    pages.sort();
    assert_eq!(pages, ["SIGNL4 after", "SIGNL4 before"]);
}
