//! Promise 2: one (message, trigger) pair alerts once, however often and in whatever form the message is sent again.

use sandbox::rocketchat::NewMessage;

use crate::harness::Harness;

#[tokio::test]
async fn reactions_pins_stars_previews_replies_and_replays_page_nobody_again() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 see http://example.com/pump");
    harness.alert("SIGNL4 see http://example.com/pump").await;
    harness.chat.react(&message, &harness.bob, ":eyes:").unwrap();
    harness.chat.unreact(&message, &harness.bob, ":eyes:").unwrap();
    harness.chat.pin(&message).unwrap();
    harness.chat.star(&message, &harness.bob).unwrap();
    harness.chat.add_link_previews(&message).unwrap();
    harness.chat.reply(&message, &harness.bob, "on it").unwrap();
    harness.chat.replay(&message);
    harness.flush().await;
    assert_eq!(harness.pages().len(), 1, "{:?}", harness.pages());
}

#[tokio::test]
async fn an_edit_of_a_message_that_alerted_pages_nobody_again() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3");
    harness.alert("SIGNL4 pump 3").await;
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3, no, pump 4").unwrap();
    harness.chat.edit(&message, &harness.alice, "never mind").unwrap();
    harness.chat.edit(&message, &harness.alice, "SIGNL4 after all").unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 pump 3"]);
}

#[tokio::test]
async fn an_edit_that_makes_a_message_match_for_the_first_time_pages() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("pump 3 is down");
    harness.flush().await;
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3 is down").unwrap();
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(harness.pages(), ["SIGNL4 pump 3 is down"]);
}

#[tokio::test]
async fn with_run_on_edits_false_an_edit_pages_nobody() {
    let mut harness = Harness::new().await;
    harness.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\nrun_on_edits = false");
    let _bot = harness.start_bot().await;
    let message = harness.say("pump 3 is down");
    harness.flush().await;
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3 is down").unwrap();
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
}

#[tokio::test]
async fn a_trigger_that_ignores_edits_leaves_them_to_the_next_one() {
    let mut harness = Harness::new().await;
    harness.configure("[[trigger]]\nname = \"first\"\npattern = 'SIGNL4'\nrun_on_edits = false");
    harness.configure("[[trigger]]\nname = \"pumps\"\npattern = 'pump'");
    let _bot = harness.start_bot().await;
    let message = harness.say("all is well");
    harness.flush().await;
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3 is down").unwrap();
    harness.alert("SIGNL4 pump 3 is down").await;
}

#[tokio::test]
async fn an_edit_that_a_trigger_ignores_pages_no_second_time_even_after_a_restart() {
    let mut harness = Harness::new().await;
    harness.configure("[[trigger]]\nname = \"first\"\npattern = 'SIGNL4'\nrun_on_edits = false");
    harness.configure("[[trigger]]\nname = \"pumps\"\npattern = 'pump'");
    let bot = harness.start_bot().await;
    let of_first = harness.say("SIGNL4 pump 3");
    harness.alert("SIGNL4 pump 3").await;
    harness.chat.edit(&of_first, &harness.alice, "SIGNL4 pump 4").unwrap();
    let of_pumps = harness.say("pump 5");
    harness.alert("pump 5").await;
    harness.chat.edit(&of_pumps, &harness.alice, "SIGNL4 pump 6").unwrap();
    let left_to_pumps = harness.say("all is well");
    harness.flush().await;
    harness.chat.edit(&left_to_pumps, &harness.alice, "SIGNL4 pump 7").unwrap();
    harness.alert("SIGNL4 pump 7").await;
    let pages = ["SIGNL4 pump 3", "pump 5", "SIGNL4 pump 7"];
    assert_eq!(harness.pages(), pages);
    bot.stop().await;
    let _bot = harness.start_bot().await;
    for message in [&of_first, &of_pumps, &left_to_pumps] {
        harness.chat.replay(message);
    }
    harness.flush().await;
    assert_eq!(harness.pages(), pages);
}

#[tokio::test]
async fn an_ignored_edit_pages_what_continue_leads_to_and_the_next_trigger_together() {
    let mut harness = Harness::new().await;
    harness.configure(
        "[[trigger]]\nname = \"all\"\npattern = 'SIGNL4'\ncontinue = true\nmessage = \"all: {{ text }}\"\n\
         [[trigger]]\nname = \"first\"\npattern = 'SIGNL4'\nrun_on_edits = false\n\
         [[trigger]]\nname = \"pumps\"\npattern = 'pump'\nmessage = \"pumps: {{ text }}\"",
    );
    let _bot = harness.start_bot().await;
    let message = harness.say("all is well");
    harness.flush().await;
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3").unwrap();
    harness.wait_for_texts(&["all: SIGNL4 pump 3", "pumps: SIGNL4 pump 3"]).await;
}

