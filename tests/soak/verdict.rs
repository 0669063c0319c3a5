//! The conditions that must hold once everything has settled.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use sandbox::rocketchat::{Message, RocketChat};
use sandbox::signl4::{Alert, Notification, Outcome, WebhookCall, WebhookFault};

use super::replicas::Interruption;
use super::{REST, Soak};

/// Longer than the time limit of a call.
const LONGEST_CALL: Duration = Duration::from_secs(9);
/// A little less than that time limit.
const SHORTEST_LIMIT: Duration = Duration::from_secs(7);
/// How late SIGNL4 may process a call that the bot gave up.
const LATEST_CALL: Duration = Duration::from_secs(60);
/// A little less than an alert is held back because of another one of its room, at most.
const HELD_BACK: Duration = Duration::from_secs(29);
/// How many of a hundred alerts may be doubled because SIGNL4 did not show in time that they were raised. The bot is killed every few
/// seconds, and every fifth call or so gets no clear answer.
const MOST_DOUBLED: usize = 4;
/// Over how many starts that is so.
const HOLDS_BACK_OVER_STARTS: usize = 7;
/// The maximum time between the delivery of an event and its processing: it waits for the answers to calls, and for the store.
const PROCESSED_WITHIN: Duration = Duration::from_secs(20);

impl Soak {
    /// Every match has exactly one alert, by SIGNL4's own list. A second one is only excused if nothing could show
    /// that there was a first.
    pub(super) fn check_alerts(&self) {
        let mut pages: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
        for alert in self.harness.signl4.alerts() {
            pages.entry(alert.text.clone()).or_default().push(alert);
        }
        let unasked: Vec<_> = pages.keys().filter(|text| !self.written.contains_key(*text)).collect();
        assert!(unasked.is_empty(), "nobody asked for {unasked:?}");
        let (mut unconfirmed, mut indistinct) = (0, 0);
        for pair in pages.values().flat_map(|alerts| alerts.windows(2)) {
            let [first, second] = pair else { unreachable!("two by two") };
            let Some(confirmed) =
                self.confirmed_at(first).filter(|confirmed| *confirmed < second.received.at)
            else {
                unconfirmed += 1;
                continue;
            };
            if let Some(other) = self.may_be_of_another(first, confirmed) {
                println!("DOUBLED: {:?}, of which the event may have been that of {other:?}", first.text);
                indistinct += 1;
            } else {
                panic!("DOUBLE: {first:?}\n{second:?}\n{}", self.log());
            }
        }
        let (matches, doubled) = (self.written.len(), unconfirmed + indistinct);
        println!(
            "{} matches, {} alerts; doubled: {unconfirmed} that no event confirmed in time, {indistinct} that may have been another \
             alert's; faults injected: {}",
            matches,
            self.harness.signl4.alerts().len(),
            self.fault_counts
        );
        let most = 3 + matches * MOST_DOUBLED / 100;
        assert!(doubled <= most, "DOUBLED TOO OFTEN: {doubled} of {matches}, not {most}\n{}", self.log());
    }

    /// When the event of type 200 that names the alert and its room reached the bot.
    fn confirmed_at(&self, alert: &Alert) -> Option<Timestamp> {
        let sent = self.harness.signl4.notifications();
        let confirmed = sent.iter().filter(|sent| {
            let names = &sent.body["alert"];
            sent.event_type == 200
                && sent.alert_id.as_ref() == Some(&alert.id)
                && names["eventId"].is_string()
                && names["externalEventId"].is_string()
                && matches!(sent.outcome, Outcome::Delivered(_))
        });
        confirmed.filter_map(|sent| sent.settled_at).min()
    }

