//! What SIGNL4 tells us: one notification of its outbound webhook, read as liberally as its documents are vague.
//!
//! Every field may be missing and unknown ones are ignored. Only a body that is no object, or names no event type,
//! is refused: that is no event of SIGNL4's.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{EventId, NotificationId};

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Top-level `id`, the same in a repetition. Where SIGNL4 leaves it out, a digest of the body serves.
    pub id: NotificationId,
    /// `eventType` as it came.
    pub event_type: i64,
    /// What happened.
    pub happening: Happening,
    /// The alert it happened to; duty and test events have none.
    pub alert: Option<AlertRef>,
    /// The acting person's name for display.
    pub user: Option<String>,
    /// `team.name` where one came (escalations carry the team's id only, by the samples).
    pub team: Option<String>,
    /// `annotation.message`: the note of event 203, or one typed together with an acknowledgement.
    pub note: Option<String>,
}

/// What a notification says about its alert.
///
/// `statusCode` is a status only in event 201: 2 acknowledged, 4 closed, 8 nobody answered or on duty, 16 failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// 1: the test button in SIGNL4's portal.
    Test,
    /// 200: the alert was raised.
    Raised,
    /// 201 with status 2.
    Acknowledged,
    /// 201 with status 4.
    Closed,
    /// 201 with status 8: nobody answered, or nobody is on duty.
    Unattended,
    /// 201 with status 16: the alert could not be delivered to anybody.
    Failed,
    /// 202.
    Escalated,
    /// 203.
    Annotated,
    /// 300 to 303: a duty period started or ended, somebody punched in or out.
    Duty,
    /// Anything else, also a status of 201 that we do not know.
    Unknown,
}

impl Happening {
    /// A short name for logs, metrics and the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Raised => "raised",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
            Self::Unattended => "unattended",
            Self::Failed => "failed",
            Self::Escalated => "escalated",
            Self::Annotated => "annotated",
            Self::Duty => "duty",
            Self::Unknown => "unknown",
        }
    }

    fn of(event_type: i64, status: Option<i64>) -> Self {
        match (event_type, status) {
            (1, _) => Self::Test,
            (200, _) => Self::Raised,
            (201, Some(2)) => Self::Acknowledged,
            (201, Some(4)) => Self::Closed,
            (201, Some(8)) => Self::Unattended,
            (201, Some(16)) => Self::Failed,
            (202, _) => Self::Escalated,
            (203, _) => Self::Annotated,
            (300..=303, _) => Self::Duty,
            _ => Self::Unknown,
        }
    }
}

/// How a notification names its alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertRef {
    /// `alert.eventId`: the answer to our webhook call.
    pub event_id: Option<EventId>,
    /// `alert.externalEventId`: our ExternalID.
    pub external_id: Option<String>,
}

