//! Promise 2: one (message, trigger) pair alerts once, however often and in whatever shape the message comes again.

use sandbox::rocketchat::NewMessage;

use crate::stage::Stage;

#[tokio::test]
async fn reactions_pins_stars_previews_replies_and_replays_page_nobody_again() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 see http://example.com/pump");
    stage.alert("SIGNL4 see http://example.com/pump").await;
    stage.chat.react(&message, &stage.bob, ":eyes:").unwrap();
    stage.chat.unreact(&message, &stage.bob, ":eyes:").unwrap();
    stage.chat.pin(&message).unwrap();
    stage.chat.star(&message, &stage.bob).unwrap();
    stage.chat.add_link_previews(&message).unwrap();
    stage.chat.reply(&message, &stage.bob, "on it").unwrap();
    stage.chat.replay(&message);
    stage.flush().await;
    assert_eq!(stage.pages().len(), 1, "{:?}", stage.pages());
}

#[tokio::test]
async fn an_edit_of_a_message_that_alerted_pages_nobody_again() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3");
    stage.alert("SIGNL4 pump 3").await;
    stage.chat.edit(&message, &stage.alice, "SIGNL4 pump 3, no, pump 4").unwrap();
    stage.chat.edit(&message, &stage.alice, "never mind").unwrap();
    stage.chat.edit(&message, &stage.alice, "SIGNL4 after all").unwrap();
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 pump 3"]);
}

#[tokio::test]
async fn an_edit_that_makes_a_message_match_for_the_first_time_pages() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    let message = stage.say("pump 3 is down");
    stage.flush().await;
    stage.chat.edit(&message, &stage.alice, "SIGNL4 pump 3 is down").unwrap();
    let alert = stage.alert("SIGNL4 pump 3 is down").await;
    stage.signl4.acknowledge(&alert.id, "Rene").unwrap();
    stage.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(stage.pages(), ["SIGNL4 pump 3 is down"]);
}

#[tokio::test]
async fn an_edit_pages_nobody_where_its_trigger_says_so() {
    let mut stage = Stage::set().await;
    stage.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\nrun_on_edits = false");
    let _bot = stage.start().await;
    let message = stage.say("pump 3 is down");
    stage.flush().await;
    stage.chat.edit(&message, &stage.alice, "SIGNL4 pump 3 is down").unwrap();
    stage.flush().await;
    assert!(stage.pages().is_empty(), "{:?}", stage.pages());
}

#[tokio::test]
async fn a_message_that_the_server_sends_twice_pages_once() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.chat.faults().set(|switches| switches.duplicate_messages = true);
    stage.say("SIGNL4 twice");
    stage.flush().await;
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 twice"]);
}

#[tokio::test]
async fn messages_of_the_same_millisecond_page_each() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.chat.faults().set(|switches| switches.reverse_messages = true);
    let now = stage.chat.now();
    let texts = ["SIGNL4 one", "SIGNL4 two", "SIGNL4 three"];
    for text in texts {
        stage.chat.post(&stage.room, &stage.alice, NewMessage::text(text).at(now)).unwrap();
    }
    stage.wait_for_texts(&texts).await;
    stage.flush().await;
    assert_eq!(stage.pages().len(), texts.len(), "{:?}", stage.pages());
}

#[tokio::test]
async fn what_alerted_before_a_restart_does_not_alert_after_it() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let message = stage.say("SIGNL4 once");
    stage.alert("SIGNL4 once").await;
    assert!(bot.stop().await.success());
    stage.chat.react(&message, &stage.bob, ":eyes:").unwrap();
    let _bot = stage.start().await;
    stage.chat.replay(&message);
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 once"]);
}

#[tokio::test]
async fn two_triggers_alert_once_each_where_the_first_says_continue() {
    let mut stage = Stage::set().await;
    stage.configure(
        "[[trigger]]\nname = \"all\"\npattern = 'SIGNL4'\ncontinue = true\nmessage = \"all: {{ text }}\"\n\
         [[trigger]]\nname = \"pumps\"\npattern = 'pump'\nmessage = \"pumps: {{ text }}\"\n\
         [[trigger]]\nname = \"never\"\npattern = 'pump'\nmessage = \"never: {{ text }}\"",
    );
    let _bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3");
    stage.wait_for_texts(&["all: SIGNL4 pump 3", "pumps: SIGNL4 pump 3"]).await;
    stage.chat.replay(&message);
    stage.say("SIGNL4 last");
    stage.alert("all: SIGNL4 last").await;
    assert_eq!(stage.texts().len(), 3, "{:?}", stage.texts());
}

#[tokio::test]
async fn a_cooldown_holds_back_further_pages_and_the_thread_is_told() {
    let mut stage = Stage::set().await;
    stage.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\ncooldown = \"1h\"");
    let _bot = stage.start().await;
    stage.say("SIGNL4 first");
    stage.alert("SIGNL4 first").await;
    let second = stage.say("SIGNL4 second");
    stage.wait_for_reply(&second, "No new alert: \"signl4\" raised one here a short while ago.").await;
    assert_eq!(stage.texts(), ["SIGNL4 first"]);
}

#[tokio::test]
async fn an_edit_pages_nobody_again_however_soon_the_store_forgets_what_is_settled() {
    let mut stage = Stage::set().await;
    stage.configure("[store]\nkeep = \"24h\"");
    let bot = stage.start().await;
    let message = stage.say("SIGNL4 pump 3");
    bot.wait_for_log(&["reaction added"]).await;
    bot.kill().await;
    for table in [
        "UPDATE alert SET settled_at = settled_at - 90000000",
        "UPDATE delivery SET settled_at = settled_at - 90000000",
        "UPDATE seen SET seen_at = seen_at - 90000000",
    ] {
        stage.alter_store(table).await;
    }
    let bot = stage.start().await;
    bot.wait_for_log(&["removed rows that were settled long ago"]).await;
    stage.chat.edit(&message, &stage.alice, "SIGNL4 pump 3, no, pump 4").unwrap();
    stage.flush().await;
    assert_eq!(stage.pages(), ["SIGNL4 pump 3"]);
}
