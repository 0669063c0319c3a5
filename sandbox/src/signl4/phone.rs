//! The phone: what the person on duty can do, and what SIGNL4 does when nobody does anything.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::notification::Composer;
use super::server::{Core, Signl4};
use super::state::Action;
use super::{AlertStatus, DutyChange, Person};

/// Why a step with an alert failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The id names no alert (404).
    #[error("there is no such alert")]
    NoSuchAlert,
    /// Nobody has this name.
    #[error("there is no such user")]
    NoSuchUser,
    /// The alert's state does not allow it (409).
    #[error("the alert's state ({status:?}) does not allow it")]
    Conflict {
        /// The state it is in.
        status: AlertStatus,
    },
}

/// Each step with an alert fails with an [`ActionError`] if its alert or its user does not exist, or if the alert's
/// state does not allow it.
impl Signl4 {
    /// `user` takes the alert: event 201 with status 2.
    pub fn acknowledge(&self, alert_id: &str, user: &str) -> Result<(), ActionError> {
        self.by(user, alert_id, Action::Acknowledge { note: None })
    }

    /// `user` takes the alert and types a note with it: event 201 with status 2 and an `annotation`.
    pub fn acknowledge_with_note(&self, alert_id: &str, user: &str, note: &str) -> Result<(), ActionError> {
        self.by(user, alert_id, Action::Acknowledge { note: Some(note) })
    }

    /// `user` writes a note: event 203.
    pub fn annotate(&self, alert_id: &str, user: &str, text: &str) -> Result<(), ActionError> {
        self.by(user, alert_id, Action::Annotate { text })
    }

    /// `user` closes the alert: event 201 with status 4.
    pub fn close(&self, alert_id: &str, user: &str) -> Result<(), ActionError> {
        self.by(user, alert_id, Action::Close)
    }

    /// The alert is escalated to the next in line: event 202 with `team` and without `user`.
    pub fn escalate(&self, alert_id: &str) -> Result<(), ActionError> {
        self.core.act(alert_id, Action::Escalate, None)
    }

    /// Nobody answered or is on duty: event 201 with status 8.
    pub fn nobody_on_duty(&self, alert_id: &str) -> Result<(), ActionError> {
        self.core.act(alert_id, Action::NobodyOnDuty, None)
    }

    /// The alert could not be delivered: event 201 with status 16.
    pub fn fail(&self, alert_id: &str) -> Result<(), ActionError> {
        self.core.act(alert_id, Action::Fail, None)
    }

    /// Sends the same as the portal's "test" button: event 1.
    pub fn send_test_event(&self) {
        self.core.notify(None, self.core.composer().test());
    }

    /// Sends a change of somebody's duty: events 300 to 303. Does not change anybody's duty.
    ///
    /// # Errors
    /// [`ActionError::NoSuchUser`].
    pub fn send_duty_event(&self, change: DutyChange, user: &str) -> Result<(), ActionError> {
        let person = self.core.person(user)?;
        self.core.notify(None, self.core.composer().duty(change, &person));
        Ok(())
    }

    /// `user` takes over the phone: whoever had it punches out (event 303), `user` punches in (event 302).
    ///
    /// # Errors
    /// [`ActionError::NoSuchUser`].
    pub fn hand_over_duty(&self, user: &str) -> Result<(), ActionError> {
        let person = self.core.person(user)?;
        let before = self.core.change(|state| state.on_duty.replace(person.clone()));
        if before.as_ref() == Some(&person) {
            return Ok(());
        }
        let composer = self.core.composer();
        if let Some(before) = before {
            self.core.notify(None, composer.duty(DutyChange::PunchedOut, &before));
        }
        self.core.notify(None, composer.duty(DutyChange::PunchedIn, &person));
        Ok(())
    }

    /// Sends any JSON to the outbound URL, through the same queue.
    pub fn send_raw(&self, body: Value) {
        self.core.notify(None, body);
    }

    fn by(&self, user: &str, alert_id: &str, action: Action<'_>) -> Result<(), ActionError> {
        let person = self.core.person(user)?;
        self.core.act(alert_id, action, Some(&person))
    }
}

impl Core {
    /// Takes a step with an alert and notifies the outbound webhook.
    pub(super) fn act(
        self: &Arc<Self>,
        alert_id: &str,
        action: Action<'_>,
        by: Option<&Person>,
    ) -> Result<(), ActionError> {
        let composer = self.composer();
        let body = self.change(|state| {
            state.act(alert_id, action, by, composer.now).map(|alert| composer.step(alert, action, by))
        })?;
        self.notify(Some(alert_id.to_owned()), body);
        Ok(())
    }

    pub(super) fn composer(&self) -> Composer<'_> {
        Composer { subscription: &self.subscription, now: Timestamp::now() }
    }

    /// Somebody by name, any case.
    pub(super) fn person(&self, name: &str) -> Result<Person, ActionError> {
        let found = self.options.people.iter().find(|person| person.name.eq_ignore_ascii_case(name));
        found.cloned().ok_or(ActionError::NoSuchUser)
    }
}
