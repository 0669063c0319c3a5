//! What each of SIGNL4's answers leads to, and that it is reported in the thread.

use std::time::Duration;

use sandbox::rocketchat::RestFault;
use sandbox::signl4::{OutboundFault, Times, WebhookFault};
use signl4_rocketchat::bot::Tempo;
use tokio::time::Instant;

use crate::harness::{Harness, SOON, fast};

#[tokio::test]
async fn an_alert_reported_late_during_its_call_is_reported_again_when_sent() {
    let harness = Harness::new().await;
    let _bot = harness.start_in_process(Tempo { late_after: Duration::from_millis(200), ..fast() }).await;
    harness.signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(3)), Times::Next(1));
    let message = harness.say("SIGNL4 pump 3 is down");
    harness.wait_for_reply(&message, "Alert sent.").await;
    assert_eq!(harness.replies(&message).len(), 2, "{:?}", harness.replies(&message));
}

#[tokio::test]
async fn an_alert_refused_as_invalid_is_reported_and_never_sent_again() {
    let harness = Harness::new().await.with_fast_tempo();
    let _bot = harness.start_bot().await;
    harness.signl4.faults().webhook(WebhookFault::Status(400), Times::Next(1));
    let message = harness.say("SIGNL4 pump 3 is down");
    let reported =
        harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    let reported = reported.await.unwrap().text;
    assert!(reported.contains("invalid (400"), "{reported}");
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
    assert_eq!(harness.replies(&message).len(), 1);
}

#[tokio::test]
async fn a_hanging_call_delays_no_alert_of_another_external_id() {
    let mut harness = Harness::new().await;
    harness.watch(&["*"]);
    harness.configure("external_id = '{{ message.id }}'");
    let _bot = harness.start_bot().await;
    harness.signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Next(1));
    harness.say("SIGNL4 hangs");
    let is_used_up = |faults: &sandbox::signl4::Faults| faults.pending_webhook().is_empty();
    while !is_used_up(&harness.signl4.faults()) {
        tokio::task::yield_now().await;
    }
    let said = Instant::now();
    harness.say("SIGNL4 pump 3 is down");
    harness.alert("SIGNL4 pump 3 is down").await;
    assert!(said.elapsed() < Duration::from_secs(5), "{:?}", said.elapsed());
}

#[tokio::test]
async fn a_hanging_reply_delays_no_other_thread() {
    let harness = Harness::new().await;
    let _bot = harness.start_bot().await;
    let messages = [harness.say("SIGNL4 pump 3 is down"), harness.say("SIGNL4 pump 4 is down")];
    let (one, two) =
        (harness.alert("SIGNL4 pump 3 is down").await, harness.alert("SIGNL4 pump 4 is down").await);
    harness.chat.faults().rest_next("chat.sendMessage", 1, RestFault::NoAnswer);
    harness.signl4.acknowledge(&one.id, "Rene").unwrap();
    harness
        .chat
        .wait_for(SOON, |chat| (chat.calls_of("chat.sendMessage").len() == 1).then_some(()))
        .await
        .unwrap();
    let acknowledged = Instant::now();
    harness.signl4.acknowledge(&two.id, "Mia").unwrap();
    harness.wait_for_reply(&messages[1], "Mia: Alert acknowledged.").await;
    assert!(acknowledged.elapsed() < Duration::from_secs(5), "{:?}", acknowledged.elapsed());
    assert!(harness.replies(&messages[0]).is_empty());
    harness.wait_for_reply(&messages[0], "Rene: Alert acknowledged.").await;
}

#[tokio::test]
async fn signl4_is_not_called_before_the_time_it_names_while_throttling() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    let pause = Duration::from_secs(4);
    harness.signl4.faults().webhook(WebhookFault::Throttled(pause), Times::Next(1));
    harness.say("SIGNL4 one");
    bot.wait_for_log(&["paused", "signl4"]).await;
    let named = tokio::time::Instant::now() + pause;
    // If it were called meanwhile, this call would use up the fault, which applies once.
    harness.say("SIGNL4 two");
    harness.wait_for_texts(&["SIGNL4 one", "SIGNL4 two"]).await;
    // The header has whole seconds, rounded down.
    assert!(tokio::time::Instant::now() > named - Duration::from_millis(1_500));
    assert_eq!(harness.texts(), ["SIGNL4 one", "SIGNL4 two"]);
}

#[tokio::test]
async fn an_event_of_an_alert_given_up_after_an_unanswered_call_appears_in_its_thread() {
    let harness = Harness::new().await;
    let _bot = harness
        .start_in_process_with(Tempo::default(), |config| config.signl4.retry_for = Duration::from_secs(1))
        .await;
    harness.signl4.faults().webhook(WebhookFault::Status(503), Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::RaiseThenStatus(504), Times::Next(1));
    harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_secs(1)), Times::Next(1));
    let message = harness.say("SIGNL4 pump 3 is down");
    let reported =
        harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    reported.await.unwrap();
    let alert = harness.alert("SIGNL4 pump 3 is down").await;
    harness.signl4.acknowledge(&alert.id, "Rene").unwrap();
    harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
}

#[tokio::test]
async fn an_alert_undelivered_for_too_long_is_given_up_and_reported() {
    let harness = Harness::new().await;
    let _bot = harness
        .start_in_process_with(Tempo::default(), |config| config.signl4.retry_for = Duration::from_secs(1))
        .await;
    harness.signl4.refuse().await;
    let message = harness.say("SIGNL4 pump 3 is down");
    let reported =
        harness.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    let reported = reported.await.unwrap().text;
    assert!(reported.contains("cannot be reached") && reported.contains("tried for 1s"), "{reported}");
    harness.signl4.listen_again().await.unwrap();
    harness.flush().await;
    assert!(harness.pages().is_empty(), "{:?}", harness.pages());
}
