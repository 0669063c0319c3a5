//! Switches that make the simulated SIGNL4 misbehave.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::server::Core;

/// How often a fault applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// The next so many calls.
    Next(u32),
    /// Every call, until the faults are cleared.
    Always,
}

/// What goes wrong with a call of the inbound webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// Answers with that status (500, 503, 400, 404, …) and raises nothing.
    Status(u16),
    /// Answers 429 with `X-RateLimit-Reset` so far ahead, and raises nothing.
    Throttled(Duration),
    /// Never answers and raises nothing.
    NeverAnswer,
    /// Raises the alert and cuts the connection instead of answering: the caller cannot know.
    LoseAnswer,
    /// Raises the alert and answers with that status, as a gateway does that no longer waits (504).
    RaiseThenStatus(u16),
    /// Raises the alert and answers 201 with this body in place of the right one (malformed, or empty).
    Body(String),
    /// Raises nothing and answers 200 with a web page, as a gateway does that asks for a login.
    WebPage,
    /// Raises the alert and answers so much later.
    Slow(Duration),
    /// Raises the alert and answers only once its notification (200) has been delivered, or after 10 s.
    EventBeforeAnswer,
}

/// What goes wrong with a notification on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundFault {
    /// It is sent twice, with the same `id`.
    Duplicate,
    /// It is sent after the one that comes next.
    AfterNext,
    /// It is sent so much later; others pass it.
    Delay(Duration),
    /// It is not sent.
    Drop,
    /// It is sent in another shape.
    Reshape(Reshape),
}

/// How a notification's JSON can differ from the documented samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reshape {
    /// `"user": null`.
    NullUser,
    /// No `user`.
    NoUser,
    /// No top-level `id`.
    NoId,
    /// No `alert.eventId`.
    NoEventId,
    /// No `alert.externalEventId`.
    NoExternalId,
    /// Fields that a sister product sends (`user.displayname`, `alert.title`, `alert.text`) and some that nobody knows.
    ExtraFields,
}

impl Reshape {
    /// Applies the change to a notification's body.
    pub(super) fn apply(self, body: &mut Value) {
        match self {
            Self::NullUser => body["user"] = Value::Null,
            Self::NoUser => remove(body, "user"),
            Self::NoId => remove(body, "id"),
            Self::NoEventId => remove(&mut body["alert"], "eventId"),
            Self::NoExternalId => remove(&mut body["alert"], "externalEventId"),
            Self::ExtraFields => add_unknown_fields(body),
        }
    }
}

fn remove(object: &mut Value, key: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(key);
    }
}

fn add_unknown_fields(body: &mut Value) {
    body["schema"] = json!({"version": 7, "tags": ["a", null, {"deep": []}]});
    if let Some(user) = body.get_mut("user").and_then(Value::as_object_mut) {
        user.insert("displayname".into(), "A Display Name".into());
    }
    if let Some(alert) = body.get_mut("alert").and_then(Value::as_object_mut) {
        alert.insert("title".into(), "A title".into());
        alert.insert("text".into(), "A text".into());
        alert.insert("severity".into(), json!(3));
    }
}

/// Faults of one kind, in order: the first one applies until it is used up.
#[derive(Debug)]
pub(super) struct FaultQueue<T>(VecDeque<(T, Times)>);

impl<T> Default for FaultQueue<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Clone> FaultQueue<T> {
    fn add(&mut self, fault: T, times: Times) {
        if times != Times::Next(0) {
            self.0.push_back((fault, times));
        }
    }

    /// The fault of this call, if there is one.
    pub(super) fn draw(&mut self) -> Option<T> {
        let (fault, times) = self.0.front_mut()?;
        let fault = fault.clone();
        match times {
            Times::Always => {}
            Times::Next(1) => drop(self.0.pop_front()),
            Times::Next(left) => *left -= 1,
        }
        Some(fault)
    }

    fn list(&self) -> Vec<(T, Times)> {
        self.0.iter().cloned().collect()
    }
}

/// The switches. Made by [`super::Signl4::faults`].
#[derive(Clone)]
pub struct Faults {
    pub(super) core: Arc<Core>,
}

impl Faults {
    /// Lets webhook calls fail, after those faults that were asked for before.
    pub fn webhook(&self, fault: WebhookFault, times: Times) {
        self.core.change(|state| state.webhook_faults.add(fault, times));
    }

    /// Lets notifications go astray, after those faults that were asked for before.
    pub fn outbound(&self, fault: OutboundFault, times: Times) {
        self.core.change(|state| state.outbound_faults.add(fault, times));
    }

    /// The webhook faults still to come.
    pub fn pending_webhook(&self) -> Vec<(WebhookFault, Times)> {
        self.core.look(|state| state.webhook_faults.list())
    }

    /// The outbound faults still to come.
    pub fn pending_outbound(&self) -> Vec<(OutboundFault, Times)> {
        self.core.look(|state| state.outbound_faults.list())
    }

    /// Ends all webhook and outbound faults. A notification held back by [`OutboundFault::AfterNext`] goes out.
    pub fn clear(&self) {
        self.core.change(|state| {
            state.webhook_faults = FaultQueue::default();
            state.outbound_faults = FaultQueue::default();
        });
        self.core.release_held();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_applies_as_often_as_requested_then_the_next_one() {
        let mut queue = FaultQueue::default();
        queue.add('a', Times::Next(2));
        queue.add('b', Times::Next(0));
        queue.add('c', Times::Always);
        let drawn: Vec<_> = (0..5).map(|_| queue.draw()).collect();
        assert_eq!(drawn, [Some('a'), Some('a'), Some('c'), Some('c'), Some('c')]);
    }
}
