//! SIGNL4 as a destination: sends alerts to a team's webhook.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::reply::{Renderer, which};
use super::worker::{Attempt, Destination, age, tried_long_enough};
use crate::alerting::{ReplyKind, ReplyWords, TeamName, render_event};
use crate::bot::context::Context;
use crate::store::{Alert, Delivery, Settlement, StoreError};
use rocketchat::RestError;
use signl4::{AlertEvent, RaiseError, Raised, WebhookClient, WebhookUrl};

/// SIGNL4 allows ten wrong secrets or invalid events a minute. After one of them, the queue pauses for this many
/// units.
const PAUSE_AFTER_REJECTION: u32 = 6;

/// If an alert is sent later than this after its message was written, the message is read again first.
const LATE: Duration = Duration::from_secs(30);

/// How long that may delay an alert.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The maximum number of suppressed alerts whose threads report that the earlier alert was not sent.
const MOST_TOLD: u32 = 50;

/// Raises the alerts of one team.
pub(super) struct Signl4Team {
    pub(super) team: TeamName,
    pub(super) url: WebhookUrl,
    pub(super) client: WebhookClient,
    pub(super) context: Context,
    /// Whether to begin no further call: the bot is stopping, or the team was removed.
    pub(super) stop: CancellationToken,
}

/// What happened to an alert's message while the alert was waiting.
#[derive(Debug)]
enum Change {
    /// The alert now has this content.
    Edited(Value),
    /// It was deleted.
    Deleted,
}

impl Destination for Signl4Team {
    async fn attempt(&self, delivery: &Delivery) -> Attempt {
        let alert = match self.alert(delivery).await {
            Ok(Some(alert)) => alert,
            Ok(None) => {
                let reason = "its alert is no longer in the store".into();
                return Settlement::Failed { reason, may_have_arrived: false }.into();
            }
            Err(error) => return Settlement::Retry { reason: Some(error.to_string()) }.into(),
        };
        let Ok(mut event) = serde_json::from_str(&delivery.body) else {
            return self.not_sent(&alert, "its row in the store is damaged".into()).await;
        };
        if has_waited(delivery, &alert, Timestamp::now()) {
            match self.change_of(&alert).await {
                Some(Change::Edited(newest)) => event = newest,
                Some(Change::Deleted) if !self.pages_deleted(&alert).await => {
                    return Settlement::Withdrawn { reason: "its message was deleted".into() }.into();
                }
                Some(Change::Deleted) | None => {}
            }
        }
        if !self.context.store.may_call() {
            return Settlement::Retry { reason: Some("this replica lost the database".into()) }.into();
        }
        // Reading the message took a while. A call that begins now could take longer than the bot has to stop.
        if self.stop.is_cancelled() {
            return Settlement::Retry { reason: None }.into();
        }
        let answer = self.client.raise(&self.url, &event).await;
        // Checked again, because the call may have taken so long that the delay was reported in the thread.
        let newest = timeout(ANSWER_WITHIN, self.alert(delivery)).await;
        let alert = newest.ok().and_then(Result::ok).flatten().unwrap_or(alert);
        match answer {
            Ok(Raised { event_id, pause }) => {
                let replies = &self.context.current.now().config.replies;
                let then = Renderer(replies).sent(&alert, self.team.as_str());
                Attempt { settlement: Settlement::Delivered { event_id }, pause, then }
            }
            Err(error) => self.failed(&alert, delivery, error).await,
        }
    }

    async fn give_up(&self, delivery: &Delivery, reason: String) -> Attempt {
        match self.alert(delivery).await {
            Ok(Some(alert)) => self.not_sent(&alert, reason).await,
            Ok(None) | Err(_) => Settlement::Failed { reason, may_have_arrived: false }.into(),
        }
    }
}

impl Signl4Team {
    async fn alert(&self, delivery: &Delivery) -> Result<Option<Alert>, StoreError> {
        match delivery.alert {
            Some(id) => self.context.store.alert(id).await,
            None => Ok(None),
        }
    }

    /// What happened to an alert's message; `None` if nothing happened or if it is unknown. Then the alert is sent unchanged.
    ///
    /// The bot asks the server instead of following the stream, because the stream reports deletions only per room, and does
    /// not report what happened while the bot was away.
    async fn change_of(&self, alert: &Alert) -> Option<Change> {
        timeout(ANSWER_WITHIN, self.ask_for_change(alert)).await.ok()?.ok()?
    }

