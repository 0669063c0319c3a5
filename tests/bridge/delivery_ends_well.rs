//! Issue "no alert lost": what SIGNL4's answers lead to, and that the thread is told of each.

use std::time::Duration;

use sandbox::signl4::{Times, WebhookFault};
use signl4_rocketchat::bot::Tempo;

use crate::stage::{SOON, Stage};

#[tokio::test]
async fn the_events_of_an_alert_whose_answer_was_lost_stay_in_its_thread_when_another_one_is_lost() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let first = stage.say_with_lost_answer("SIGNL4 pump 3 is down").await;
    bot.wait_for_logs(1, &["alert sent"]).await;
    let lost = stage.signl4.alerts()[0].clone();
    stage.signl4.acknowledge(&lost.id, "Rene").unwrap();
    stage.wait_for_reply(&first, "Rene: Alert acknowledged.").await;
    let second = stage.say_with_lost_answer("SIGNL4 pump 4 is down").await;
    bot.wait_for_logs(2, &["alert sent"]).await;
    stage.signl4.close(&lost.id, "Rene").unwrap();
    stage.wait_for_reply(&first, "Rene: Alert closed.").await;
    assert!(stage.replies(&second).is_empty(), "{:?}", stage.replies(&second));
}

#[tokio::test]
async fn an_alert_told_late_while_its_call_was_under_way_is_told_of_when_it_went_out() {
    let stage = Stage::set().await;
    let _bot = stage.start_inside(Tempo { late_after: Duration::from_millis(200), ..Tempo::default() }).await;
    stage.signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(3)), Times::Next(1));
    let message = stage.say("SIGNL4 pump 3 is down");
    stage.wait_for_reply(&message, "Alert sent.").await;
    assert_eq!(stage.replies(&message).len(), 2, "{:?}", stage.replies(&message));
}

#[tokio::test]
async fn an_alert_that_signl4_takes_for_invalid_is_told_and_never_sent_again() {
    let stage = Stage::set().await;
    let _bot = stage.start().await;
    stage.signl4.faults().webhook(WebhookFault::Status(400), Times::Next(1));
    let message = stage.say("SIGNL4 pump 3 is down");
    let told = stage.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    let told = told.await.unwrap().text;
    assert!(told.contains("invalid (400"), "{told}");
    stage.flush().await;
    assert!(stage.pages().is_empty(), "{:?}", stage.pages());
    assert_eq!(stage.replies(&message).len(), 1);
}

#[tokio::test]
async fn while_signl4_throttles_it_is_not_called_before_the_time_it_named() {
    let stage = Stage::set().await;
    let bot = stage.start().await;
    let pause = Duration::from_secs(4);
    stage.signl4.faults().webhook(WebhookFault::Throttled(pause), Times::Next(1));
    stage.say("SIGNL4 one");
    bot.wait_for_log(&["paused", "throttles"]).await;
    let named = tokio::time::Instant::now() + pause;
    // Were it called meanwhile, this one would be taken: the fault strikes once.
    stage.say("SIGNL4 two");
    stage.wait_for_texts(&["SIGNL4 one", "SIGNL4 two"]).await;
    // The header has whole seconds, rounded down.
    assert!(tokio::time::Instant::now() > named - Duration::from_millis(1_500));
    assert_eq!(stage.texts(), ["SIGNL4 one", "SIGNL4 two"]);
}

#[tokio::test]
async fn an_alert_that_cannot_be_delivered_for_too_long_is_given_up_and_told() {
    let stage = Stage::set().await;
    let _bot = stage
        .start_inside_with(Tempo::default(), |config| config.signl4.retry_for = Duration::from_secs(1))
        .await;
    stage.signl4.refuse().await;
    let message = stage.say("SIGNL4 pump 3 is down");
    let told = stage.chat.wait_for_reply(&message, SOON, |reply| reply.text.starts_with("Alert NOT sent"));
    let told = told.await.unwrap().text;
    assert!(told.contains("cannot be reached") && told.contains("tried for 1s"), "{told}");
    stage.signl4.listen_again().await.unwrap();
    stage.flush().await;
    assert!(stage.pages().is_empty(), "{:?}", stage.pages());
}
