//! Received messages, and changes of the account and its rooms.

use serde_json::Value;

use super::subscribing::{FORCE_LOGOUT, ROOMS_CHANGED, SUBSCRIPTIONS_CHANGED};
use super::{End, Protocol};
use crate::realtime::stream::{self, NOTIFY_USER, ROOM_MESSAGES};
use crate::realtime::{LostReason, RealtimeEvent};

/// How many events from before the session is online are kept. Later ones are dropped: the client fetches what it missed
/// after `Ready`.
pub(super) const MAX_EARLY: usize = 4_096;

impl Protocol<'_> {
    pub(super) fn changed(&mut self, stream: &str, event: &str, args: &[Value]) -> Result<(), End> {
        match stream {
            ROOM_MESSAGES => self.messages(args),
            NOTIFY_USER => {
                let change = match self.own_topic(event) {
                    Some(FORCE_LOGOUT) => return Err(LostReason::ForcedLogout.into()),
                    Some(SUBSCRIPTIONS_CHANGED) => self.known.subscription_changed(args),
                    Some(ROOMS_CHANGED) => self.known.room_changed(args),
                    _ => None,
                };
                if let Some(change) = change {
                    self.emit(RealtimeEvent::RoomsChanged(change));
                }
            }
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
                Ok(message) => self.emit(RealtimeEvent::Message(message)),
                Err(error) => {
                    self.counts.count_skipped();
                    tracing::debug!(%error, "skipped a message that cannot be read");
                }
            }
        }
    }

    fn emit(&mut self, event: RealtimeEvent) {
        if self.is_online() || self.events.len() < MAX_EARLY {
            self.events.push_back(event);
        } else {
            self.dropped += 1;
        }
    }
}
