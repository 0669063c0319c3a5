//! Subscriptions: one to the messages of all rooms, or of each room if that is refused, and those to changes of the account.

use std::time::Duration;

use tokio::time::Instant;

use super::{Action, End, Phase, Protocol};
use crate::UserId;
use crate::realtime::frames::{ClientFrame, DdpError};
use crate::realtime::room_subscriptions::RoomSubscriptions;
use crate::realtime::stream::{MY_MESSAGES, NOTIFY_USER, ROOM_MESSAGES};
use crate::realtime::{LostReason, RealtimeEvent, Scope};
use crate::rest::Subscription;

/// The pause after a rate limited subscription without a time.
const SUBSCRIBE_PAUSE: Duration = Duration::from_secs(10);

/// Topics of [`NOTIFY_USER`].
pub(super) const FORCE_LOGOUT: &str = "force_logout";
pub(super) const SUBSCRIPTIONS_CHANGED: &str = "subscriptions-changed";
pub(super) const ROOMS_CHANGED: &str = "rooms-changed";

/// What a subscription is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// The messages of all rooms.
    Messages,
    /// A topic of [`NOTIFY_USER`].
    User(&'static str),
}

impl Protocol<'_> {
    pub(super) fn subscribe_to_all(&mut self, user_id: &UserId, now: Instant) {
        self.phase = Phase::Subscribing;
        self.deadline = Some((now + self.timing.step, "the answer to the subscriptions"));
        self.subscribe(Topic::Messages, ROOM_MESSAGES, MY_MESSAGES.to_owned());
        for topic in [FORCE_LOGOUT, SUBSCRIPTIONS_CHANGED, ROOMS_CHANGED] {
            self.subscribe(Topic::User(topic), NOTIFY_USER, format!("{user_id}/{topic}"));
        }
    }

    fn subscribe(&mut self, topic: Topic, stream: &'static str, event: String) {
        let id = self.fresh_id();
        self.topics.insert(id.clone(), (topic, false));
        self.send(ClientFrame::Sub { id, stream, event });
    }

    /// Takes the rooms that [`Action::ListRooms`] requested.
    pub(in crate::realtime) fn set_rooms(
        &mut self,
        rooms: Vec<Subscription>,
        now: Instant,
    ) -> Result<(), End> {
        if let Some(each) = &mut self.room_subscriptions {
            each.start(rooms.into_iter().map(|subscription| subscription.room.id));
        }
        self.reset_room_deadline(now);
        self.go_online_if_subscribed()
    }

    pub(super) fn subscribe_next_room(&mut self, now: Instant) {
        if self.room_subscriptions.as_ref().and_then(RoomSubscriptions::next_at).is_none_or(|at| at > now) {
            return;
        }
        let id = self.fresh_id();
        let room = self.room_subscriptions.as_mut().and_then(|rooms| rooms.request(&id, now));
        if let Some(room) = room {
            self.send(ClientFrame::Sub { id, stream: ROOM_MESSAGES, event: room.to_string() });
            self.reset_room_deadline(now);
        }
    }

    pub(super) fn ready(&mut self, id: &str, now: Instant) -> Result<(), End> {
        if let Some((_, confirmed)) = self.topics.get_mut(id) {
            *confirmed = true;
        } else if let Some(room) = self.room_subscriptions.as_mut().and_then(|rooms| rooms.confirm(id)) {
            self.emit_join(&room);
            self.reset_room_deadline(now);
        }
        self.go_online_if_subscribed()
    }

    pub(super) fn nosub(&mut self, id: &str, error: Option<DdpError>, now: Instant) -> Result<(), End> {
        if let Some((topic, _)) = self.topics.remove(id) {
            self.topic_refused(topic, error, now)?;
        } else if self.room_subscriptions.as_ref().is_some_and(|rooms| rooms.contains(id)) {
            self.room_refused(id, error, now)?;
        }
        self.go_online_if_subscribed()
    }

    /// Goes on without a topic that is not allowed. Any other error, such as the 404 of a starting server, ends the
    /// session.
    fn topic_refused(&mut self, topic: Topic, error: Option<DdpError>, now: Instant) -> Result<(), End> {
        match (topic, error) {
            (_, Some(error)) if error.is_rate_limit() => {
                Err(LostReason::RateLimited { wait: error.time_to_reset }.into())
            }
            (Topic::Messages, Some(error)) if error.is_refusal() => {
                tracing::warn!(%error, "the server refuses the subscription to all rooms, subscribing to each");
                self.phase = Phase::Subscribing;
                self.room_subscriptions = Some(RoomSubscriptions::new(self.timing.subscribe_every, now));
                // The REST call has a timeout of its own.
                self.deadline = None;
                self.actions.push_back(Action::ListRooms);
                Ok(())
            }
            (Topic::User(topic), Some(error)) if error.is_refusal() => {
                tracing::warn!(%error, topic, "the server refuses the subscription to changes of the account");
                Ok(())
            }
            (_, error) => {
                let words = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                Err(LostReason::Nosub(words).into())
            }
        }
    }

    fn room_refused(&mut self, id: &str, error: Option<DdpError>, now: Instant) -> Result<(), End> {
        let Some(rooms) = &mut self.room_subscriptions else { return Ok(()) };
        match error {
            Some(error) if error.is_rate_limit() => {
                rooms.postpone(id, now, error.time_to_reset.unwrap_or(SUBSCRIBE_PAUSE));
            }
            Some(error) if !error.is_refusal() => return Err(LostReason::Nosub(error.to_string()).into()),
            _ => {
                if let Some(room) = rooms.ended(id) {
                    tracing::warn!(%room, "the server refuses the subscription to this room");
                    self.emit_join(&room);
                }
            }
        }
        self.reset_room_deadline(now);
        Ok(())
    }

    /// Restarts the deadline of the rooms' subscriptions, after each request and answer.
    fn reset_room_deadline(&mut self, now: Instant) {
        let waiting = self.room_subscriptions.as_ref().is_some_and(RoomSubscriptions::has_pending);
        let unanswered = self.topics.values().any(|(_, confirmed)| !confirmed);
        self.deadline =
            (waiting || unanswered).then(|| (now + self.timing.step, "the answer to a room's subscription"));
    }

    /// The session is online once every subscription is answered.
    fn go_online_if_subscribed(&mut self) -> Result<(), End> {
        if !matches!(self.phase, Phase::Subscribing) || !self.topics.values().all(|(_, confirmed)| *confirmed)
        {
            return Ok(());
        }
        let scope = match &self.room_subscriptions {
            None => Scope::AllRooms,
            Some(rooms) if rooms.is_complete() => rooms.scope(),
            Some(_) => return Ok(()),
        };
        // A starting server may refuse all. Going on would mean to receive nothing at all.
        if matches!(&scope, Scope::EachRoom { subscribed: 0, refused } if !refused.is_empty()) {
            return Err(LostReason::Nosub("it refuses every room".to_owned()).into());
        }
        let Some(identity) = self.identity.clone() else { return Ok(()) };
        self.phase = Phase::Online;
        self.deadline = None;
        if self.dropped > 0 {
            tracing::warn!(
                dropped = self.dropped,
                "too many events before the session was online; the dropped ones have to be fetched"
            );
        }
        let clock_offset = self.account.clock_offset();
        let ready = RealtimeEvent::Ready {
            session: self.session,
            identity,
            scope,
            clock_offset,
            since: Instant::now(),
        };
        self.actions.push_back(Action::Emit(ready));
        self.actions.extend(self.early.drain(..).map(Action::Emit));
        Ok(())
    }
}
