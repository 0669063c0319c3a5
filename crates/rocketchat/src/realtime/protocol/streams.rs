//! Received messages, and changes of the account and its rooms.

use serde_json::Value;

use super::subscribing::{FORCE_LOGOUT, ROOMS_CHANGED, SUBSCRIPTIONS_CHANGED};
use super::{Action, End, Phase, Protocol};
use crate::RoomId;
use crate::realtime::frames::ClientFrame;
use crate::realtime::stream::{self, NOTIFY_USER, ROOM_MESSAGES};
use crate::realtime::{LostReason, RealtimeEvent, RoomChange};

/// How many events from before the session is online are kept. Later ones are dropped: the client fetches what it missed
/// after `Ready`.
pub(super) const MAX_EARLY: usize = 4_096;

impl Protocol<'_> {
    pub(super) fn changed(&mut self, stream: &str, event: &str, args: &[Value]) -> Result<(), End> {
        match stream {
            ROOM_MESSAGES => self.messages(args),
            NOTIFY_USER => match self.own_topic(event) {
                Some(FORCE_LOGOUT) => return Err(LostReason::ForcedLogout.into()),
                Some(SUBSCRIPTIONS_CHANGED) => {
                    if let Some(change) = self.known.subscription_changed(args) {
                        self.subscription_changed(change);
                    }
                }
                Some(ROOMS_CHANGED) => {
                    if let Some(change) = self.known.room_changed(args) {
                        self.emit(RealtimeEvent::RoomsChanged(change));
                    }
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// The topic of `<uid>/<topic>`, if the uid is the account's.
    fn own_topic<'e>(&self, event: &'e str) -> Option<&'e str> {
        let (user, topic) = event.split_once('/')?;
        (user == self.identity.as_ref()?.user_id.as_str()).then_some(topic)
    }

    fn messages(&mut self, args: &[Value]) {
        for read in stream::messages(args, self.account.server()) {
            match read {
                Ok(streamed) => self.emit(RealtimeEvent::Message {
                    message: Box::new(streamed.message),
                    participant: streamed.participant,
                    room: streamed.room,
                }),
                Err(error) => {
                    self.counts.count_skipped();
                    tracing::debug!(%error, "skipped a message that cannot be read");
                }
            }
        }
    }

    fn subscription_changed(&mut self, change: RoomChange) {
        let Some(rooms) = &mut self.room_subscriptions else {
            return self.emit(RealtimeEvent::RoomsChanged(change));
        };
        match &change {
            RoomChange::Joined(subscription) => {
                let room = subscription.room.id.clone();
                rooms.add(room.clone());
                self.joining.insert(room, change);
            }
            RoomChange::Left(room) => {
                self.joining.remove(room);
                let id = rooms.remove(room);
                self.emit(RealtimeEvent::RoomsChanged(change));
                if let Some(id) = id {
                    self.send(ClientFrame::Unsub { id });
                }
            }
            _ => self.emit(RealtimeEvent::RoomsChanged(change)),
        }
    }

    /// Reports a joined room once its subscription is answered, so that a client that then fetches its history misses
    /// nothing.
    pub(super) fn emit_join(&mut self, room: &RoomId) {
        if let Some(change) = self.joining.remove(room) {
            self.emit(RealtimeEvent::RoomsChanged(change));
        }
    }

    fn emit(&mut self, event: RealtimeEvent) {
        if matches!(self.phase, Phase::Online) {
            self.actions.push_back(Action::Emit(event));
        } else if self.early.len() < MAX_EARLY {
            self.early.push_back(event);
        } else {
            self.dropped += 1;
        }
    }
}