    /// Another alert of the same room whose event that of this alert may be. A call for that one had no answer with a name either,
    /// and raised an alert that no event confirmed, or was not the only one, or was longer ago than it holds back others.
    fn may_be_of_another(&self, alert: &Alert, confirmed: Timestamp) -> Option<String> {
        let calls = self.harness.signl4.calls();
        let others =
            calls.iter().filter(|call| call.text != alert.text && call.external_id == alert.external_id);
        let mut unnamed: BTreeMap<&str, usize> = BTreeMap::new();
        for call in others.filter(|call| call.at < confirmed + PROCESSED_WITHIN) {
            let count = unnamed.entry(&call.text).or_default();
            if is_unnamed(call) || self.was_interrupted(call) || self.was_answered_too_late(call) {
                *count += 1;
            } else if call.at + LATEST_CALL < alert.received.at {
                // An `eventId` that is so much newer than this answer belongs to none of its calls.
                *count = 0;
            }
        }
        let raised = self.harness.signl4.alerts();
        let excuses = |text: &str, count: usize| {
            let (confirmed, unconfirmed): (Vec<_>, Vec<_>) =
                raised.iter().filter(|other| other.text == text && other.received.at < confirmed).partition(
                    |other| self.confirmed_at(other).is_some_and(|at| at < confirmed + PROCESSED_WITHIN),
                );
            let before = unconfirmed.iter().any(|other| other.received.at < alert.received.at);
            let together = calls.iter().any(|call| {
                let apart = call.at.duration_since(alert.received.at).unsigned_abs();
                // Over so many starts, a call without an answer holds back no other.
                let between = |gone: &&Interruption| call.at <= gone.at && gone.at <= alert.received.at;
                let is_forgotten = self.interruptions.iter().filter(between).count() > HOLDS_BACK_OVER_STARTS;
                call.text == text
                    && (is_unnamed(call) || self.was_answered_too_late(call) || self.was_interrupted(call))
                    && (apart > HELD_BACK || is_forgotten)
            });
            count > confirmed.len() && (before || together || count > 1)
        };
        let found = unnamed.into_iter().find(|(text, count)| excuses(text, *count));
        found.map(|(text, _)| text.to_owned()).or_else(|| self.may_be_refused_call(alert, confirmed))
    }

    /// Another alert of the same room for which the bot may have begun a call, when it was interrupted, that SIGNL4 refused.
    fn may_be_refused_call(&self, alert: &Alert, confirmed: Timestamp) -> Option<String> {
        let raised = self.harness.signl4.alerts();
        let refused = self.interruptions.iter().filter(|gone| gone.refuses && gone.at < confirmed);
        let number = |text: &str| text.split(' ').next_back().and_then(|number| number.parse::<u32>().ok());
        let is_open = |other: &&Alert, gone: &Interruption| {
            other.external_id == alert.external_id
                && other.text != alert.text
                && number(&other.text).is_some_and(|number| number <= gone.last)
                && other.received.at > gone.at
                && other.received.at + LATEST_CALL > alert.received.at
        };
        let mut others = refused.filter_map(|gone| raised.iter().find(|other| is_open(other, gone)));
        others.next().map(|other| other.text.clone())
    }

    /// Whether the answer waited for the event so long that the bot no longer waited for the answer.
    fn was_answered_too_late(&self, call: &WebhookCall) -> bool {
        let raised = self.harness.signl4.alerts().into_iter();
        call.fault == Some(WebhookFault::EventBeforeAnswer)
            && raised
                .filter(|alert| alert.text == call.text && alert.received.at >= call.at)
                .min_by_key(|alert| alert.received.at)
                .is_none_or(|alert| {
                    self.confirmed_at(&alert).is_none_or(|confirmed| confirmed > call.at + SHORTEST_LIMIT)
                })
    }

    /// Whether the bot or SIGNL4 may have stopped during a call.
    fn was_interrupted(&self, call: &WebhookCall) -> bool {
        self.interruptions
            .iter()
            .any(|gone| call.at <= gone.at + gone.calls_go_on && gone.at < call.at + LONGEST_CALL)
    }

    /// Whether the bot cannot know that this is the alert: no bot ever logged its `eventId`.
    fn was_unanswered(&self, alert: &Alert) -> bool {
        let named = |line: &str| line.contains("alert sent") && line.contains(&alert.event_id);
        !self.logs().iter().any(|log| log.lines().any(named))
    }

