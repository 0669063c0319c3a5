//! A notification of SIGNL4's outbound webhook, read leniently, since it is documented only by examples.
//!
//! Every field may be missing, unknown ones are ignored, and numbers and texts may stand for each other. The body may be
//! compressed, in another encoding or slightly damaged. Only one that is not an object with an event type is an error.
//!
//! Source: <https://www.signl4.com/outbound-webhooks/>.

#[cfg(test)]
mod tests;

use lenient_json::{field, text};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{EventId, NotificationId};

/// A longer `id` is none, in bytes: SIGNL4's have 36.
const MAX_ID: usize = 200;

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Top-level `id`, the same if SIGNL4 repeats the notification. A digest of the body if it is missing.
    pub id: NotificationId,
    /// `eventType`.
    pub event_type: i64,
    /// What happened.
    pub event_kind: EventKind,
    /// The alert; duty and test events have none.
    pub alert: Option<AlertRef>,
    /// The display name of the acting user.
    pub user: Option<String>,
    /// `team.name`. In the samples, escalations have only the team's ID.
    pub team: Option<String>,
    /// `annotation.message`: the note of event 203, or one entered with an acknowledgement.
    pub note: Option<String>,
}

/// What happened, from `eventType` and `alert.statusCode`, which is a status only in event 201.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum EventKind {
    /// 1: the test button in SIGNL4's portal.
    Test,
    /// 200: the alert was raised.
    Raised,
    /// 201 with status bit 2.
    Acknowledged,
    /// 201 with status bit 4.
    Closed,
    /// 201 with status bit 8: nobody answered, or nobody is on duty.
    Unattended,
    /// 201 with status bit 16 or 32: the alert could not be delivered to anybody, or SIGNL4 had an error.
    Failed,
    /// 202.
    Escalated,
    /// 203.
    Annotated,
    /// 300 to 303: a duty period started or ended, somebody punched in or out.
    Duty,
    /// Anything else, including an unknown status of 201.
    Unknown,
}

impl EventKind {
    /// A short stable name for logs, metrics and databases.
    pub fn name(self) -> &'static str {
        self.into()
    }

    fn of(event_type: i64, status: Option<i64>) -> Self {
        match (event_type, status) {
            (1, _) => Self::Test,
            (200, _) => Self::Raised,
            (201, Some(status)) => Self::of_status(status),
            (202, _) => Self::Escalated,
            (203, _) => Self::Annotated,
            (300..=303, _) => Self::Duty,
            _ => Self::Unknown,
        }
    }

    /// Status codes are bits. Of several, the furthest counts; but unless somebody acknowledged the alert, that it reached nobody
    /// matters more than that it is closed.
    fn of_status(status: i64) -> Self {
        let has = |bits| status > 0 && status & bits != 0;
        match has(2) {
            false if has(16 | 32) => Self::Failed,
            false if has(8) => Self::Unattended,
            _ if has(4) => Self::Closed,
            true => Self::Acknowledged,
            false => Self::Unknown,
        }
    }
}

/// The alert of a notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertRef {
    /// `alert.eventId`: the [`Raised::event_id`](crate::Raised::event_id) of the call that raised it.
    pub event_id: Option<EventId>,
    /// `alert.externalEventId`: the [`AlertEvent::external_id`](crate::AlertEvent::external_id) of that call.
    pub external_id: Option<String>,
}

/// Why a body is not a notification.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAnEvent(String);

impl Notification {
    /// Reads the body of one call of SIGNL4's outbound webhook.
    ///
    /// ```
    /// use signl4::{EventKind, Notification};
    ///
    /// let body = br#"{"id": "n1", "eventType": 201, "alert": {"eventId": "2518_a", "statusCode": 2}, "user": {"username": "Rene"}}"#;
    /// let notification = Notification::parse(body)?;
    /// assert_eq!(notification.event_kind, EventKind::Acknowledged);
    /// assert_eq!(notification.user.as_deref(), Some("Rene"));
    /// # Ok::<(), signl4::NotAnEvent>(())
    /// ```
    ///
    /// # Errors
    /// If the body is not a JSON object with a numeric `eventType`.
    pub fn parse(body: &[u8]) -> Result<Self, NotAnEvent> {
        let value =
            lenient_json::read(body).map_err(|error| NotAnEvent(format!("the body is not JSON: {error}")))?;
        let no_event = |why| NotAnEvent(format!("the body is JSON, but no SIGNL4 event: {why}"));
        if !value.is_object() {
            return Err(no_event("it is not an object"));
        }
        let event_type = number(field(&value, "eventType"));
        let event_type = event_type.ok_or_else(|| no_event("eventType is missing or not a number"))?;
        let alert = Some(field(&value, "alert")).filter(|alert| alert.is_object());
        let event_kind =
            EventKind::of(event_type, alert.and_then(|alert| number(field(alert, "statusCode"))));
        let annotation = field(&value, "annotation");
        Ok(Self {
            id: id_in(&value).unwrap_or_else(|| digest(body)),
            event_type,
            event_kind,
            alert: alert.map(|alert| AlertRef {
                event_id: text(field(alert, "eventId")).map(EventId::new),
                external_id: text(field(alert, "externalEventId")),
            }),
            user: name_of(field(&value, "user")),
            team: text(field(field(&value, "team"), "name")),
            note: text(field(annotation, "message")).or_else(|| text(annotation)),
        })
    }

    /// The ID of what may be no notification: its top-level `id` if that can be read, or else a digest of the body.
    pub fn id_of(body: &[u8]) -> NotificationId {
        lenient_json::read(body).ok().and_then(|value| id_in(&value)).unwrap_or_else(|| digest(body))
    }
}

fn id_in(value: &Value) -> Option<NotificationId> {
    text(field(value, "id")).filter(|id| id.len() <= MAX_ID).map(NotificationId::new)
}

/// SIGNL4's samples have `username`, those of a sister product `displayname`.
fn name_of(user: &Value) -> Option<String> {
    ["displayname", "username", "mailaddress"]
        .iter()
        .find_map(|key| text(field(user, key)))
        .or_else(|| text(user))
}

/// An integer, also as text or with a zero fraction (`201.0`).
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let number = number.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e9)?;
            Some(number as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn digest(body: &[u8]) -> NotificationId {
    let hash = Sha256::digest(body);
    NotificationId::new(hash.iter().fold(String::from("sha256-"), |hex, byte| hex + &format!("{byte:02x}")))
}
