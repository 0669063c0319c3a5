//! The queue to one SIGNL4 team: alerts become calls of its webhook.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    drain::{Attempt, Destination, Outcome, tried_long_enough},
    notice::Notices,
    settings::Current,
};
use crate::{
    admin::{Carries, QueueLabel},
    alerting::{ReplyKind, ReplyWords, TeamName},
    store::{Alert, AlertChange, Delivery, Queue, Store, StoreError},
};
use signl4::{RaiseError, Raised, WebhookClient, WebhookUrl};

/// SIGNL4 allows a wrong secret or an invalid event ten times a minute: after one, the queue rests so long.
const REST_AFTER_REJECTION: Duration = Duration::from_secs(6);

/// The queue of a team's alerts.
pub(super) fn pager_queue(team: &TeamName) -> Queue {
    match team {
        TeamName::Default => Queue::new("signl4"),
        TeamName::Named(name) => Queue::new(format!("signl4:{name}")),
    }
}

/// The same for a person.
pub(super) fn pager_label(team: &TeamName) -> QueueLabel {
    let name = match team {
        TeamName::Default => "SIGNL4".to_owned(),
        TeamName::Named(name) => format!("SIGNL4 team {name}"),
    };
    QueueLabel { queue: pager_queue(team), name, carries: Carries::Alerts }
}

/// Pages one team.
pub(super) struct Pager {
    pub(super) team: TeamName,
    pub(super) url: WebhookUrl,
    pub(super) client: WebhookClient,
    pub(super) store: Store,
    pub(super) current: Current,
}

impl Destination for Pager {
    async fn attempt(&self, delivery: &Delivery) -> Result<Attempt, StoreError> {
        let alert = match delivery.alert {
            Some(id) => self.store.alert(id).await?,
            None => None,
        };
        let Some(alert) = alert else {
            let reason = "its alert is no longer in the store".to_owned();
            return Ok(Attempt {
                outcome: Outcome::Failed { reason, rest: Duration::ZERO },
                change: None,
                then: vec![],
            });
        };
        let Ok(event) = serde_json::from_str(&delivery.body) else {
            return Ok(self.give_up(&alert, "its row in the store is damaged".into(), Duration::ZERO));
        };
        self.store.mark_in_flight(alert.id).await?;
        Ok(match self.client.raise(&self.url, &event).await {
            Ok(raised) => self.sent(&self.as_it_stands(alert).await, raised),
            Err(error) => self.failed(&alert, error, delivery),
        })
    }
}

impl Pager {
    /// The alert after its call, which may have taken so long that its thread was told of the delay.
    async fn as_it_stands(&self, before: Alert) -> Alert {
        self.store.alert(before.id).await.ok().flatten().unwrap_or(before)
    }

    fn sent(&self, alert: &Alert, raised: Raised) -> Attempt {
        let settings = self.current.now();
        let notices = Notices::new(&settings.config.replies);
        Attempt {
            outcome: Outcome::Delivered { pause: raised.pause },
            change: Some(AlertChange::Sent(raised.event_id)),
            then: notices.sent(alert, self.team.as_str()).into_iter().collect(),
        }
    }

    fn failed(&self, alert: &Alert, error: RaiseError, delivery: &Delivery) -> Attempt {
        let why = error.to_string();
        let (outcome, maybe_raised) = match error {
            RaiseError::Rejected { reason } => return self.give_up(alert, reason, REST_AFTER_REJECTION),
            RaiseError::Throttled { until } => (Outcome::Paused { until, reason: why.clone() }, false),
            RaiseError::Unavailable { maybe_raised, .. } => {
                (Outcome::Retry { reason: why.clone() }, maybe_raised)
            }
        };
        let retry_for = self.current.now().config.signl4.retry_for;
        if tried_long_enough(delivery, retry_for, Timestamp::now()) {
            let tried = humantime::format_duration(retry_for);
            return self.give_up(alert, format!("{why}; tried for {tried}"), Duration::ZERO);
        }
        Attempt { outcome, change: Some(AlertChange::StillQueued { maybe_raised }), then: vec![] }
    }

    fn give_up(&self, alert: &Alert, reason: String, rest: Duration) -> Attempt {
        let words = ReplyWords { reason: &reason, team: self.team.as_str(), ..ReplyWords::default() };
        let settings = self.current.now();
        let told = Notices::new(&settings.config.replies).in_thread(alert, ReplyKind::NotSent, &words);
        Attempt {
            outcome: Outcome::Failed { reason, rest },
            change: Some(AlertChange::NotSent),
            then: told.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_team_has_a_queue_of_its_own() {
        let queues: BTreeSet<Queue> =
            [TeamName::Default, TeamName::Named("a".into()), TeamName::Named("b".into())]
                .iter()
                .map(pager_queue)
                .collect();
        assert_eq!(queues.len(), 3);
    }
}
