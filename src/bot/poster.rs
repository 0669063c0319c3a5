//! The queues to Rocket.Chat: replies and reactions become calls of its REST API.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tracing::{field::display, info, warn};

use super::{
    drain::{Attempt, Destination, Outcome, tried_long_enough},
    notice::{Notice, Reply},
    settings::{Current, Settings},
};
use crate::{
    alerting::ReplyKind,
    store::{Delivery, NewDelivery, StoreError},
    telemetry::{self, NoticeKind},
};
use rocketchat::rest::{OutgoingMessage, RestClient, RestError};

/// Rocket.Chat takes 5,000 characters unless the administrator says otherwise; a reply stays below.
const LONGEST_REPLY: usize = 4_000;
/// What is left of a reply that was still too long for this server.
const SHORT_REPLY: usize = 400;
/// Rocket.Chat's code for a message over the server's limit.
const TOO_LONG: &str = "error-message-size-exceeded";

/// How often a call is made that is refused without a code: the waits between add up to about half a minute.
const ATTEMPTS_WITHOUT_REASON: u32 = 5;

/// Posts replies and reactions.
pub(super) struct Poster {
    rest: RestClient,
    current: Current,
    /// The settings under which the server refused the alias: as long as they hold the bot posts under its own name.
    refused: Mutex<Option<Arc<Settings>>>,
}

impl Destination for Arc<Poster> {
    async fn attempt(&self, delivery: &Delivery) -> Result<Attempt, StoreError> {
        let Ok(notice) = serde_json::from_str::<Notice>(&delivery.body) else {
            return Ok(failed("its row in the store is damaged"));
        };
        let settings = self.current.now();
        let (kind, outcome, then) = match &notice {
            Notice::Reply(reply) => (NoticeKind::Reply, self.post(reply, &settings).await, None),
            Notice::Reaction { message, emoji, otherwise } => {
                (NoticeKind::Reaction, self.rest.react(message, emoji).await, otherwise.as_ref())
            }
        };
        Ok(match outcome {
            Ok(()) => {
                log(&notice, delivery);
                telemetry::notice(kind, true);
                Attempt { outcome: Outcome::Delivered { pause: None }, change: None, then: vec![] }
            }
            Err(error)
                if is_final(&error, delivery.attempts)
                    || tried_long_enough(delivery, settings.config.signl4.retry_for, Timestamp::now()) =>
            {
                telemetry::notice(kind, false);
                Attempt {
                    outcome: Outcome::Failed { reason: error.to_string(), rest: Duration::ZERO },
                    change: None,
                    then: then.map(|reply| stand_in(reply, delivery)).into_iter().collect(),
                }
            }
            Err(RestError::RateLimited { until }) => {
                let outcome = Outcome::Paused { until, reason: "Rocket.Chat limits the rate".into() };
                Attempt { outcome, change: None, then: vec![] }
            }
            Err(error) => {
                Attempt { outcome: Outcome::Retry { reason: error.to_string() }, change: None, then: vec![] }
            }
        })
    }
}

impl Poster {
    pub(super) fn new(rest: RestClient, current: Current) -> Self {
        Self { rest, current, refused: Mutex::default() }
    }

    /// Posts a reply; without alias and avatar where they are refused, and shorter where it is too long.
    async fn post(&self, reply: &Reply, settings: &Arc<Settings>) -> Result<(), RestError> {
        let mut most = LONGEST_REPLY;
        loop {
            let plain = self.is_refused(settings);
            match self.send(reply, most, settings, plain).await {
                Err(error) if error.is_missing_impersonation() && !plain => self.note_refusal(settings),
                Err(error) if error.code() == Some(TOO_LONG) && most > SHORT_REPLY => most = SHORT_REPLY,
                done => return done,
            }
        }
    }

    async fn send(
        &self,
        reply: &Reply,
        most: usize,
        settings: &Settings,
        plain: bool,
    ) -> Result<(), RestError> {
        let appearance = &settings.config.rocketchat;
        let (alias, avatar) = match plain {
            true => (None, None),
            false => (appearance.alias.clone(), appearance.avatar.as_ref().map(ToString::to_string)),
        };
        let message = OutgoingMessage {
            id: reply.id.clone(),
            room: reply.room.clone(),
            text: shorten(&reply.text, most),
            thread: reply.thread.clone(),
            alias,
            avatar,
            emoji: None,
        };
        self.rest.send_message(&message).await?;
        Ok(())
    }

    fn is_refused(&self, settings: &Arc<Settings>) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().is_some_and(|refused| Arc::ptr_eq(refused, settings))
    }

    /// From now on the bot posts under its own name; said once, though several queues may learn it at the same time.
    fn note_refusal(&self, settings: &Arc<Settings>) {
        let before = self.refused.lock().unwrap_or_else(PoisonError::into_inner).replace(settings.clone());
        if before.is_none_or(|before| !Arc::ptr_eq(&before, settings)) {
            warn!(
                "this account may not post under an alias: replies come under its own name. Give it the role \"bot\" or the permission message-impersonate, or set rocketchat.alias = \"\""
            );
        }
    }
}

fn log(notice: &Notice, delivery: &Delivery) {
    let alert = delivery.alert.map(display);
    match notice {
        Notice::Reply(reply) => info!(alert, reply = %reply.id, room = %reply.room, "reply posted"),
        Notice::Reaction { message, .. } => info!(alert, message_id = %message, "reaction added"),
    }
}

/// Whether there is no point in trying again. A refusal without a code may be of a server that is in trouble itself, with
/// its database for example: it gets a few more chances.
fn is_final(error: &RestError, attempts: u32) -> bool {
    !error.is_retryable() && (error.code().is_some() || attempts + 1 >= ATTEMPTS_WITHOUT_REASON)
}

fn stand_in(reply: &Reply, delivery: &Delivery) -> NewDelivery {
    warn!(alert = delivery.alert.map(display), delivery = %delivery.id, "a reaction was refused; a reply stands in for it");
    reply.clone().queued(ReplyKind::Sent, delivery.alert)
}

fn failed(reason: &str) -> Attempt {
    let outcome = Outcome::Failed { reason: reason.into(), rest: Duration::ZERO };
    Attempt { outcome, change: None, then: vec![] }
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}
