//! An alert that had to wait is sent with the current text of its message, and is not sent if the message was deleted.

use std::time::Duration;

use sandbox::rocketchat::{Message, RestFault};
use sandbox::signl4::{Times, WebhookFault};

use crate::harness::{Bot, Harness};

async fn harness() -> Harness {
    Harness::new().await.with_fast_tempo()
}

impl Harness {
    /// Alice writes a message whose alert SIGNL4 rejects for now.
    pub async fn say_while_signl4_is_down(&self, bot: &Bot, text: &str) -> Message {
        self.signl4.faults().webhook(WebhookFault::Status(503), Times::Always);
        let before = bot.count_in_log(&["not delivered yet"]);
        let message = self.say(text);
        bot.wait_for_logs(before + 1, &["not delivered yet"]).await;
        message
    }
}

#[tokio::test]
async fn an_edited_message_pages_with_its_newest_text() {
    let harness = harness().await;
    let bot = harness.start_bot().await;
    let message = harness.say_while_signl4_is_down(&bot, "SIGNL4 pump 2 is down").await;
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3 is down, not 2").unwrap();
    harness.signl4.faults().clear();
    harness.alert("SIGNL4 pump 3 is down, not 2").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 1, "{:?}", harness.pages());
}

#[tokio::test]
async fn an_edit_that_no_longer_matches_pages_with_the_old_text() {
    let harness = harness().await;
    let bot = harness.start_bot().await;
    let message = harness.say_while_signl4_is_down(&bot, "SIGNL4 pump 3 is down").await;
    harness.chat.edit(&message, &harness.alice, "never mind").unwrap();
    harness.signl4.faults().clear();
    harness.alert("SIGNL4 pump 3 is down").await;
}

#[tokio::test]
async fn a_deleted_message_pages_nobody_whether_it_was_answered_or_not() {
    let harness = harness().await;
    let bot = harness.start_bot().await;
    let lone = harness.say_while_signl4_is_down(&bot, "SIGNL4 a typo").await;
    let answered = harness.say_while_signl4_is_down(&bot, "SIGNL4 another typo").await;
    harness.chat.reply(&answered, &harness.bob, "really?").unwrap();
    for message in [lone, answered] {
        harness.chat.delete(&message, &harness.alice).unwrap();
    }
    harness.signl4.faults().clear();
    bot.wait_for_logs(2, &["not sent", "its message was deleted"]).await;
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
}

#[tokio::test]
async fn with_page_deleted_a_deleted_message_still_pages() {
    let mut harness = harness().await;
    harness.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\npage_deleted = true");
    let bot = harness.start_bot().await;
    let message = harness.say_while_signl4_is_down(&bot, "SIGNL4 pump 3 is down").await;
    harness.chat.delete(&message, &harness.alice).unwrap();
    harness.signl4.faults().clear();
    harness.alert("SIGNL4 pump 3 is down").await;
}

#[tokio::test]
async fn a_message_deleted_and_written_again_within_the_cooldown_pages() {
    let mut harness = harness().await;
    harness.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\ncooldown = \"1h\"");
    let bot = harness.start_bot().await;
    let typo = harness.say_while_signl4_is_down(&bot, "SIGNL4 pump 2 is down").await;
    harness.say("SIGNL4 pump 3 is down");
    bot.wait_for_log(&["message matched", "suppressed"]).await;
    harness.chat.delete(&typo, &harness.alice).unwrap();
    harness.signl4.faults().clear();
    harness.alert("SIGNL4 pump 2 is down").await;
    assert_eq!(harness.pages().len(), 1, "{:?}", harness.pages());
}

#[tokio::test]
async fn if_a_message_cannot_be_read_again_its_alert_is_sent_unchanged_and_soon() {
    let harness = harness().await;
    let group = harness
        .chat
        .create_room(sandbox::rocketchat::NewRoom::group("night").members([&harness.alice, &harness.bot]))
        .unwrap();
    let bot = harness.start_bot().await;
    harness.flush().await;
    harness.signl4.faults().webhook(WebhookFault::Status(503), Times::Always);
    harness.chat.post(&group, &harness.alice, "SIGNL4 in a group").unwrap();
    bot.wait_for_log(&["not delivered yet"]).await;
    // Its messages are answered for as if they were deleted.
    harness.chat.kick(&group, &harness.bot, &harness.alice).unwrap();
    harness.signl4.faults().clear();
    harness.alert("SIGNL4 in a group").await;
    let message = harness.say_while_signl4_is_down(&bot, "SIGNL4 while the chat is slow").await;
    harness.chat.delete(&message, &harness.alice).unwrap();
    harness.chat.faults().rest_always("chat.getMessage", RestFault::NoAnswer);
    harness.signl4.faults().clear();
    harness.wait_for_texts_within(&["SIGNL4 while the chat is slow"], Duration::from_secs(15)).await;
}
