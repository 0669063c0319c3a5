//! Rocket.Chat as a destination: posts replies and reactions with its REST API.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tracing::{field::display, info, warn};

use super::fallback::{Form, Step, is_decision, next_step};
use super::queues;
use super::reply::{About, Reaction, Reply};
use super::worker::{Attempt, Destination, tried_long_enough};
use crate::alerting::ReplyKind;
use crate::bot::{context::Context, settings::Settings};
use crate::store::{Delivery, DeliveryId, DeliveryKind, NewDelivery, Settlement};
use crate::telemetry;
use rocketchat::rest::{OutgoingMessage, RestError};

/// Time limit for an attempt. Repeating a call posts nothing twice, and the bot has no more time than this to stop.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(8);
/// How long the check whether a thread still exists may delay a reply.
const PARENT_WITHIN: Duration = Duration::from_secs(2);
/// How often to make a call that is refused without a code: the waits in between add up to about half a minute.
const ATTEMPTS_WITHOUT_REASON: u32 = 5;

/// Posts replies and reactions.
pub(super) struct RocketChat {
    context: Context,
    /// The forms of rejected replies until they are settled, so that no attempt repeats a step.
    forms: Mutex<HashMap<DeliveryId, Form>>,
    /// The settings under which the server refused the alias. While they are in use, the bot posts under its own name.
    refused: Mutex<Option<Arc<Settings>>>,
}

impl Destination for Arc<RocketChat> {
    async fn attempt(&self, delivery: &Delivery) -> Attempt {
        let post = async {
            match delivery.kind {
                DeliveryKind::Reply => self.try_reply(delivery).await,
                DeliveryKind::Reaction => self.try_reaction(delivery).await,
                DeliveryKind::Alert => Err(PostError::Unreadable),
            }
        };
        let no_answer = |_| Err(RestError::unavailable("no answer in time").into());
        let posted = timeout(ATTEMPT_LIMIT, post).await.unwrap_or_else(no_answer);
        let (is_refused, reason) = match posted {
            Ok(()) => {
                self.forms.lock().remove(&delivery.id);
                telemetry::REPLIES.count(&[("kind", delivery.kind.name()), ("result", "posted")]);
                return Settlement::Delivered { event_id: None }.into();
            }
            Err(PostError::Call(RestError::RateLimited { wait })) => {
                return Attempt { pause: Some(wait), ..Settlement::Retry { reason: None }.into() };
            }
            Err(PostError::Call(error)) => (is_final(&error, delivery), error.to_string()),
            Err(error) => (true, error.to_string()),
        };
        let retry_for = self.context.current.now().config.signl4.retry_for;
        match is_refused || tried_long_enough(delivery, retry_for, Timestamp::now()) {
            true => self.give_up(delivery, reason).await,
            false => Settlement::Retry { reason: Some(reason) }.into(),
        }
    }

    async fn give_up(&self, delivery: &Delivery, reason: String) -> Attempt {
        self.forms.lock().remove(&delivery.id);
        telemetry::REPLIES.count(&[("kind", delivery.kind.name()), ("result", "failed")]);
        let then = stand_in(delivery).into_iter().collect();
        Attempt { settlement: Settlement::Failed { reason, may_have_arrived: false }, pause: None, then }
    }
}

/// Why something was not posted.
#[derive(Debug, thiserror::Error)]
enum PostError {
    #[error("its row in the store is damaged")]
    Unreadable,
    #[error(transparent)]
    Call(#[from] RestError),
    #[error("rejected in every form: {0}")]
    Refused(RestError),
}

impl RocketChat {
    pub(super) fn new(context: Context) -> Self {
        Self { context, forms: Mutex::default(), refused: Mutex::default() }
    }

    async fn try_reply(&self, delivery: &Delivery) -> Result<(), PostError> {
        let reply: Reply = read(delivery)?;
        if !reply.is_late && self.is_overtaken(delivery).await {
            info!(
                alert = delivery.alert.map(display),
                "a confirmation is not posted: its thread is told that nobody was paged"
            );
            return Ok(());
        }
        let form = self.post(delivery, &reply).await?;
        let (alert, reply, room) = (delivery.alert.map(display), &reply.id, &reply.room);
        match form.steps.iter().all(|step| *step == Step::OwnName) {
            true => info!(alert, %reply, %room, "reply posted"),
            false => {
                warn!(alert, %reply, %room, instead = ?form.steps, "reply posted in another form")
            }
        }
        Ok(())
    }

    /// Whether a confirmation would follow a reply that says the opposite: the two have different queues.
    async fn is_overtaken(&self, delivery: &Delivery) -> bool {
        let queue = queues::of_reply(ReplyKind::NotSent);
        // If the store does not answer, a misleading reply is better than none.
        self.context.store.is_reported_not_sent(delivery, &queue).await.unwrap_or_default()
    }

    async fn try_reaction(&self, delivery: &Delivery) -> Result<(), PostError> {
        let Reaction { message, emoji, .. } = read(delivery)?;
        self.context.rest.react(&message, &emoji).await?;
        info!(alert = delivery.alert.map(display), message_id = %message, "reaction added");
        Ok(())
    }

