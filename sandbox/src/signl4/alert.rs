//! An alert, as the simulated SIGNL4 keeps it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::WebhookFault;

/// A readable call of the inbound webhook, whatever its outcome.
#[derive(Clone, Debug)]
pub struct WebhookCall {
    /// When it was read.
    pub at: Timestamp,
    /// `X-S4-ExternalID`.
    pub external_id: Option<String>,
    /// The text, as an alert would have it.
    pub text: String,
    /// The fault injected into it; without one it raised an alert and was answered.
    pub fault: Option<WebhookFault>,
}

/// An alert and all that is known of it.
#[derive(Clone, Debug)]
pub struct Alert {
    /// `alert.id`, and the id in the REST API.
    pub id: String,
    /// The `eventId` of the webhook's answer.
    pub event_id: String,
    /// `X-S4-ExternalID`.
    pub external_id: Option<String>,
    /// The name of the team whose secret was used.
    pub team: String,
    /// The id of that team.
    pub team_id: String,
    /// From the first of `Title`, `Subject`, `Job`, `Task`, `Case`, `Incident`; else empty.
    pub title: String,
    /// From the first of `Text`, `Message`, `MessageText`, `Description`, `Body`, `Content`; else empty.
    pub text: String,
    /// Every other key, nested ones flattened with dots.
    pub parameters: BTreeMap<String, String>,
    /// `X-S4-Service`.
    pub service: Option<String>,
    /// `X-S4-Location`.
    pub location: Option<String>,
    /// `X-S4-AlertingScenario`.
    pub alerting_scenario: Option<String>,
    /// `X-S4-Filtering`.
    pub filtering: Option<bool>,
    /// `X-S4-SourceSystem`.
    pub source_system: Option<String>,
    /// Files of a multipart call.
    pub attachments: Vec<Attachment>,
    /// The state of the alert.
    pub status: AlertStatus,
    /// The ids of those who acknowledged it.
    pub acknowledged_user_ids: Vec<String>,
    /// What happened to it, oldest first; the first entry is its raising.
    pub history: Vec<HistoryEntry>,
    /// The call that raised it.
    pub received: Received,
}

impl Alert {
    /// Whether somebody still has to act.
    pub fn is_open(&self) -> bool {
        self.status != AlertStatus::Closed
    }

    /// Adds a line to the alert's history.
    pub(super) fn record(
        &mut self,
        at: Timestamp,
        kind: HistoryKind,
        user: Option<&str>,
        text: Option<&str>,
    ) {
        let entry = HistoryEntry { at, kind, user: user.map(str::to_owned), text: text.map(str::to_owned) };
        self.history.push(entry);
    }
}

/// The webhook call that raised an alert.
#[derive(Clone, Debug)]
pub struct Received {
    /// When it came.
    pub at: Timestamp,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body; for multipart, the text parts as an object.
    pub body: Value,
}

/// A file of a multipart call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The file's name.
    pub file_name: String,
    /// Its media type, if the call contained it.
    pub content_type: Option<String>,
    /// Its length in bytes.
    pub length: usize,
}

/// The state of an alert, as the `statusCode` of SIGNL4's notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    /// 1: raised, nobody has it yet.
    New,
    /// 2: somebody has it.
    Acknowledged,
    /// 4: done.
    Closed,
    /// 8: nobody answered, or nobody is on duty.
    NobodyOnDuty,
    /// 16: it could not be delivered to anybody.
    Failed,
}

impl AlertStatus {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            Self::New => 1,
            Self::Acknowledged => 2,
            Self::Closed => 4,
            Self::NobodyOnDuty => 8,
            Self::Failed => 16,
        }
    }
}

/// One step in an alert's lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: HistoryKind,
    /// Who did it, if it was a person.
    pub user: Option<String>,
    /// What they wrote.
    pub text: Option<String>,
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryKind {
    /// It was raised.
    Raised,
    /// Somebody took it.
    Acknowledged,
    /// Somebody wrote a note.
    Annotated,
    /// It was escalated to another team or person.
    Escalated,
    /// Nobody answered or was on duty.
    NobodyOnDuty,
    /// It could not be delivered.
    Failed,
    /// It was closed.
    Closed,
}