/// A body that is no event of SIGNL4's.
#[derive(Debug, thiserror::Error)]
pub enum NotAnEvent {
    /// Not JSON at all.
    #[error("the body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but no object with an `eventType`.
    #[error("the body is JSON, but no SIGNL4 event: {0}")]
    WrongShape(&'static str),
}

impl Notification {
    /// Reads the body of one call of SIGNL4's outbound webhook.
    ///
    /// # Errors
    /// When the body is not a JSON object with a numeric `eventType`.
    pub fn parse(body: &[u8]) -> Result<Self, NotAnEvent> {
        let value: Value = serde_json::from_slice(body).map_err(NotAnEvent::NotJson)?;
        let Value::Object(fields) = &value else {
            return Err(NotAnEvent::WrongShape("it is not an object"));
        };
        let event_type = fields
            .get("eventType")
            .and_then(number)
            .ok_or(NotAnEvent::WrongShape("eventType is missing or not a number"))?;
        let alert = fields.get("alert").filter(|alert| alert.is_object());
        let happening = Happening::of(event_type, alert.and_then(|alert| number(&alert["statusCode"])));
        Ok(Self {
            id: text(&value["id"]).map_or_else(|| digest(body), NotificationId::new),
            event_type,
            happening,
            alert: alert.map(|alert| AlertRef {
                event_id: text(&alert["eventId"]).map(EventId::new),
                external_id: text(&alert["externalEventId"]),
            }),
            user: name_of(&value["user"]),
            team: text(&value["team"]["name"]),
            note: text(&value["annotation"]["message"]),
        })
    }
}

/// `user.displayname` is a sister product's; `username` is what SIGNL4's samples carry.
fn name_of(user: &Value) -> Option<String> {
    ["displayname", "username", "mailaddress"].iter().find_map(|key| text(&user[*key]))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn digest(body: &[u8]) -> NotificationId {
    let hash = Sha256::digest(body);
    NotificationId::new(hash.iter().fold(String::from("sha256-"), |hex, byte| hex + &format!("{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(body: &Value) -> Notification {
        Notification::parse(body.to_string().as_bytes()).unwrap()
    }

    const ACKNOWLEDGED: &str = r#"{"eventType":201,"eventRaisedUtc":"2017-09-01T08:11:37.4815663Z","subscription":{"id":"0acf8014-22f2-4503-88d7-f7d05b46744f"},"user":{"username":"Rene","mailaddress":"rene@signl4.com","id":"f0bd5063-9588-51cf-b3d9-94e5647dedc5"},"alert":{"statusCode":2,"eventId":"2518783235949759942_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2","externalEventId":"Content you passed in the X-S4-ExternalID parameter","acknowledgedUserIds":["f0bd5063-9588-51cf-b3d9-94e5647dedc5"],"id":"2518981069381242800_2ab1b5e0-f1b7-4c3e-9adf-6c157eeb4685"},"id":"dd209a2d-e037-41ee-b37d-f605cc0a39fb"}"#;

    #[test]
    fn the_documented_acknowledgement_reads_as_one() {
        let notification = Notification::parse(ACKNOWLEDGED.as_bytes()).unwrap();
        assert_eq!(notification.id.as_str(), "dd209a2d-e037-41ee-b37d-f605cc0a39fb");
        assert_eq!(notification.happening, Happening::Acknowledged);
        assert_eq!(notification.user.as_deref(), Some("Rene"));
        let alert = notification.alert.unwrap();
        assert_eq!(
            alert.event_id.unwrap().as_str(),
            "2518783235949759942_fbc7b4a4-badd-47b8-9e1d-702fb6a1a0b2"
        );
        assert_eq!(alert.external_id.unwrap(), "Content you passed in the X-S4-ExternalID parameter");
    }

    #[test]
    fn four_is_closed_and_two_is_not() {
        let status = |code| parse(&json!({"eventType": 201, "alert": {"statusCode": code}})).happening;
        assert_eq!(status(2), Happening::Acknowledged);
        assert_eq!(status(4), Happening::Closed);
        assert_eq!(status(8), Happening::Unattended);
        assert_eq!(status(16), Happening::Failed);
        assert_eq!(status(1), Happening::Unknown);
    }

    #[test]
    fn the_status_of_an_annotation_is_not_a_status() {
        let note = parse(&json!({
            "eventType": 203, "alert": {"statusCode": 4}, "annotation": {"message": "OK, I'll take care about it."}
        }));
        assert_eq!(note.happening, Happening::Annotated);
        assert_eq!(note.note.as_deref(), Some("OK, I'll take care about it."));
    }

    #[test]
    fn a_repetition_without_an_id_is_still_the_same_notification() {
        let body = json!({"eventType": 201, "alert": {"statusCode": 2, "eventId": "e1"}});
        assert_eq!(parse(&body).id, parse(&body).id);
        assert_ne!(parse(&body).id, parse(&json!({"eventType": 202})).id);
    }

    #[test]
    fn null_and_missing_users_and_fields_are_no_error() {
        for body in [
            json!({"eventType": 202, "user": null, "alert": null, "annotation": null}),
            json!({"eventType": "202", "user": "Rene", "alert": [], "team": 7}),
            json!({"eventType": 202, "user": {"username": "  "}}),
        ] {
            let notification = parse(&body);
            assert_eq!(notification.happening, Happening::Escalated);
            assert_eq!(notification.user, None);
            assert_eq!(notification.alert, None);
        }
    }

    #[test]
    fn what_is_no_event_is_refused_with_the_reason() {
        for (body, reason) in [
            ("", "not JSON"),
            ("hello", "not JSON"),
            ("[]", "not an object"),
            ("{}", "eventType"),
            (r#"{"eventType":"soon"}"#, "eventType"),
            (r#"{"eventType":1.5}"#, "eventType"),
        ] {
            let error = Notification::parse(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{body}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn random_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Notification::parse(&body);
        }

        #[test]
        fn a_mutated_event_is_an_event_or_an_error(at in 0..ACKNOWLEDGED.len(), with in any::<u8>(), cut in any::<bool>()) {
            let mut body = ACKNOWLEDGED.as_bytes().to_vec();
            body[at] = with;
            if cut {
                body.truncate(at);
            }
            if let Ok(notification) = Notification::parse(&body) {
                prop_assert!(!notification.id.as_str().is_empty());
            }
        }
    }
}