    async fn ask_for_change(&self, alert: &Alert) -> Result<Option<Change>, RestError> {
        let Context { rest, rooms, current, .. } = &self.context;
        let Some(message) = rest.message(&alert.message).await? else {
            // The server gives the same answer for a room that the bot was removed from, so that is checked too.
            rest.room_by_id(&alert.room).await?;
            return Ok(Some(Change::Deleted));
        };
        let Some(known) = rooms.get(&alert.room).filter(|_| message.edited_at.is_some()) else {
            return Ok(None);
        };
        let config = &current.now().config;
        let matches = config.triggers.matches(&message, &known.room, known.joined);
        let found = matches.into_iter().find(|found| found.trigger.name == alert.trigger);
        Ok(found.map(|found| {
            let (event, _) = render_event(&found, &message, &known.room, &config.rocketchat.url);
            // Its events are recognized by this external ID.
            let event = AlertEvent { external_id: Some(alert.external_id.clone()), ..event };
            Change::Edited(event.to_json())
        }))
    }

    /// Whether an alert is sent although its message was deleted. This is the case if its cooldown suppressed others:
    /// somebody who deletes a message and writes it again within the cooldown wants to page.
    async fn pages_deleted(&self, alert: &Alert) -> bool {
        let Context { current, store, .. } = &self.context;
        let settings = current.now();
        let trigger = settings.config.triggers.get(&alert.trigger);
        trigger.is_some_and(|trigger| trigger.page_deleted)
            || store.suppressed_behind(alert.id, 1).await.map_or(true, |behind| !behind.is_empty())
    }

    async fn failed(&self, alert: &Alert, delivery: &Delivery, error: RaiseError) -> Attempt {
        let (why, settlement) = match error {
            RaiseError::Rejected(reason) => {
                return Attempt {
                    pause: Some(self.context.tempo.retry_unit * PAUSE_AFTER_REJECTION),
                    ..self.not_sent(alert, reason).await
                };
            }
            RaiseError::Throttled(wait) => {
                return Attempt { pause: Some(wait), ..Settlement::Retry { reason: None }.into() };
            }
            RaiseError::NotRaised(reason) => (reason.clone(), Settlement::Retry { reason: Some(reason) }),
            RaiseError::Unanswered(reason) => (reason.clone(), Settlement::Unanswered { reason }),
        };
        let retry_for = self.context.current.now().config.signl4.retry_for;
        if tried_long_enough(delivery, retry_for, Timestamp::now()) {
            let tried = humantime::format_duration(retry_for);
            let given_up = self.not_sent(alert, format!("{why}; tried for {tried}")).await;
            return if matches!(settlement, Settlement::Unanswered { .. }) {
                given_up.that_may_have_arrived()
            } else {
                given_up
            };
        }
        settlement.into()
    }

    async fn not_sent(&self, alert: &Alert, reason: String) -> Attempt {
        let which = which(&self.context.store, alert).await;
        let (team, which) = (self.team.as_str(), which.as_deref());
        let words = ReplyWords { reason: &reason, team, which, ..ReplyWords::default() };
        let settings = self.context.current.now();
        let renderer = Renderer(&settings.config.replies);
        let notice = renderer.in_thread(alert, ReplyKind::NotSent, &words);
        // Their threads say that an alert was raised.
        let behind = self.context.store.suppressed_behind(alert.id, MOST_TOLD).await.unwrap_or_else(|error| {
            error!(alert = %alert.id, %error, "cannot read which alerts were suppressed because of one that is not sent");
            vec![]
        });
        let words = ReplyWords { which: None, ..words };
        let others = behind.iter().filter_map(|other| renderer.in_thread(other, ReplyKind::NotSent, &words));
        let then = notice.into_iter().chain(others).collect();
        Attempt { settlement: Settlement::Failed { reason, may_have_arrived: false }, pause: None, then }
    }
}

/// Whether the message may have changed since the alert was queued. An alert that may have been raised already stays
/// unchanged.
fn has_waited(delivery: &Delivery, alert: &Alert, now: Timestamp) -> bool {
    alert.unanswered == 0 && (delivery.attempts > 1 || age(delivery, now) > LATE)
}
