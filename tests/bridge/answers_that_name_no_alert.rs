//! A success answer that names no alert: a gateway's page raised none. Any other answer raised an alert that only its
//! own events can name. No event is posted to a guessed thread.

use std::time::Duration;

use sandbox::signl4::{OutboundFault, Times, WebhookFault};
use signl4_rocketchat::bot::Tempo;

use crate::harness::{Harness, SOON, fast};

const ONE: &str = "SIGNL4 pump 3 is down";
const OTHER: &str = "SIGNL4 pump 4 is down";

#[tokio::test]
async fn after_a_gateways_web_page_the_alert_is_raised_once_and_its_delay_reported() {
    let harness = Harness::new().await;
    let _bot = harness.start_in_process(Tempo { late_after: Duration::from_millis(200), ..fast() }).await;
    harness.signl4.faults().webhook(WebhookFault::WebPage, Times::Always);
    let first = harness.say(ONE);
    harness.chat.wait_for_reply(&first, SOON, |reply| reply.text.contains("still trying")).await.unwrap();
    assert!(harness.chat.message(&first).unwrap().reactions.is_empty(), "not shown as sent");
    harness.signl4.faults().clear();
    harness.wait_for_reply(&first, "Alert sent.").await;
    let second = harness.say(OTHER);
    harness.signl4.acknowledge(&harness.alert(OTHER).await.id, "Mia").unwrap();
    harness.wait_for_reply(&second, "Mia: Alert acknowledged.").await;
    harness.signl4.acknowledge(&harness.alert(ONE).await.id, "Rene").unwrap();
    harness.wait_for_reply(&first, "Rene: Alert acknowledged.").await;
    assert_eq!(harness.pages(), [ONE, OTHER]);
    assert_eq!(harness.replies(&second), ["Mia: Alert acknowledged."]);
}

#[tokio::test]
async fn while_a_gateway_answers_for_one_alert_the_events_of_another_stay_in_its_thread() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.signl4.faults().outbound(OutboundFault::Drop, Times::Next(1));
    let first = harness.say(ONE);
    let alert = harness.alert(ONE).await;
    harness.chat.wait_for_reaction(&first, ":rotating_light:", SOON).await.unwrap();
    harness.signl4.faults().webhook(WebhookFault::WebPage, Times::Always);
    let second = harness.say(OTHER);
    bot.wait_for_log(&["not delivered yet", "web page (200 OK)"]).await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&first, "Rene: Alert acknowledged.").await;
    harness.signl4.faults().clear();
    harness.alert(OTHER).await;
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE, OTHER]);
    assert!(harness.replies(&second).is_empty(), "{:?}", harness.replies(&second));
}

#[tokio::test]
async fn an_alert_whose_answer_has_no_event_id_gets_it_from_its_first_event() {
    for answer in ["", "OK", "{}", r#"{"message":"queued"}"#] {
        let harness = Harness::new().await.with_fast_tempo();
        let bot = harness.start_bot().await;
        harness.signl4.faults().outbound(OutboundFault::Drop, Times::Next(1));
        harness.signl4.faults().webhook(WebhookFault::Body(answer.into()), Times::Next(1));
        let message = harness.say(ONE);
        bot.wait_for_log(&["alert sent, unconfirmed"]).await;
        let alert = harness.alert(ONE).await;
        harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
        harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
        // Named now, so that its next event is not mistaken for one of the next alert.
        harness.signl4.faults().outbound(OutboundFault::Drop, Times::Next(1));
        harness.signl4.faults().webhook(WebhookFault::Body(answer.into()), Times::Next(1));
        let other = harness.say(OTHER);
        bot.wait_for_logs(2, &["alert sent, unconfirmed"]).await;
        harness.signl4.close(&alert.id, "Rene").unwrap();
        harness.wait_for_reply(&message, "Rene: Alert closed.").await;
        harness.flush().await;
        assert_eq!(harness.pages(), [ONE, OTHER], "{answer}");
        assert!(harness.replies(&other).is_empty());
    }
}

#[tokio::test]
async fn with_two_alerts_without_event_ids_an_event_goes_into_the_room() {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    harness.signl4.faults().outbound(OutboundFault::Drop, Times::Next(2));
    harness.signl4.faults().webhook(WebhookFault::Body(String::new()), Times::Next(2));
    let messages = [harness.say(ONE), harness.say(OTHER)];
    bot.wait_for_logs(2, &["alert sent, unconfirmed"]).await;
    harness.signl4.acknowledge(&harness.alert(OTHER).await.id, "Rene").unwrap();
    let room = harness.room.clone();
    let posted = harness.chat.wait_for(SOON, |chat| {
        let messages = chat.messages(&room).into_iter();
        messages.rev().find(|message| message.text.starts_with("Rene: Alert acknowledged."))
    });
    assert_eq!(posted.await.unwrap().thread_id, None, "not in a thread");
    assert!(messages.iter().all(|message| harness.replies(message).is_empty()));
    assert_eq!(harness.pages(), [ONE, OTHER]);
}
