//! Promise 1: an alert whose answer was lost is not raised again if SIGNL4 reports that it was raised, and is never
//! lost if it was not. The test compares with SIGNL4's own list of alerts.

use std::time::Duration;

use sandbox::rocketchat::Message;
use sandbox::signl4::{OutboundFault, Times, WebhookFault};

use serde_json::json;

use crate::harness::{Bot, Harness, SOON, TEAM, fast, http};

const ONE: &str = "SIGNL4 pump 3 is down";
const OTHER: &str = "SIGNL4 pump 4 is down";

/// A bot whose alerts wait 3 s for SIGNL4's event.
async fn harness() -> (Harness, Bot) {
    let harness = Harness::new().await.with_fast_tempo();
    let bot = harness.start_bot().await;
    (harness, bot)
}

impl Harness {
    /// Waits until the message shows that its alert was sent; after that there is no further call.
    async fn wait_until_sent(&self, message: &Message) {
        self.chat.wait_for_reaction(message, ":rotating_light:", SOON).await.unwrap();
    }

    /// How long after the first alert of that text the others were raised.
    fn distances(&self, text: &str) -> Vec<Duration> {
        let alerts = self.signl4.alerts().into_iter().filter(|alert| alert.text == text);
        let times: Vec<_> = alerts.map(|alert| alert.received.at).collect();
        times.windows(2).map(|pair| Duration::try_from(pair[1].duration_since(pair[0])).unwrap()).collect()
    }

    /// Waits until there are so many alerts of that text.
    async fn wait_for_pages(&self, text: &str, count: usize) {
        let there = |alerts: &[sandbox::signl4::Alert]| {
            alerts.iter().filter(|alert| alert.text == text).count() >= count
        };
        self.signl4.wait_until(SOON, |alerts, _| there(alerts)).await.unwrap();
    }
}

#[tokio::test]
async fn an_event_of_type_200_settles_an_alert_whose_answer_was_lost() {
    for fault in
        [WebhookFault::LoseAnswer, WebhookFault::RaiseThenStatus(504), WebhookFault::RaiseThenStatus(500)]
    {
        let (harness, bot) = harness().await;
        harness.signl4.faults().webhook(fault.clone(), Times::Next(1));
        let message = harness.say(ONE);
        harness.wait_until_sent(&message).await;
        bot.wait_for_log(&["alert sent", &harness.signl4.alerts()[0].event_id]).await;
        harness.signl4.acknowledge(&harness.signl4.alerts()[0].id, "Rene").unwrap();
        harness.wait_for_reply(&message, "Rene: Alert acknowledged.").await;
        harness.flush().await;
        assert_eq!(harness.pages(), [ONE], "{fault:?}");
        assert_eq!(harness.signl4.calls().iter().filter(|call| call.text == ONE).count(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn events_of_an_alert_with_a_lost_answer_stay_in_its_thread_when_another_is_lost() {
    let (harness, _bot) = harness().await;
    let first = harness.say_with_lost_answer(ONE).await;
    harness.wait_until_sent(&first).await;
    let second = harness.say_with_lost_answer(OTHER).await;
    harness.wait_until_sent(&second).await;
    harness.signl4.close(&harness.signl4.alerts()[0].id, "Rene").unwrap();
    harness.wait_for_reply(&first, "Rene: Alert closed.").await;
    assert!(harness.replies(&second).is_empty(), "{:?}", harness.replies(&second));
    assert_eq!(harness.pages(), [ONE, OTHER]);
}

/// The first call raises an alert and hangs. If the second one hung too and raised none, SIGNL4's event would not show which of them
/// it is about.
#[tokio::test]
async fn alerts_of_a_room_wait_for_each_other_while_a_call_hangs() {
    let (harness, bot) = harness().await;
    harness.signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(60)), Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Next(1));
    harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_secs(2)), Times::Next(1));
    let first = harness.say(ONE);
    harness.alert(ONE).await;
    let second = harness.say(OTHER);
    bot.wait_for_log(&["unknown whether it was delivered"]).await;
    harness.wait_until_sent(&first).await;
    harness.wait_until_sent(&second).await;
    assert_eq!(harness.pages(), [ONE, OTHER]);
}

#[tokio::test]
async fn an_unconfirmed_alert_is_retried_at_growing_intervals() {
    let (harness, _bot) = harness().await;
    harness.signl4.faults().outbound(OutboundFault::Drop, Times::Always);
    harness.signl4.faults().webhook(WebhookFault::RaiseThenStatus(504), Times::Always);
    harness.say(ONE);
    harness.wait_for_pages(ONE, 3).await;
    let distances = harness.distances(ONE);
    for (at, distance) in distances.iter().enumerate() {
        assert!(*distance >= fast().confirmation_wait * u32::try_from(at + 1).unwrap(), "{distances:?}");
    }
}

