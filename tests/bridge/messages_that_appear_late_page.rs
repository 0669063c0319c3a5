//! Promise 1 for messages that appear later than they were written: imported ones, and those of integrations that set
//! their time.

use std::time::Duration;

use jiff::Timestamp;
use sandbox::rocketchat::{Message, NewMessage};

use crate::harness::Harness;

const MINUTE: i64 = 60_000;

/// The store of a bot that seems to have watched its rooms for two hours.
async fn age(harness: &Harness) {
    harness.alter_store("UPDATE room SET since = since - 7200000").await;
    let two_hours = Duration::from_hours(2);
    harness
        .alter_fact("progress", |progress| {
            for at in ["first_session", "judged_since"] {
                let time: Timestamp = progress[at].as_str().unwrap().parse().unwrap();
                progress[at] = (time - two_hours).to_string().into();
            }
        })
        .await;
}

/// A message that appears now and was written so many minutes ago.
fn import(harness: &Harness, minutes: i64, text: &str) -> Message {
    let message = NewMessage::text(text).at(harness.chat.now() - minutes * MINUTE);
    harness.chat.post(&harness.room, &harness.alice, message).unwrap()
}

#[tokio::test]
async fn an_imported_message_pages_if_it_is_within_catch_up_and_the_watch() {
    let harness = Harness::new().await.with_catch_up("1h");
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    age(&harness).await;
    import(&harness, 50, "SIGNL4 imported while the bot was down");
    import(&harness, 90, "SIGNL4 older than catch_up");
    import(&harness, 180, "SIGNL4 older than the bot");
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 imported while the bot was down").await;
    let live = import(&harness, 40, "SIGNL4 imported while the bot runs");
    harness.alert("SIGNL4 imported while the bot runs").await;
    harness.chat.react(&live, &harness.bob, ":eyes:").unwrap();
    harness.flush().await;
    let mut pages = harness.pages();
    pages.sort();
    assert_eq!(pages, ["SIGNL4 imported while the bot runs", "SIGNL4 imported while the bot was down"]);
}

#[tokio::test]
async fn a_reaction_to_an_alert_after_a_restart_pages_nobody_again() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    age(&harness).await;
    let bot = harness.start_bot().await;
    let old = import(&harness, 50, "SIGNL4 pump 3");
    harness.alert("SIGNL4 pump 3").await;
    bot.kill().await;
    harness.chat.react(&old, &harness.bob, ":eyes:").unwrap();
    let _bot = harness.start_bot().await;
    harness.chat.react(&old, &harness.alice, ":tada:").unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 pump 3"]);
}

#[tokio::test]
async fn an_old_message_that_only_a_new_trigger_matches_pages_nobody_after_a_reaction() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    age(&harness).await;
    let old = import(&harness, 50, "pump 3 was loud");
    let bot = harness.start_bot().await;
    harness.flush().await;
    bot.kill().await;
    harness.configure("[[trigger]]\nname = \"pumps\"\nwords = [\"pump\", \"SIGNL4\"]\n");
    let _bot = harness.start_bot().await;
    harness.chat.react(&old, &harness.bob, ":eyes:").unwrap();
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
}
