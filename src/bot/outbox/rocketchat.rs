//! The destination Rocket.Chat: replies and reactions become calls of its REST API.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{
    reply::{Reaction, Reply},
    worker::{Attempt, Destination, tried_long_enough},
};
use crate::{
    alerting::ReplyKind,
    bot::settings::{Current, Settings},
    store::{Delivery, DeliveryKind, NewDelivery, Settlement},
    telemetry,
};
use rocketchat::rest::{OutgoingMessage, RestClient, RestError};

/// How long an attempt may take. A repeated call posts nothing twice, and the bot has no longer to stop.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(8);
/// Rocket.Chat takes 5,000 characters unless the administrator says otherwise; a reply stays below.
const LONGEST_REPLY: usize = 4_000;
/// What is left of a reply that was still too long for this server.
const SHORT_REPLY: usize = 400;
/// Rocket.Chat's code for a message over the server's limit.
const TOO_LONG: &str = "error-message-size-exceeded";
/// How often a call is made that is refused without a code: the waits between add up to about half a minute.
const ATTEMPTS_WITHOUT_REASON: u32 = 5;

/// Posts replies and reactions.
pub(super) struct RocketChat {
    rest: RestClient,
    current: Current,
    /// The settings under which the server refused the alias: as long as they hold the bot posts under its own name.
    refused: Mutex<Option<Arc<Settings>>>,
}

impl Destination for Arc<RocketChat> {
    async fn attempt(&self, delivery: &Delivery) -> Attempt {
        let posted = match delivery.kind {
            DeliveryKind::Reply => self.try_reply(delivery).await,
            DeliveryKind::Reaction => self.try_reaction(delivery).await,
            DeliveryKind::Alert => Err(PostError::Unreadable),
        };
        match posted {
            Ok(()) => {
                count(delivery, true);
                Settlement::Delivered { event_id: None }.into()
            }
            Err(PostError::Call(RestError::RateLimited { until })) => {
                let wait = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
                Attempt { pause: Some(wait), ..Settlement::Retry { reason: None }.into() }
            }
            Err(error) if self.is_final(&error, delivery) => self.give_up(delivery, error.to_string()).await,
            Err(error) => Settlement::Retry { reason: Some(error.to_string()) }.into(),
        }
    }

    async fn give_up(&self, delivery: &Delivery, reason: String) -> Attempt {
        count(delivery, false);
        let then = stand_in(delivery).into_iter().collect();
        Attempt { settlement: Settlement::Failed { reason }, pause: None, then }
    }
}

/// Why something is not posted.
#[derive(Debug, thiserror::Error)]
enum PostError {
    #[error("its row in the store is damaged")]
    Unreadable,
    #[error("Rocket.Chat did not answer in time")]
    Timeout,
    #[error(transparent)]
    Call(#[from] RestError),
}

impl RocketChat {
    pub(super) fn new(rest: RestClient, current: Current) -> Self {
        Self { rest, current, refused: Mutex::default() }
    }

    async fn try_reply(&self, delivery: &Delivery) -> Result<(), PostError> {
        let reply: Reply = read(delivery)?;
        timeout(ATTEMPT_LIMIT, self.post(&reply)).await.map_err(|_| PostError::Timeout)??;
        info!(alert = delivery.alert.map(display), reply = %reply.id, room = %reply.room, "reply posted");
        Ok(())
    }

    async fn try_reaction(&self, delivery: &Delivery) -> Result<(), PostError> {
        let Reaction { message, emoji, .. } = read(delivery)?;
        let react = timeout(ATTEMPT_LIMIT, self.rest.react(&message, &emoji));
        react.await.map_err(|_| PostError::Timeout)??;
        info!(alert = delivery.alert.map(display), message_id = %message, "reaction added");
        Ok(())
    }

    /// Posts a reply; without alias and avatar where they are refused, and shorter where it is too long.
    async fn post(&self, reply: &Reply) -> Result<(), RestError> {
        let (settings, mut most) = (self.current.now(), LONGEST_REPLY);
        loop {
            let plain = self.is_refused(&settings);
            match self.send(reply, most, &settings, plain).await {
                Err(error) if error.is_missing_impersonation() && !plain => self.note_refusal(&settings),
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

    /// Whether there is no point in trying again. A refusal without a code may be of a server that is in trouble itself,
    /// with its database for example: it gets a few more chances.
    fn is_final(&self, error: &PostError, delivery: &Delivery) -> bool {
        let is_refused = match error {
            PostError::Unreadable => true,
            PostError::Timeout => false,
            PostError::Call(error) => {
                let is_clear = error.code().is_some() || delivery.attempts >= ATTEMPTS_WITHOUT_REASON;
                !error.is_retryable() && is_clear
            }
        };
        let retry_for = self.current.now().config.signl4.retry_for;
        is_refused || tried_long_enough(delivery, retry_for, Timestamp::now())
    }
}

fn read<T: DeserializeOwned>(delivery: &Delivery) -> Result<T, PostError> {
    serde_json::from_str(&delivery.body).map_err(|_| PostError::Unreadable)
}

fn count(delivery: &Delivery, posted: bool) {
    match delivery.kind {
        DeliveryKind::Reply => telemetry::posted("reply", posted),
        DeliveryKind::Reaction => telemetry::posted("reaction", posted),
        DeliveryKind::Alert => {}
    }
}

/// The reply that is posted where a reaction is given up.
fn stand_in(delivery: &Delivery) -> Option<NewDelivery> {
    if delivery.kind != DeliveryKind::Reaction {
        return None;
    }
    let reply = read::<Reaction>(delivery).ok()?.otherwise?;
    warn!(alert = delivery.alert.map(display), delivery = %delivery.id, "a reaction was refused; a reply stands in for it");
    Some(reply.queued(ReplyKind::Sent, delivery.alert))
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}
