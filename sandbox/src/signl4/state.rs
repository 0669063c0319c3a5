//! The state of the simulated SIGNL4, and the steps an alert can take.

use jiff::Timestamp;

use super::faults::FaultQueue;
use super::notification::Notification;
use super::payload::Payload;
use super::phone::ActionError;
use super::throttle::Throttle;
use super::{
    Alert, AlertStatus, Attachment, HistoryKind, Options, OutboundFault, Person, Received, Team, WebhookCall,
    WebhookFault, ids,
};

/// Everything that changes while the simulator runs. It outlives the server's stops.
pub(super) struct State {
    pub alerts: Vec<Alert>,
    pub calls: Vec<WebhookCall>,
    pub notifications: Vec<Notification>,
    /// Indexes of notifications that wait for the next one to pass them.
    pub held: Vec<usize>,
    pub outbound_url: Option<String>,
    pub on_duty: Option<Person>,
    pub listening: bool,
    pub webhook_faults: FaultQueue<WebhookFault>,
    pub outbound_faults: FaultQueue<OutboundFault>,
    pub webhook_throttle: Throttle,
    pub mistakes_throttle: Throttle,
    pub rest_throttle: Throttle,
}

/// A step that is taken with an alert, by a person or automatically.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action<'a> {
    Acknowledge { note: Option<&'a str> },
    Annotate { text: &'a str },
    Close,
    Escalate,
    NobodyOnDuty,
    Fail,
}

impl State {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            alerts: Vec::new(),
            calls: Vec::new(),
            notifications: Vec::new(),
            held: Vec::new(),
            outbound_url: options.outbound_url.clone(),
            on_duty: options.people.first().cloned(),
            listening: false,
            webhook_faults: FaultQueue::default(),
            outbound_faults: FaultQueue::default(),
            webhook_throttle: Throttle::webhook(options.plan),
            mistakes_throttle: Throttle::mistakes(options.plan),
            rest_throttle: Throttle::rest(options.plan),
        }
    }

    /// Raises an alert.
    pub(super) fn raise(
        &mut self,
        team: &Team,
        payload: Payload,
        attachments: Vec<Attachment>,
        received: Received,
    ) -> &Alert {
        let now = received.at;
        let mut alert = Alert {
            id: ids::ticked(now),
            event_id: ids::ticked(now),
            external_id: payload.external_id,
            team: team.name.clone(),
            team_id: team.id.clone(),
            title: payload.title,
            text: payload.text,
            parameters: payload.parameters,
            service: payload.service,
            location: payload.location,
            alerting_scenario: payload.alerting_scenario,
            filtering: payload.filtering,
            source_system: payload.source_system,
            attachments,
            status: AlertStatus::New,
            acknowledged_user_ids: Vec::new(),
            history: Vec::new(),
            received,
        };
        alert.record(now, HistoryKind::Raised, None, None);
        self.alerts.push(alert);
        &self.alerts[self.alerts.len() - 1]
    }

    /// Takes a step with an alert, if its state allows it.
    pub(super) fn act(
        &mut self,
        alert_id: &str,
        action: Action<'_>,
        by: Option<&Person>,
        now: Timestamp,
    ) -> Result<&Alert, ActionError> {
        let alert =
            self.alerts.iter_mut().find(|alert| alert.id == alert_id).ok_or(ActionError::NoSuchAlert)?;
        if !allows(alert, action, by) {
            return Err(ActionError::Conflict { status: alert.status });
        }
        let user = by.map(|person| person.name.as_str());
        match action {
            Action::Acknowledge { note } => {
                alert.status = AlertStatus::Acknowledged;
                alert.acknowledged_user_ids.extend(by.map(|person| person.id.clone()));
                alert.record(now, HistoryKind::Acknowledged, user, note);
            }
            Action::Annotate { text } => alert.record(now, HistoryKind::Annotated, user, Some(text)),
            Action::Close => {
                alert.status = AlertStatus::Closed;
                alert.record(now, HistoryKind::Closed, user, None);
            }
            Action::Escalate => {
                alert.status = AlertStatus::New;
                alert.record(now, HistoryKind::Escalated, None, None);
            }
            Action::NobodyOnDuty => {
                alert.status = AlertStatus::NobodyOnDuty;
                alert.record(now, HistoryKind::NobodyOnDuty, None, None);
            }
            Action::Fail => {
                alert.status = AlertStatus::Failed;
                alert.record(now, HistoryKind::Failed, None, None);
            }
        }
        Ok(alert)
    }
}

/// The lifecycle (inferred): closed is the end, an acknowledged alert is acknowledged again only by somebody else and
/// with `multi_ack`, and only an alert that nobody has yet escalates or fails. Notes are always welcome.
fn allows(alert: &Alert, action: Action<'_>, by: Option<&Person>) -> bool {
    match (action, alert.status) {
        (Action::Annotate { .. }, _) => true,
        (_, AlertStatus::Closed) => false,
        (Action::Close, _) => true,
        (Action::Acknowledge { .. }, AlertStatus::Acknowledged) => {
            let again = by.is_some_and(|person| alert.acknowledged_user_ids.contains(&person.id));
            alert.alerting_scenario.as_deref() == Some("multi_ack") && !again
        }
        (Action::Acknowledge { .. }, _) => true,
        (Action::Escalate, status) => status != AlertStatus::Acknowledged,
        (Action::NobodyOnDuty | Action::Fail, status) => status == AlertStatus::New,
    }
}