#[tokio::test]
async fn a_call_that_raised_no_alert_is_retried_soon() {
    for status in [502, 503] {
        let (harness, _bot) = harness().await;
        harness.signl4.faults().webhook(WebhookFault::Status(status), Times::Next(1));
        let message = harness.say(ONE);
        harness.wait_until_sent(&message).await;
        let calls = harness.signl4.calls();
        let wait = calls[1].at.duration_since(calls[0].at);
        assert!(Duration::try_from(wait).unwrap() < fast().confirmation_wait, "{status}: {wait}");
        assert_eq!(harness.pages(), [ONE]);
    }
}

#[tokio::test]
async fn once_signl4_accepts_an_alert_waiting_alerts_are_retried() {
    let mut harness = Harness::new().await.with_fast_tempo();
    harness.watch(&["*"]);
    harness.configure("external_id = '{{ message.id }}'");
    let bot = harness.start_bot().await;
    // After the third one the alert would wait 9 s more.
    harness.signl4.faults().webhook(WebhookFault::Status(500), Times::Next(3));
    let message = harness.say(ONE);
    bot.wait_for_logs(3, &["unknown whether it was delivered"]).await;
    harness.say(OTHER);
    harness.wait_until_sent(&message).await;
    let calls = harness.signl4.calls();
    let of =
        |text: &str| calls.iter().filter(|call| call.text == text).map(|call| call.at).collect::<Vec<_>>();
    let wait = Duration::try_from(of(ONE)[3].duration_since(of(ONE)[2])).unwrap();
    assert!(wait >= fast().confirmation_wait, "not before the time for confirmation: {wait:?}");
    assert!(wait < fast().confirmation_wait * 2, "{wait:?}");
}

#[tokio::test]
async fn a_bot_that_is_stopped_during_a_call_keeps_its_answer() {
    let harness = Harness::new().await;
    let bot = harness.start_bot().await;
    harness.signl4.faults().outbound(OutboundFault::Drop, Times::Always);
    harness.signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(6)), Times::Next(1));
    let message = harness.say(ONE);
    harness.alert(ONE).await;
    assert!(bot.stop().await.success());
    let _bot = harness.start_bot().await;
    harness.wait_until_sent(&message).await;
    assert_eq!(harness.pages(), [ONE]);
}

#[tokio::test]
async fn after_a_kill_during_a_call_the_bot_waits_for_the_event() {
    let (harness, bot) = harness().await;
    harness.signl4.faults().webhook(WebhookFault::Slow(Duration::from_secs(6)), Times::Next(1));
    harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_secs(1)), Times::Next(1));
    let message = harness.say(ONE);
    harness.alert(ONE).await;
    bot.kill().await;
    let _bot = harness.start_bot().await;
    harness.wait_until_sent(&message).await;
    assert_eq!(harness.pages(), [ONE]);
}

#[tokio::test]
async fn after_a_kill_during_a_call_the_bot_retries_if_no_event_comes() {
    let (harness, bot) = harness().await;
    harness.signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Next(1));
    let message = harness.say(ONE);
    harness.signl4.wait_until(SOON, |_, _| !harness.signl4.calls().is_empty()).await.unwrap();
    bot.kill().await;
    let _bot = harness.start_bot().await;
    harness.wait_until_sent(&message).await;
    assert_eq!(harness.pages(), [ONE]);
}

#[tokio::test]
async fn with_two_unanswered_alerts_no_thread_is_guessed_and_none_is_lost() {
    let mut options = sandbox::signl4::Options::default();
    options.teams.push(sandbox::signl4::Team::new("network"));
    let harness = Harness::with_options(sandbox::rocketchat::Options::default(), options).await;
    let mut harness = harness.with_fast_tempo();
    // Alerts of two teams do not wait for each other.
    let network = harness.signl4.webhook_url("network");
    harness.configure(&format!(
        "[[signl4.team]]\nname = \"network\"\nwebhook_url = {network:?}\n\
         [[trigger]]\nname = \"network\"\npattern = 'pump 4'\nteam = \"network\"\n"
    ));
    harness.watch(&["*"]);
    let bot = harness.start_bot().await;
    harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_millis(1_500)), Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
    let other = harness.say(ONE);
    harness.signl4.wait_until(SOON, |_, _| !harness.signl4.calls().is_empty()).await.unwrap();
    let raised = harness.say(OTHER);
    bot.wait_for_log(&["one of several alerts whose calls got no answer"]).await;
    harness.signl4.acknowledge(&harness.signl4.alerts()[0].id, "Rene").unwrap();
    let reported = harness.chat.wait_for(SOON, |chat| {
        let all = chat.messages(&harness.room);
        all.into_iter()
            .find(|message| message.text.starts_with("Rene: Alert acknowledged.\nThis may be about "))
    });
    let reported = reported.await.unwrap();
    assert_eq!(reported.thread_id, None, "a plain message in the room");
    assert!(reported.text.contains(&raised.id) && reported.text.contains(&other.id), "{}", reported.text);
    harness.wait_until_sent(&other).await;
    harness.wait_until_sent(&raised).await;
    assert!(harness.replies(&raised).is_empty() && harness.replies(&other).is_empty());
}