    /// Every event that the bot accepted appears once, and in the alert's thread if the bot knows the alert by its
    /// `eventId`.
    pub(super) async fn check_replies(&self) {
        let notes: BTreeMap<String, Notification> = self
            .harness
            .signl4
            .notifications()
            .into_iter()
            .filter(|sent| sent.event_type == 203)
            .map(|sent| (sent.body["annotation"]["message"].as_str().unwrap().to_owned(), sent))
            .collect();
        for (note, sent) in &notes {
            if self.must_be_posted(sent) {
                let shown = |_: &RocketChat| Some(()).filter(|()| self.posted(note) > 0);
                let waited = self.harness.chat.wait_for(REST, shown).await;
                assert!(waited.is_ok(), "MISSING REPLY: {sent:?}\n{}", self.log());
            }
            assert!(self.posted(note) <= 1, "DOUBLE REPLY: {sent:?}\n{}", self.log());
            self.check_thread(note, sent);
        }
        println!("{} notes, each posted once", notes.len());
        self.check_count("Alert acknowledged.", |sent| is_status(sent, 2)).await;
        self.check_count("Alert closed.", |sent| is_status(sent, 4)).await;
    }

    /// Whether the bot accepted the event and can know where it belongs: the event names the room, or an alert whose
    /// `eventId` the bot knows.
    fn must_be_posted(&self, sent: &Notification) -> bool {
        let alert = sent.alert_id.as_deref().and_then(|id| self.harness.signl4.alert(id));
        let named = sent.body["alert"]["eventId"].is_string()
            && alert.is_some_and(|alert| !self.was_unanswered(&alert));
        sent.outcome == Outcome::Delivered(200)
            && (named || sent.body["alert"]["externalEventId"].is_string())
    }

    /// Steps with alerts look alike, so they are counted over all rooms. A step that was sent twice has the same `id`.
    async fn check_count(&self, text: &str, matches: impl Fn(&Notification) -> bool) {
        let notifications = self.harness.signl4.notifications().into_iter().filter(|sent| matches(sent));
        let (mut all, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for sent in notifications {
            let id = sent.body["id"].to_string();
            if self.must_be_posted(&sent) {
                taken.insert(id.clone());
            }
            all.insert(id);
        }
        let shown = |_: &RocketChat| Some(()).filter(|()| self.posted(text) >= taken.len());
        let waited = self.harness.chat.wait_for(REST, shown).await;
        let posted = self.posted(text);
        assert!(waited.is_ok(), "MISSING: {posted} of {taken:?} {text:?}\n{}", self.log());
        assert!(posted <= all.len(), "DOUBLE: {posted} of at most {all:?} {text:?}\n{}", self.log());
        println!("{posted} × {text:?} of {} to {}", taken.len(), all.len());
    }

    fn posted(&self, text: &str) -> usize {
        let messages = self.rooms.iter().flat_map(|room| self.harness.chat.messages(room));
        messages.filter(|message| says(message, text)).count()
    }

    fn check_thread(&self, note: &str, sent: &Notification) {
        let alert = self.harness.signl4.alert(sent.alert_id.as_deref().unwrap()).unwrap();
        let message = &self.written[&alert.text];
        let messages = self.harness.chat.messages(&message.room_id);
        let Some(reply) = messages.iter().find(|message| says(message, note)) else {
            // It is unknown where it belongs: the log says so.
            assert_eq!(self.posted(note), 0, "WRONG ROOM: {sent:?}\n{}", self.log());
            return;
        };
        let is_known = sent.body["alert"]["eventId"].is_string() && !self.was_unanswered(&alert);
        if is_known || reply.thread_id.is_some() {
            let thread = message.thread_id.as_deref().unwrap_or(&message.id);
            assert_eq!(reply.thread_id.as_deref(), Some(thread), "WRONG THREAD: {sent:?}\n{}", self.log());
        }
    }
}

fn is_status(sent: &Notification, status: u64) -> bool {
    sent.event_type == 201 && sent.body["alert"]["statusCode"] == status
}

/// A reply in the room has an additional line.
fn says(message: &Message, text: &str) -> bool {
    message.text.lines().next().is_some_and(|line| line.ends_with(text))
}

/// Whether a call gets no answer with the alert's `eventId`, whether or not it raises one.
fn is_unnamed(call: &WebhookCall) -> bool {
    match &call.fault {
        None | Some(WebhookFault::Slow(_) | WebhookFault::EventBeforeAnswer | WebhookFault::Throttled(_)) => {
            false
        }
        Some(WebhookFault::Status(code)) => !matches!(code, 502 | 503),
        Some(_) => true,
    }
}
