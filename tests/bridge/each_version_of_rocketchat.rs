//! The most important functions with each supported major version of Rocket.Chat: the newest of each, and 8.0.

use sandbox::rocketchat::{NewRoom, Options};
use sandbox::signl4;

use crate::harness::Harness;

async fn harness(version: &str) -> Harness {
    Harness::with_options(Options::of_version(version), signl4::Options::default()).await
}

/// A match pages, its acknowledgement arrives in the thread, and a message written during an outage pages too.
async fn pages_replies_and_catches_up(harness: Harness) {
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    bot.wait_for_log(&["caught up"]).await;
    harness
        .reconnect(&bot, || {
            harness.say("SIGNL4 while cut off");
        })
        .await;
    harness.alert("SIGNL4 while cut off").await;
    bot.kill().await;
    harness.say("SIGNL4 while down");
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 while down").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 3, "{:?}", harness.pages());
}

/// A match in a thread is answered in that thread.
async fn answers_in_the_thread_of_a_reply(harness: Harness) {
    let _bot = harness.start_bot().await;
    let first = harness.say("what is that noise?");
    let reply = sandbox::rocketchat::NewMessage::text("SIGNL4 pump 4").in_thread(&first);
    harness.chat.post(&harness.room, &harness.alice, reply).unwrap();
    let alert = harness.alert("SIGNL4 pump 4").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&first, "Rene: Alert acknowledged.").await;
}

/// A refused login is explained, even if REST only says "unauthorized".
async fn explains_a_refused_login(harness: Harness) {
    let harness = harness.with_password();
    harness.chat.set_password(&harness.bot, "another one").unwrap();
    let bot = harness.spawn_bot();
    bot.wait_for_log(&["refuses the login: Incorrect password"]).await;
}

/// A room that the bot may not see is reported, and does not affect the others.
async fn says_which_room_it_cannot_see(mut harness: Harness) {
    let secret = harness.chat.create_room(NewRoom::group("secret").members([&harness.alice])).unwrap();
    harness.watch(&["operations", "secret", &format!("id:{}", secret.id)]);
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["a watched room cannot be found; is the bot in it?", &secret.id]).await;
    bot.wait_for_log(&["a watched room cannot be found; is the bot in it?", "\"secret\""]).await;
    harness.say("SIGNL4 pump 5");
    harness.alert("SIGNL4 pump 5").await;
}

macro_rules! versions {
    ($($name:ident = $version:literal),*) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn a_match_pages_its_acknowledgement_is_posted_and_missed_messages_page() {
                pages_replies_and_catches_up(harness($version).await).await;
            }

            #[tokio::test]
            async fn the_same_with_a_password() {
                pages_replies_and_catches_up(harness($version).await.with_password()).await;
            }

            #[tokio::test]
            async fn a_match_in_a_thread_is_answered_there() {
                answers_in_the_thread_of_a_reply(harness($version).await).await;
            }

            #[tokio::test]
            async fn a_refused_login_is_explained() {
                explains_a_refused_login(harness($version).await).await;
            }

            #[tokio::test]
            async fn an_inaccessible_room_is_reported_and_affects_no_other() {
                says_which_room_it_cannot_see(harness($version).await).await;
            }
        }
    )* };
}

versions!(six = "6.13.1", seven = "7.13.2", eight = "8.0.1", late_eight = "8.9.0", nine = "9.0.0");