/// The `eventId` of the first call is newer than that of the second one, and SIGNL4's event about it is not about another alert.
#[tokio::test]
async fn a_call_that_signl4_processes_after_its_repetition_settles_no_other_alert() {
    let (harness, bot) = harness().await;
    harness.signl4.faults().webhook(WebhookFault::Status(504), Times::Next(1));
    let first = harness.say(ONE);
    harness.wait_until_sent(&first).await;
    harness.signl4.faults().webhook(WebhookFault::Status(504), Times::Next(1));
    let second = harness.say(OTHER);
    bot.wait_for_logs(2, &["unknown whether it was delivered"]).await;
    // Now SIGNL4 processes the first call.
    let event = json!({ "Title": "late", "Message": ONE, "X-S4-ExternalID": harness.room.id });
    let late = http().post(harness.signl4.webhook_url(TEAM)).json(&event).send().await;
    assert!(late.unwrap().status().is_success());
    harness.wait_until_sent(&second).await;
    assert_eq!(harness.pages(), [ONE, ONE, OTHER]);
}

/// If both calls had no answer, SIGNL4's event would not show which of them raised its alert.
#[tokio::test]
async fn an_alert_waits_while_it_is_unknown_whether_another_one_of_its_room_was_raised() {
    let (harness, _bot) = harness().await;
    harness.signl4.faults().webhook(WebhookFault::Status(500), Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
    let messages = [harness.say(ONE), harness.say(OTHER)];
    for message in &messages {
        harness.wait_until_sent(message).await;
    }
    harness.flush().await;
    let calls: Vec<String> = harness.signl4.calls().into_iter().map(|call| call.text).take(3).collect();
    assert_eq!(calls, [ONE, ONE, OTHER]);
    assert_eq!(harness.pages(), [ONE, OTHER]);
}

#[tokio::test]
async fn an_alert_waits_for_another_one_of_its_room_that_was_unknown_before_a_restart() {
    let (harness, bot) = harness().await;
    harness.signl4.faults().webhook(WebhookFault::NeverAnswer, Times::Next(1));
    let first = harness.say(ONE);
    harness.signl4.wait_until(SOON, |_, _| !harness.signl4.calls().is_empty()).await.unwrap();
    bot.kill().await;
    let _bot = harness.start_bot().await;
    let second = harness.say(OTHER);
    for message in [&first, &second] {
        harness.wait_until_sent(message).await;
    }
    let calls: Vec<String> = harness.signl4.calls().into_iter().map(|call| call.text).collect();
    assert_eq!(calls, [ONE, ONE, OTHER]);
}

#[tokio::test]
async fn with_an_event_for_each_call_without_an_answer_no_alert_is_raised_again() {
    let (harness, _bot) = harness().await;
    // Later than a retry without a wait, but well within it.
    harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_millis(500)), Times::Next(2));
    harness.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(2));
    let messages = [harness.say(ONE), harness.say(OTHER)];
    for message in &messages {
        harness.wait_until_sent(message).await;
    }
    harness.flush().await;
    assert_eq!(harness.pages(), [ONE, OTHER]);
}

#[tokio::test]
async fn an_event_never_lands_in_the_thread_of_an_alert_that_signl4_refused() {
    let (harness, bot) = harness().await;
    harness.signl4.faults().outbound(OutboundFault::Delay(Duration::from_secs(1)), Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::LoseAnswer, Times::Next(1));
    harness.signl4.faults().webhook(WebhookFault::Status(503), Times::Next(1));
    let (raised, refused) = (harness.say(ONE), harness.say(OTHER));
    bot.wait_for_log(&["not delivered yet", "503"]).await;
    harness.signl4.acknowledge(&harness.signl4.alerts()[0].id, "Rene").unwrap();
    harness.wait_for_reply(&raised, "Rene: Alert acknowledged.").await;
    harness.wait_until_sent(&refused).await;
    assert!(harness.replies(&refused).is_empty(), "{:?}", harness.replies(&refused));
    assert_eq!(harness.pages(), [ONE, OTHER]);
}
