//! What SIGNL4 posts to its outbound webhook: the documented JSON shapes, and the record of each sending.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::state::Action;
use super::{Alert, AlertStatus, Person, ids};

/// A notification and how its delivery went.
#[derive(Clone, Debug)]
pub struct Notification {
    /// `eventType`; 0 if a raw body has none.
    pub event_type: u64,
    /// The alert it is about, unless it is a test, a duty event or a raw body.
    pub alert_id: Option<String>,
    /// The body, as it was or will be sent.
    pub body: Value,
    /// How often it has been sent so far.
    pub attempts: u32,
    /// How it ended, or [`Outcome::Waiting`].
    pub outcome: Outcome,
    /// When it ended.
    pub settled_at: Option<Timestamp>,
}

/// How the delivery of a notification ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waits for its turn or for its next attempt.
    Waiting,
    /// The receiver answered with this status (2xx).
    Delivered(u16),
    /// The receiver answered with this status, which makes trying again useless.
    Refused(u16),
    /// No attempt got through; the last one's reason.
    GivenUp(String),
    /// [`super::OutboundFault::Drop`] took it.
    Dropped,
    /// No outbound URL was configured.
    NoReceiver,
}

impl Outcome {
    /// Whether nothing more will happen to it.
    pub fn is_settled(&self) -> bool {
        *self != Self::Waiting
    }
}

/// What happened to somebody's duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DutyChange {
    /// 300: the duty period started.
    Started,
    /// 301: the duty period ended.
    Ended,
    /// 302: somebody punched in.
    PunchedIn,
    /// 303: somebody punched out.
    PunchedOut,
}

impl DutyChange {
    fn event_type(self) -> u64 {
        match self {
            Self::Started => 300,
            Self::Ended => 301,
            Self::PunchedIn => 302,
            Self::PunchedOut => 303,
        }
    }
}

/// Builds the bodies of notifications for one subscription at one moment.
pub(super) struct Composer<'a> {
    pub subscription: &'a str,
    pub now: Timestamp,
}

impl Composer<'_> {
    /// 200: an alert was raised.
    pub(super) fn raised(&self, alert: &Alert) -> Value {
        let mut body = self.frame(200);
        body["alert"] = alert_json(alert, AlertStatus::New.code());
        body
    }

    /// The notification about a step that was taken with an alert.
    pub(super) fn step(&self, alert: &Alert, action: Action<'_>, by: Option<&Person>) -> Value {
        let mut body = match action {
            Action::Escalate => self.escalated(alert),
            Action::Annotate { text } => self.annotated(alert, text),
            Action::Acknowledge { note: Some(text) } => {
                let mut body = self.status_changed(alert);
                body["annotation"] = self.annotation(text);
                body
            }
            Action::Acknowledge { note: None } | Action::Close | Action::NobodyOnDuty | Action::Fail => {
                self.status_changed(alert)
            }
        };
        if let Some(person) = by {
            body["user"] = user_json(person);
        }
        body
    }

    /// 1: the portal's test event. Its shape is inferred from the others.
    pub(super) fn test(&self) -> Value {
        self.frame(1)
    }

    /// 300 to 303: somebody's duty changed.
    pub(super) fn duty(&self, change: DutyChange, person: &Person) -> Value {
        let mut body = self.frame(change.event_type());
        body["user"] = user_json(person);
        body
    }

    fn status_changed(&self, alert: &Alert) -> Value {
        let mut body = self.frame(201);
        body["alert"] = alert_json(alert, alert.status.code());
        body["alert"]["acknowledgedUserIds"] = json!(alert.acknowledged_user_ids);
        body
    }

    fn escalated(&self, alert: &Alert) -> Value {
        let mut body = self.frame(202);
        body["team"] = json!({"id": alert.team_id});
        body["alert"] = alert_json(alert, alert.status.code());
        body["alert"]["acknowledgedUserIds"] = json!(alert.acknowledged_user_ids);
        body
    }

    fn annotated(&self, alert: &Alert, text: &str) -> Value {
        let mut body = self.frame(203);
        body["alert"] = alert_json(alert, 0);
        body["annotation"] = self.annotation(text);
        body
    }

    fn annotation(&self, text: &str) -> Value {
        json!({"message": text, "id": ids::ticked(self.now)})
    }

    fn frame(&self, event_type: u64) -> Value {
        json!({
            "eventType": event_type,
            "eventRaisedUtc": format!("{:.7}", self.now),
            "subscription": {"id": self.subscription},
            "id": ids::uuid(),
        })
    }
}

fn alert_json(alert: &Alert, status_code: u16) -> Value {
    let mut json = json!({"statusCode": status_code, "eventId": alert.event_id, "id": alert.id});
    if let Some(external_id) = &alert.external_id {
        json["externalEventId"] = json!(external_id);
    }
    json
}

fn user_json(person: &Person) -> Value {
    json!({"username": person.name, "mailaddress": person.mail, "id": person.id})
}
