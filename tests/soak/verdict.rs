//! What must hold once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::rocketchat::RocketChat;
use sandbox::signl4::{Alert, Notification, Outcome};

use super::{REST, Soak};

impl Soak {
    /// Every match has one alert, but where a call's answer could not reach the bot: then it may have two.
    pub(super) fn check_alerts(&self) {
        let mut pages: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
        for alert in self.harness.signl4.alerts() {
            pages.entry(alert.text.clone()).or_default().push(alert);
        }
        let unasked: Vec<_> = pages.keys().filter(|text| !self.written.contains_key(*text)).collect();
        assert!(unasked.is_empty(), "nobody asked for {unasked:?}");
        let mut unavoidable = 0;
        for (text, alerts) in &pages {
            for alert in &alerts[..alerts.len() - 1] {
                assert!(self.was_unanswered(alert), "DOUBLE: {text}\n{}", self.log());
                unavoidable += 1;
            }
        }
        println!(
            "{} matches, {} alerts, {unavoidable} unavoidably doubled; struck: {}",
            self.written.len(),
            self.harness.signl4.alerts().len(),
            self.strikes
        );
    }

    /// Whether the bot cannot know that SIGNL4 raised this alert: no bot ever logged its name.
    fn was_unanswered(&self, alert: &Alert) -> bool {
        let named = |line: &str| line.contains("alert sent") && line.contains(&alert.event_id);
        !self.harness.logs().iter().any(|log| log.lines().any(named))
    }

    /// Every event that the bot took appears once, and where the bot knows the alert by name, in that alert's thread.
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
            if self.must_be_told(sent) {
                let shown = |_: &RocketChat| Some(()).filter(|()| self.posted(note) > 0);
                let waited = self.harness.chat.wait_for(REST, shown).await;
                assert!(waited.is_ok(), "MISSING REPLY: {sent:?}\n{}", self.log());
            }
            assert!(self.posted(note) <= 1, "DOUBLE REPLY: {sent:?}\n{}", self.log());
            self.check_thread(note, sent);
        }
        println!("{} notes, each told once", notes.len());
        self.check_count("Alert acknowledged.", |sent| is_status(sent, 2)).await;
        self.check_count("Alert closed.", |sent| is_status(sent, 4)).await;
    }

    /// Whether the bot took the event and can know where it belongs: the event names the room, or an alert that the bot
    /// knows by name.
    fn must_be_told(&self, sent: &Notification) -> bool {
        let alert = sent.alert_id.as_deref().and_then(|id| self.harness.signl4.alert(id));
        let named = sent.body["alert"]["eventId"].is_string()
            && alert.is_some_and(|alert| !self.was_unanswered(&alert));
        sent.outcome == Outcome::Delivered(200)
            && (named || sent.body["alert"]["externalEventId"].is_string())
    }

    /// Steps with alerts look alike, so they are counted over all rooms. One that was sent twice has the same `id`.
    async fn check_count(&self, text: &str, tells: impl Fn(&Notification) -> bool) {
        let told = self.harness.signl4.notifications().into_iter().filter(|sent| tells(sent));
        let (mut all, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for sent in told {
            let id = sent.body["id"].to_string();
            if self.must_be_told(&sent) {
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
        messages.filter(|message| message.text.ends_with(text)).count()
    }

    fn check_thread(&self, note: &str, sent: &Notification) {
        let alert = self.harness.signl4.alert(sent.alert_id.as_deref().unwrap()).unwrap();
        let message = &self.written[&alert.text];
        let messages = self.harness.chat.messages(&message.room_id);
        let Some(reply) = messages.iter().find(|message| message.text.ends_with(note)) else {
            // Where it belongs is not known: that is said in the log.
            assert_eq!(self.posted(note), 0, "WRONG ROOM: {sent:?}\n{}", self.log());
            return;
        };
        if sent.body["alert"]["eventId"].is_string() && !self.was_unanswered(&alert) {
            let thread = message.thread_id.as_deref().unwrap_or(&message.id);
            assert_eq!(reply.thread_id.as_deref(), Some(thread), "WRONG THREAD: {sent:?}\n{}", self.log());
        }
    }
}

fn is_status(sent: &Notification, status: u64) -> bool {
    sent.event_type == 201 && sent.body["alert"]["statusCode"] == status
}