    /// Posts a reply, in the next best form if it is rejected. Returns the form in which it was posted.
    async fn post(&self, delivery: &Delivery, reply: &Reply) -> Result<Form, PostError> {
        let settings = self.context.current.now();
        let mut form = self.forms.lock().get(&delivery.id).cloned().unwrap_or_default();
        if reply.is_late && !form.parent_is_gone && self.parent_is_gone(reply).await {
            form.parent_is_gone = true;
            self.take(Step::OutsideThread, &mut form, delivery, reply).await?;
        }
        let mut message = self.message(reply, &form, &settings);
        loop {
            let refusal = match self.context.rest.send_message(&message).await {
                Ok(_) => return Ok(form),
                Err(error) if !is_final(&error, delivery) => return Err(error.into()),
                Err(refusal) => refusal,
            };
            if refusal.is_missing_impersonation() {
                self.note_refusal(&settings);
            }
            let refused = message.clone();
            while message == refused {
                let Some(step) = next_step(&refusal, &form.steps) else {
                    return Err(PostError::Refused(refusal));
                };
                self.take(step, &mut form, delivery, reply).await?;
                self.forms.lock().insert(delivery.id, form.clone());
                message = self.message(reply, &form, &settings);
            }
            info!(alert = delivery.alert.map(display), reply = %reply.id, %refusal, next = ?form.steps, "reply rejected; trying another form");
        }
    }

    /// Takes a step, and requests the information that it needs from the server.
    async fn take(
        &self,
        step: Step,
        form: &mut Form,
        delivery: &Delivery,
        reply: &Reply,
    ) -> Result<(), RestError> {
        if matches!(step, Step::Shortened | Step::OutsideThread | Step::Direct) && form.site.is_none() {
            // Works without an answer: with a short text, and with the configured URL.
            let settings = self.context.rest.public_settings().await.unwrap_or_default();
            (form.longest, form.site) = (settings.longest_message, settings.site_url);
        }
        let author = reply.about.as_ref().and_then(|about| about.author.as_deref());
        if let (Step::Direct, Some(author)) = (step, author) {
            form.direct = match self.context.rest.direct_room(author).await {
                // The answer for an unknown endpoint looks like that of a proxy, so it does not have to be a passing one.
                Err(RestError::Unavailable { failure: None, .. })
                    if delivery.attempts >= ATTEMPTS_WITHOUT_REASON =>
                {
                    None
                }
                Err(error) if error.is_retryable() => return Err(error),
                answer => answer.ok(),
            };
        }
        form.steps.insert(step);
        Ok(())
    }

    /// Whether the first message of the thread was deleted. Without an answer, the reply goes to the thread.
    async fn parent_is_gone(&self, reply: &Reply) -> bool {
        let Some(parent) = &reply.thread else { return false };
        matches!(timeout(PARENT_WITHIN, self.context.rest.has_message(parent)).await, Ok(Ok(false)))
    }

    fn message(&self, reply: &Reply, form: &Form, settings: &Arc<Settings>) -> OutgoingMessage {
        let chat = &settings.config.rocketchat;
        let site = form.site.as_ref().unwrap_or(chat.url.base());
        let link = |about: &About| self.context.rooms.link(site, &reply.room, &about.message).to_string();
        let mut message = form.message(reply, reply.about.as_ref().map(link).as_deref());
        let is_refused = self.refused.lock().as_ref().is_some_and(|refused| Arc::ptr_eq(refused, settings));
        if !is_refused && !form.steps.contains(&Step::OwnName) {
            message.alias = chat.alias.clone();
            message.avatar = chat.avatar.as_ref().map(ToString::to_string);
        }
        message
    }

    /// From now on the bot posts under its own name. Logged once, though several queues may notice it at the same
    /// time.
    fn note_refusal(&self, settings: &Arc<Settings>) {
        let before = self.refused.lock().replace(settings.clone());
        if before.is_none_or(|before| !Arc::ptr_eq(&before, settings)) {
            warn!(
                "this account may not post under an alias: replies come under its own name. Give it the role \"bot\" or the permission message-impersonate, or set rocketchat.alias = \"\""
            );
        }
    }
}

/// Whether the server will answer the same call in the same way. A refusal without a reason gets a few more attempts.
fn is_final(error: &RestError, delivery: &Delivery) -> bool {
    !error.is_retryable() && (is_decision(error) || delivery.attempts >= ATTEMPTS_WITHOUT_REASON)
}

fn read<T: DeserializeOwned>(delivery: &Delivery) -> Result<T, PostError> {
    serde_json::from_str(&delivery.body).map_err(|_| PostError::Unreadable)
}

/// The reply that is posted if a reaction is given up.
fn stand_in(delivery: &Delivery) -> Option<NewDelivery> {
    if delivery.kind != DeliveryKind::Reaction {
        return None;
    }
    let reply = read::<Reaction>(delivery).ok()?.otherwise?;
    warn!(alert = delivery.alert.map(display), delivery = %delivery.id, "a reaction was rejected; posting a reply instead");
    Some(reply.queued(ReplyKind::Sent, delivery.alert))
}
