//! Coming to hear: one subscription to all rooms and those to what concerns the account, and a subscription to each
//! room where the one to all is refused.

use std::time::Duration;

use tokio::time::Instant;

use super::{Action, End, Phase, Protocol};
use crate::UserId;
use crate::realtime::each_room::EachRoom;
use crate::realtime::frames::{ClientFrame, DdpError};
use crate::realtime::stream::{MY_MESSAGES, NOTIFY_USER, ROOM_MESSAGES};
use crate::realtime::{LostReason, RealtimeEvent, Scope};
use crate::rest::Subscription;

/// How long to pause with subscriptions where the server wants fewer and does not say for how long.
const SUBSCRIBE_PAUSE: Duration = Duration::from_secs(10);

/// What the server tells of the account beside messages.
pub(super) const FORCE_LOGOUT: &str = "force_logout";
pub(super) const SUBSCRIPTIONS_CHANGED: &str = "subscriptions-changed";
pub(super) const ROOMS_CHANGED: &str = "rooms-changed";

/// What a subscription is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// The messages of all rooms.
    Messages,
    /// Something the server tells of the account.
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

    /// Takes in the rooms that [`Action::ListRooms`] asked for.
    pub(in crate::realtime) fn rooms_are(
        &mut self,
        rooms: Vec<Subscription>,
        now: Instant,
    ) -> Result<(), End> {
        if let Some(each) = &mut self.each_room {
            each.begin(rooms.into_iter().map(|subscription| subscription.room.id));
        }
        self.await_rooms(now);
        self.stand_if_subscribed()
    }

    pub(super) fn ask_for_next_room(&mut self, now: Instant) {
        if self.each_room.as_ref().and_then(EachRoom::next_at).is_none_or(|at| at > now) {
            return;
        }
        let id = self.fresh_id();
        let room = self.each_room.as_mut().and_then(|rooms| rooms.ask(&id, now));
        if let Some(room) = room {
            self.send(ClientFrame::Sub { id, stream: ROOM_MESSAGES, event: room.to_string() });
            self.await_rooms(now);
        }
    }

    pub(super) fn ready(&mut self, id: &str, now: Instant) -> Result<(), End> {
        if let Some((_, stands)) = self.topics.get_mut(id) {
            *stands = true;
        } else if let Some(room) = self.each_room.as_mut().and_then(|rooms| rooms.stands(id)) {
            self.announce(&room);
            self.await_rooms(now);
        }
        self.stand_if_subscribed()
    }

    pub(super) fn nosub(&mut self, id: &str, error: Option<DdpError>, now: Instant) -> Result<(), End> {
        if let Some((topic, _)) = self.topics.remove(id) {
            self.topic_refused(topic, error, now)?;
        } else if self.each_room.as_ref().is_some_and(|rooms| rooms.knows(id)) {
            self.room_refused(id, error, now)?;
        }
        self.stand_if_subscribed()
    }

    /// A refusal in earnest is lived with. Anything else, such as the 404 of a server that is starting up, is a reason
    /// to begin again a little later.
    fn topic_refused(&mut self, topic: Topic, error: Option<DdpError>, now: Instant) -> Result<(), End> {
        match (topic, error) {
            (_, Some(error)) if error.is_rate_limit() => {
                Err(LostReason::RateLimited { wait: error.time_to_reset }.into())
            }
            (Topic::Messages, Some(error)) if error.is_refusal() => {
                tracing::warn!(%error, "the server refuses one subscription to all rooms, so each room gets its own");
                self.phase = Phase::Subscribing;
                self.each_room = Some(EachRoom::new(self.timing.subscribe_every, now));
                // The list has a timeout of its own.
                self.deadline = None;
                self.actions.push_back(Action::ListRooms);
                Ok(())
            }
            (Topic::User(topic), Some(error)) if error.is_refusal() => {
                tracing::warn!(%error, topic, "the server refuses to tell of changes of the account");
                Ok(())
            }
            (_, error) => {
                let words = error.map_or_else(|| "without a reason".to_owned(), |error| error.to_string());
                Err(LostReason::Nosub(words).into())
            }
        }
    }

    fn room_refused(&mut self, id: &str, error: Option<DdpError>, now: Instant) -> Result<(), End> {
        let Some(rooms) = &mut self.each_room else { return Ok(()) };
        match error {
            Some(error) if error.is_rate_limit() => {
                rooms.postpone(id, now, error.time_to_reset.unwrap_or(SUBSCRIBE_PAUSE));
            }
            Some(error) if !error.is_refusal() => return Err(LostReason::Nosub(error.to_string()).into()),
            _ => {
                if let Some(room) = rooms.ended(id) {
                    tracing::warn!(%room, "the server refuses to let the account listen to this room");
                    self.announce(&room);
                }
            }
        }
        self.await_rooms(now);
        Ok(())
    }

    /// Bounds the wait for the answer to a room's subscription; each one asked for or answered starts it anew.
    fn await_rooms(&mut self, now: Instant) {
        let waiting = self.each_room.as_ref().is_some_and(EachRoom::is_waiting);
        let unanswered = self.topics.values().any(|(_, stands)| !stands);
        self.deadline =
            (waiting || unanswered).then(|| (now + self.timing.step, "the answer to a room's subscription"));
    }

    /// Once every subscription is answered the session stands.
    fn stand_if_subscribed(&mut self) -> Result<(), End> {
        if !matches!(self.phase, Phase::Subscribing) || !self.topics.values().all(|(_, stands)| *stands) {
            return Ok(());
        }
        let scope = match &self.each_room {
            None => Scope::AllRooms,
            Some(rooms) if rooms.is_settled() => rooms.scope(),
            Some(_) => return Ok(()),
        };
        // No server means that; one that has not come up yet may say it. To live with it would be to be deaf for good.
        if matches!(&scope, Scope::EachRoom { heard: 0, refused } if !refused.is_empty()) {
            return Err(LostReason::Nosub("it refuses every room".to_owned()).into());
        }
        let Some(identity) = self.identity.clone() else { return Ok(()) };
        self.phase = Phase::Online;
        self.deadline = None;
        if self.dropped > 0 {
            tracing::warn!(
                dropped = self.dropped,
                "much came before the session stood; what was dropped is left to the catch-up"
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
        self.actions.push_back(Action::Tell(ready));
        self.actions.extend(self.held.drain(..).map(Action::Tell));
        Ok(())
    }
}
