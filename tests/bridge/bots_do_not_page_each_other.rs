//! Promise 5: bots do not trigger each other endlessly, and no bot triggers itself.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox::rocketchat::{Message, NewMessage};
use sandbox::signl4::{Times, WebhookFault};
use signl4_rocketchat::bot::Tempo;
use tokio::process::Command;

use crate::harness::{Harness, SOON, fast};

/// Two installations in one room, whose replies would fire each other's trigger.
async fn two_bots(replies: &str) -> (Harness, Harness) {
    let mut first = Harness::new().await.with_fast_tempo();
    first.configure(replies);
    let second = first.second_installation();
    (first, second)
}

/// Waits until both bots have replied to a message.
async fn both_reply(harness: &Harness, message: &Message, is_reply: impl Fn(&str) -> bool + Send + Sync) {
    let both = |chat: &sandbox::rocketchat::RocketChat| {
        let replies = chat.thread_replies(message);
        (replies.iter().filter(|reply| is_reply(&reply.text)).count() >= 2).then_some(())
    };
    harness.chat.wait_for(SOON, both).await.unwrap();
}

#[tokio::test]
async fn the_failure_notices_of_two_bots_in_one_room_page_nobody() {
    let (first, second) = two_bots("[replies]\nnot_sent = \"SIGNL4 failed: {{ reason }}\"").await;
    let (_first, _second) = (first.start_bot().await, second.start_bot().await);
    first.signl4.faults().webhook(WebhookFault::Status(404), Times::Always);
    for pump in 1..=3 {
        let message = first.say(&format!("SIGNL4 pump {pump} is down"));
        both_reply(&first, &message, |text| text.starts_with("SIGNL4 failed")).await;
    }
    // Messages are processed in order: the replies to the first two were processed before the third message.
    assert_eq!(first.signl4.calls().len(), 6, "{:?}", first.signl4.calls());
}

#[tokio::test]
async fn delay_notices_of_two_bots_in_one_room_page_nobody() {
    let (first, second) = two_bots("[replies]\ndelayed = \"SIGNL4 is late: {{ reason }}\"").await;
    let tempo = || Tempo { late_after: Duration::from_millis(200), ..fast() };
    let (_first, _second) = (first.start_in_process(tempo()).await, second.start_in_process(tempo()).await);
    first.signl4.faults().webhook(WebhookFault::Status(503), Times::Always);
    let wanted = ["SIGNL4 pump 1 is down", "SIGNL4 pump 2 is down"];
    for text in wanted {
        let message = first.say(text);
        both_reply(&first, &message, |text| text.starts_with("SIGNL4 is late")).await;
    }
    let asked: BTreeSet<String> = first.signl4.calls().into_iter().map(|call| call.text).collect();
    assert_eq!(asked, wanted.map(str::to_owned).into(), "nothing but what Alice wrote");
}

#[tokio::test]
async fn replies_of_two_bots_found_by_the_backfill_page_nobody() {
    let (first, second) = two_bots("[replies]\nnot_sent = \"SIGNL4 failed: {{ reason }}\"").await;
    let (first_bot, second_bot) = (first.start_bot().await, second.start_bot().await);
    first.signl4.faults().webhook(WebhookFault::Status(404), Times::Always);
    let message = first.say("SIGNL4 pump 3 is down");
    both_reply(&first, &message, |text| text.starts_with("SIGNL4 failed")).await;
    first_bot.kill().await;
    second_bot.kill().await;
    let calls = first.signl4.calls().len();
    let (_first, _second) = (first.start_bot().await, second.start_bot().await);
    let message = first.say("SIGNL4 pump 4 is down");
    both_reply(&first, &message, |text| text.starts_with("SIGNL4 failed")).await;
    assert_eq!(first.signl4.calls().len(), calls + 2);
}

#[tokio::test]
async fn a_reply_of_the_bot_pages_nobody_from_any_account() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let of_another = NewMessage::text("SIGNL4 of another bot").id("signl4-reply-abcdefghijkmnopqr");
    harness.chat.post(&harness.room, &harness.bob, of_another).unwrap();
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
    assert_eq!(bot.count_in_log(&["own account"]), 0);
}

#[tokio::test]
async fn an_integration_posting_as_the_bots_account_is_warned_about_once() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    for pump in 1..=3 {
        let text = format!("SIGNL4 pump {pump} is down");
        harness.chat.post(&harness.room, &harness.bot, text.as_str()).unwrap();
    }
    harness.chat.post(&harness.room, &harness.bot, "nothing of importance").unwrap();
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
    assert_eq!(bot.count_in_log(&["WARN", "own account"]), 1, "{}", bot.log());
}

#[tokio::test]
async fn a_dry_run_says_that_the_bots_own_messages_never_page() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    for (user, is_own) in [("@signl4.bot", true), ("alice", false)] {
        let output = Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"))
            .args(["test", "SIGNL4 pump 3 is down", "--user", user, "--config"])
            .arg(harness.path("bot.toml"))
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.contains("the bot's own account"), is_own, "{said}");
        assert_eq!(said.contains("it matches the trigger"), !is_own, "{said}");
    }
}