#[tokio::test]
async fn a_message_that_the_server_sends_twice_pages_once() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.chat.faults().set(|switches| switches.duplicate_messages = true);
    harness.say("SIGNL4 twice");
    harness.flush().await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 twice"]);
}

#[tokio::test]
async fn messages_of_the_same_millisecond_page_each() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    harness.chat.faults().set(|switches| switches.reverse_messages = true);
    let now = harness.chat.now();
    let texts = ["SIGNL4 one", "SIGNL4 two", "SIGNL4 three"];
    for text in texts {
        harness.chat.post(&harness.room, &harness.alice, NewMessage::text(text).at(now)).unwrap();
    }
    harness.wait_for_texts(&texts).await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), texts.len(), "{:?}", harness.pages());
}

#[tokio::test]
async fn a_message_that_alerted_before_a_restart_does_not_alert_after_it() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 once");
    harness.alert("SIGNL4 once").await;
    assert!(bot.stop().await.success());
    harness.chat.react(&message, &harness.bob, ":eyes:").unwrap();
    let _bot = harness.start_bot().await;
    harness.chat.replay(&message);
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 once"]);
}

#[tokio::test]
async fn with_continue_two_triggers_alert_once_each() {
    let mut harness = Harness::new().await;
    harness.configure(
        "[[trigger]]\nname = \"all\"\npattern = 'SIGNL4'\ncontinue = true\nmessage = \"all: {{ text }}\"\n\
         [[trigger]]\nname = \"pumps\"\npattern = 'pump'\nmessage = \"pumps: {{ text }}\"\n\
         [[trigger]]\nname = \"never\"\npattern = 'pump'\nmessage = \"never: {{ text }}\"",
    );
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3");
    harness.wait_for_texts(&["all: SIGNL4 pump 3", "pumps: SIGNL4 pump 3"]).await;
    harness.chat.replay(&message);
    harness.say("SIGNL4 last");
    harness.alert("all: SIGNL4 last").await;
    assert_eq!(harness.texts().len(), 3, "{:?}", harness.texts());
}

#[tokio::test]
async fn a_trigger_that_is_renamed_before_a_restart_pages_nobody_again() {
    let mut harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.say("SIGNL4 pump 3 is down");
    harness.alert("SIGNL4 pump 3 is down").await;
    harness.flush().await;
    bot.stop().await;
    harness.configure("[[trigger]]\nname = \"pumps\"\nwords = [\"SIGNL4\"]");
    let missed = harness.say("SIGNL4 pump 4 is down");
    let _bot = harness.start_bot().await;
    harness.alert(&missed.text).await;
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 pump 3 is down", "SIGNL4 pump 4 is down"]);
}

#[tokio::test]
async fn an_edit_during_a_restart_with_other_triggers_pages_the_team_that_it_matches_first() {
    let mut harness = Harness::new().await;
    harness.configure("[[trigger]]\nname = \"routers\"\nwords = [\"router\"]");
    harness.configure("[[trigger]]\nname = \"signl4\"\nwords = [\"SIGNL4\"]");
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.alert("SIGNL4 pump 3 is down").await;
    harness.flush().await;
    bot.stop().await;
    harness.configure("[[trigger]]\nname = \"pumps\"\nwords = [\"pump\"]");
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3 and its router are down").unwrap();
    harness.say("nothing to see");
    let _bot = harness.start_bot().await;
    harness.alert("SIGNL4 pump 3 and its router are down").await;
    harness.flush().await;
    assert_eq!(harness.pages().len(), 2, "{:?}", harness.pages());
}

#[tokio::test]
async fn a_cooldown_suppresses_further_pages_and_the_thread_says_so() {
    let mut harness = Harness::new().await;
    harness.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\ncooldown = \"1h\"");
    let _bot = harness.start_bot().await;
    harness.say("SIGNL4 first");
    harness.alert("SIGNL4 first").await;
    let second = harness.say("SIGNL4 second");
    harness.wait_for_reply(&second, "No new alert: one was raised here a short while ago.").await;
    assert_eq!(harness.texts(), ["SIGNL4 first"]);
}

#[tokio::test]
async fn an_edit_pages_nobody_again_after_old_rows_are_deleted() {
    let mut harness = Harness::new().await;
    harness.configure("[store]\nkeep = \"24h\"");
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3");
    bot.wait_for_log(&["reaction added"]).await;
    bot.kill().await;
    for table in [
        "UPDATE alert SET settled_at = settled_at - 90000000",
        "UPDATE delivery SET settled_at = settled_at - 90000000",
    ] {
        harness.alter_store(table).await;
    }
    let bot = harness.start_bot().await;
    bot.wait_for_log(&["deleted rows that are older than store.keep"]).await;
    harness.chat.edit(&message, &harness.alice, "SIGNL4 pump 3, no, pump 4").unwrap();
    harness.flush().await;
    assert_eq!(harness.pages(), ["SIGNL4 pump 3"]);
}
