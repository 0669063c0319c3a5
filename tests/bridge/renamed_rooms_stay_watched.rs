//! A room that a trigger names stays watched when it is renamed, and whatever happens to it is reported at once.

use sandbox::rocketchat::{NewRoom, Room};

use crate::harness::{Bot, Harness, SOON, http};
use tokio::time::{Instant, sleep};

async fn watching_night() -> (Harness, Room) {
    let mut harness = Harness::new().await;
    harness.watch(&["operations", "#Night"]);
    let members = [&harness.alice, &harness.bot];
    let night = harness.chat.create_room(NewRoom::group("night").members(members)).unwrap();
    (harness, night)
}

impl Harness {
    /// Alice writes into another room; returns once that has paged.
    async fn pages_in(&self, room: &Room, text: &str) {
        self.chat.post(room, &self.alice, text).unwrap();
        self.alert(text).await;
    }

    /// What the command `check` prints.
    async fn check(&self) -> String {
        let check = tokio::process::Command::new(env!("CARGO_BIN_EXE_signl4-rocketchat"))
            .args(["check", "--config"])
            .arg(self.path("bot.toml"))
            .current_dir(self.path("."))
            .env("NO_PROXY", "127.0.0.1")
            .output();
        String::from_utf8(check.await.unwrap().stdout).unwrap()
    }

    /// Waits until the bot reports this to the operator, or no longer does.
    async fn wait_for_state(&self, words: &str, is_told: bool) {
        let deadline = Instant::now() + SOON;
        loop {
            let answer = http().get(format!("{}/readyz", self.admin_url())).send().await.unwrap();
            let text = answer.text().await.unwrap();
            if text.contains(words) == is_told {
                return;
            }
            assert!(Instant::now() < deadline, "{words:?}: {text}");
            sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

const RENAMED: &str =
    "The room named Night in the configuration was renamed to lounge. The bot still watches it";

#[tokio::test]
async fn a_renamed_room_stays_watched_with_a_warning_until_it_is_reconfigured() {
    let (mut harness, night) = watching_night().await;
    let bot = harness.start_bot().await;
    harness.pages_in(&night, "SIGNL4 before").await;
    harness.chat.rename(&night, "lounge").unwrap();
    harness.pages_in(&night, "SIGNL4 after").await;
    bot.wait_for_log(&["WARN", RENAMED]).await;
    harness.wait_for_state(RENAMED, true).await;
    let page = http().get(harness.admin_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("was named Night"), "{page}");
    bot.kill().await;
    harness.chat.post(&night, &harness.alice, "SIGNL4 while down").unwrap();
    let bot: Bot = harness.start_bot().await;
    harness.alert("SIGNL4 while down").await;
    bot.wait_for_log(&["WARN", RENAMED]).await;
    harness.pages_in(&night, "SIGNL4 after the restart").await;
    // Another room with that name is also watched.
    let members = [&harness.alice, &harness.bot];
    let other = harness.chat.create_room(NewRoom::group("night").members(members)).unwrap();
    harness.pages_in(&other, "SIGNL4 in the new one").await;
    harness.pages_in(&night, "SIGNL4 in the old one").await;
    harness.reconfigure(
        "[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\nrooms = [\"operations\", \"lounge\"]",
    );
    bot.reload().await;
    harness.wait_for_state(RENAMED, false).await;
    harness.chat.post(&other, &harness.alice, "SIGNL4 not watched").unwrap();
    harness.pages_in(&night, "SIGNL4 named anew").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 7, "{:?}", harness.pages());
}

#[tokio::test]
async fn a_room_renamed_while_the_bot_was_down_stays_watched() {
    let (harness, night) = watching_night().await;
    let bot = harness.start_bot().await;
    harness.pages_in(&night, "SIGNL4 before").await;
    bot.wait_for_log(&["caught up"]).await;
    bot.kill().await;
    harness.chat.rename(&night, "lounge").unwrap();
    harness.chat.post(&night, &harness.alice, "SIGNL4 while down").unwrap();
    let bot = harness.start_bot().await;
    harness.alert("SIGNL4 while down").await;
    bot.wait_for_log(&["WARN", RENAMED]).await;
}

#[tokio::test]
async fn a_channel_that_the_bot_is_not_in_stays_watched_when_it_is_renamed() {
    let mut harness = Harness::new().await.without_auto_join();
    harness.watch(&["operations", "Night"]);
    let night = harness.chat.create_room(NewRoom::channel("night").members([&harness.alice])).unwrap();
    let bot = harness.start_bot().await;
    harness.pages_in(&night, "SIGNL4 before").await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.rename(&night, "lounge").unwrap();
    harness.pages_in(&night, "SIGNL4 after").await;
    bot.kill().await;
    harness.chat.post(&night, &harness.alice, "SIGNL4 while down").unwrap();
    let bot = harness.start_bot().await;
    harness.alert("SIGNL4 while down").await;
    bot.wait_for_log(&["WARN", "was renamed to #lounge. The bot still watches it"]).await;
}

#[tokio::test]
async fn an_archived_encrypted_left_or_deleted_room_is_reported_until_it_is_fixed() {
    let (harness, night) = watching_night().await;
    let harness = harness.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.pages_in(&night, "SIGNL4 before").await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.set_archived(&night, true).unwrap();
    bot.wait_for_log(&["WARN", "night is archived, so nobody can post there"]).await;
    harness.wait_for_state("night is archived", true).await;
    harness.chat.set_archived(&night, false).unwrap();
    harness.wait_for_state("night is archived", false).await;
    harness.chat.set_encrypted(&night, true).unwrap();
    harness
        .wait_for_state("Messages in night cannot be read, because it is end-to-end encrypted", true)
        .await;
    harness.chat.set_encrypted(&night, false).unwrap();
    harness.wait_for_state("encrypted", false).await;
    harness.chat.kick(&night, &harness.bot, &harness.alice).unwrap();
    bot.wait_for_log(&["WARN", "The bot is no longer in night"]).await;
    harness.wait_for_state("The bot is no longer in night", true).await;
    harness.chat.join(&night, &harness.bot).unwrap();
    harness.wait_for_state("The bot is no longer in night", false).await;
    harness.pages_in(&night, "SIGNL4 again").await;
    harness.chat.delete_room(&night).unwrap();
    bot.wait_for_log(&["WARN", "a watched room was deleted", &night.id]).await;
}

#[tokio::test]
async fn the_check_says_that_a_watched_room_was_renamed_while_the_bot_runs_and_after_it() {
    let (harness, night) = watching_night().await;
    let bot = harness.start_bot().await;
    harness.pages_in(&night, "SIGNL4 before").await;
    bot.wait_for_log(&["caught up"]).await;
    harness.chat.rename(&night, "lounge").unwrap();
    bot.wait_for_log(&["WARN", RENAMED]).await;
    let warning = "was renamed to lounge, and is still watched by its ID";
    let said = harness.check().await;
    assert!(said.contains(warning), "{said}");
    bot.kill().await;
    let said = harness.check().await;
    assert!(said.contains(warning), "{said}");
}
