//! Promise 4: the author of a message learns in its thread whether the alert was sent, and if not, why.

use std::time::Duration;

use sandbox::rocketchat::RestFault;
use sandbox::signl4::{Times, WebhookFault};
use signl4_rocketchat::bot::Tempo;

use crate::harness::{Harness, SOON, fast};

#[tokio::test]
async fn a_sent_alert_gets_a_reaction() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let who = harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    assert!(who.contains("signl4.bot"), "{who:?}");
    assert!(harness.replies(&message).is_empty());
}

#[tokio::test]
async fn with_on_sent_none_a_sent_alert_is_not_confirmed_but_its_events_are_posted() {
    let mut harness = Harness::new().await;
    harness.configure("[replies]\non_sent = \"none\"");
    let harness = harness.posting_as("Night watch", "https://chat.example.com/watch.png");
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    bot.wait_for_log(&["alert sent"]).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(reply.alias.as_deref(), Some("Night watch"));
    assert_eq!(reply.avatar.as_deref(), Some("https://chat.example.com/watch.png"));
    assert_eq!(harness.replies(&message).len(), 1, "{:?}", harness.replies(&message));
    assert!(harness.chat.message(&message).unwrap().reactions.is_empty());
}

#[tokio::test]
async fn with_on_sent_reply_a_sent_alert_gets_a_reply() {
    let mut harness = Harness::new().await;
    harness.configure("[replies]\non_sent = \"reply\"\nsent = \"Paged.\"");
    let _bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.wait_for_reply(&message, "Paged.").await;
}

#[tokio::test]
async fn a_rejected_alert_is_reported_in_its_thread_at_once() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    let message = harness.say("SIGNL4 pump 3 is down");
    let reported =
        harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    let reported = reported.await.unwrap().text;
    assert!(reported.contains("secret") && reported.contains("call somebody"), "{reported}");
    harness.flush().await;
    assert!(harness.pages().is_empty(), "a rejected alert is not tried again");
    assert!(harness.chat.message(&message).unwrap().reactions.is_empty());
}

#[tokio::test]
async fn a_message_suppressed_by_a_cooldown_is_informed_that_the_earlier_alert_failed() {
    let mut harness = Harness::new().await.with_fast_tempo();
    harness.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\ncooldown = \"1h\"");
    let bot = harness.start_bot().await;
    harness.say_while_signl4_is_down(&bot, "SIGNL4 pump 3 is down").await;
    let other = harness.say("SIGNL4 pump 4 is down");
    harness.wait_for_reply(&other, "No new alert: one was raised here a short while ago.").await;
    harness.signl4.faults().clear();
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    let reported =
        harness.chat.wait_for_reply(&other, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    reported.await.unwrap();
    let third = harness.say("SIGNL4 pump 5 is down");
    harness.alert("SIGNL4 pump 5 is down").await;
    assert!(harness.replies(&third).is_empty());
}

#[tokio::test]
async fn a_confirmation_that_is_overtaken_by_the_failure_of_its_alert_is_not_posted() {
    let mut harness = Harness::new().await.with_fast_tempo();
    harness.configure("[[trigger]]\nname = \"signl4\"\npattern = 'SIGNL4'\ncooldown = \"1h\"");
    let bot = harness.start_bot().await;
    harness.say_while_signl4_is_down(&bot, "SIGNL4 pump 3 is down").await;
    harness.chat.faults().rest_always("chat.sendMessage", RestFault::status(503));
    let other = harness.say("SIGNL4 pump 4 is down");
    bot.wait_for_log(&["message matched", "suppressed"]).await;
    harness.signl4.faults().clear();
    harness.signl4.faults().webhook(WebhookFault::Status(404), Times::Next(1));
    bot.wait_for_log(&["given up"]).await;
    harness.chat.faults().clear_rest();
    let failure = harness.chat.wait_for_reply(&other, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    failure.await.unwrap();
    bot.wait_for_log(&["a confirmation is not posted"]).await;
    assert_eq!(harness.replies(&other).len(), 1, "{:?}", harness.replies(&other));
}

#[tokio::test]
async fn without_the_right_to_impersonate_replies_come_under_the_bots_own_name() {
    let harness = Harness::new().await;
    harness.chat.deny(&harness.bot, "message-impersonate").unwrap();
    let bot = harness.start_bot().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    let reply = harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
    assert_eq!(reply.alias, None);
    harness.signl4.close(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert closed.").await;
    let said = bot.log().lines().filter(|line| line.contains("message-impersonate")).count();
    assert_eq!(said, 1, "said once");
}

#[tokio::test]
async fn a_delayed_alert_is_reported_once_and_again_when_it_is_sent() {
    let harness = Harness::new().await;
    let _bot = harness.start_in_process(Tempo { late_after: Duration::from_millis(200), ..fast() }).await;
    harness.signl4.refuse().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    harness
        .wait_for_reply(&message, "Alert not sent yet; still trying. If it is urgent, please call somebody.")
        .await;
    harness.signl4.listen_again().await.unwrap();
    harness.wait_for_reply(&message, "Alert sent.").await;
    harness.chat.wait_for_reaction(&message, ":rotating_light:", SOON).await.unwrap();
    assert_eq!(harness.replies(&message).len(), 2);
    assert_eq!(harness.pages(), ["SIGNL4 pump 3 is down"]);
}

#[tokio::test]
async fn a_delay_is_reported_before_its_end_even_if_the_thread_was_unavailable() {
    let harness = Harness::new().await;
    let _bot = harness.start_in_process(Tempo { late_after: Duration::from_millis(200), ..fast() }).await;
    harness.chat.faults().rest_always("chat.sendMessage", RestFault::status(503));
    harness.signl4.refuse().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let tried = |times: usize| {
        harness
            .chat
            .wait_for(SOON, move |chat| (chat.calls_of("chat.sendMessage").len() >= times).then_some(()))
    };
    tried(3).await.unwrap();
    harness.signl4.listen_again().await.unwrap();
    harness.alert("SIGNL4 pump 3 is down").await;
    tried(5).await.unwrap();
    harness.chat.faults().clear_rest();
    harness.wait_for_reply(&message, "Alert sent.").await;
    let reported = harness.replies(&message);
    assert!(reported.len() == 2 && reported[1] == "Alert sent.", "{reported:?}");
}
