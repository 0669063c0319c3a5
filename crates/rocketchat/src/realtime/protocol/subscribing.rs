//! Subscriptions: to the messages of all rooms, and to changes of the account.
//!
//! No known server refuses the subscription to all rooms: `allowRead('__my_messages__', 'all')` in Rocket.Chat's
//! `notifications.module.ts`.

use tokio::time::Instant;

use super::{End, Phase, Protocol};
use crate::UserId;
use crate::realtime::frames::{ClientFrame, DdpError};
use crate::realtime::stream::{MY_MESSAGES, NOTIFY_USER, ROOM_MESSAGES};
use crate::realtime::{LostReason, RealtimeEvent};

/// Topics of [`NOTIFY_USER`].
pub(super) const FORCE_LOGOUT: &str = "force_logout";
pub(super) const SUBSCRIPTIONS_CHANGED: &str = "subscriptions-changed";
pub(super) const ROOMS_CHANGED: &str = "rooms-changed";

impl Protocol<'_> {
    pub(super) fn subscribe_to_all(&mut self, user_id: &UserId, now: Instant) {
        self.phase = Phase::Subscribing;
        self.deadline = Some((now + self.timing.step, "the answer to the subscriptions"));
        self.subscribe(MY_MESSAGES, ROOM_MESSAGES, MY_MESSAGES.to_owned());
        for topic in [FORCE_LOGOUT, SUBSCRIPTIONS_CHANGED, ROOMS_CHANGED] {
            self.subscribe(topic, NOTIFY_USER, format!("{user_id}/{topic}"));
        }
    }

    fn subscribe(&mut self, topic: &'static str, stream: &'static str, event: String) {
        let id = self.fresh_id();
        self.topics.insert(id.clone(), (topic, false));
        self.send(ClientFrame::Sub { id, stream, event });
    }

    pub(super) fn ready(&mut self, id: &str) {
        if let Some((_, confirmed)) = self.topics.get_mut(id) {
            *confirmed = true;
            self.go_online_if_subscribed();
        }
    }

    /// Goes on without changes of the account that are not allowed. Any other error, such as the 404 of a starting server,
    /// ends the session.
    pub(super) fn nosub(&mut self, id: &str, error: Option<DdpError>) -> Result<(), End> {
        let Some((topic, _)) = self.topics.remove(id) else { return Ok(()) };
        match (topic, error) {
            (_, Some(error)) if error.is_rate_limit() => {
                return Err(LostReason::RateLimited { wait: error.time_to_reset }.into());
            }
            (topic, Some(error)) if topic != MY_MESSAGES && error.is_refusal() => {
                tracing::warn!(%error, topic, "the server refuses the subscription to changes of the account");
            }
            (_, error) => {
                let words = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                return Err(LostReason::Nosub(words).into());
            }
        }
        self.go_online_if_subscribed();
        Ok(())
    }

    /// The session is online once every subscription is answered.
    fn go_online_if_subscribed(&mut self) {
        let is_subscribed =
            matches!(self.phase, Phase::Subscribing) && self.topics.values().all(|(_, confirmed)| *confirmed);
        let Some(identity) = self.identity.clone().filter(|_| is_subscribed) else { return };
        self.phase = Phase::Online;
        self.deadline = None;
        if self.dropped > 0 {
            tracing::warn!(
                dropped = self.dropped,
                "too many events before the session was online; the dropped ones have to be fetched"
            );
        }
        let ready = RealtimeEvent::Ready { session: self.session, identity, since: Instant::now() };
        self.events.push_front(ready);
    }
}
