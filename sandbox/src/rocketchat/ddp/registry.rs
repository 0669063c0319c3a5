//! The open realtime sessions and their outgoing frames.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{frames, streams};
use crate::rocketchat::change::{Action, Change};
use crate::rocketchat::faults::Switches;
use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::world::World;

/// The most frames that wait for a slow client before its connection is closed.
const QUEUE: usize = 65_536;

/// A command to a session's writer.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    /// A frame as text, and whether it carries a message.
    Frame { text: String, message: bool },
    /// Close with this code and reason.
    Close { code: u16, reason: &'static str },
    /// Never send anything again.
    Stall,
}

/// A queued command, and when it was queued.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) since: Instant,
    pub(super) outgoing: Outgoing,
}

/// A subscription of a session.
#[derive(Clone, Debug)]
pub(super) struct Subscribed {
    pub(super) id: String,
    pub(super) stream: String,
    pub(super) event: String,
    /// The user was kicked: the room's messages stop without a notice.
    pub(super) silenced: bool,
}

/// The state of a session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) user_id: Option<String>,
    pub(super) token: Option<String>,
    pub(super) subs: Vec<Subscribed>,
    out: mpsc::Sender<Queued>,
}

impl Session {
    pub(super) fn send(&self, frame: &Value) {
        self.put(Outgoing::Frame { text: frame.to_string(), message: false });
    }

    /// A full queue ends the session: its receiver then sees the channel closed with the registry's entry.
    fn put(&self, outgoing: Outgoing) -> bool {
        self.out.try_send(Queued { since: Instant::now(), outgoing }).is_ok()
    }
}

/// The open sessions by number. Numbers are never reused.
#[derive(Debug, Default)]
struct Live {
    last: u64,
    sessions: BTreeMap<u64, Session>,
}

/// All open sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Live>);

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Live> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session; its writer reads from the receiver.
    pub(super) fn enter(&self) -> (u64, mpsc::Receiver<Queued>) {
        let (out, queue) = mpsc::channel(QUEUE);
        let mut live = self.lock();
        live.last += 1;
        let id = live.last;
        live.sessions.insert(id, Session { user_id: None, token: None, subs: Vec::new(), out });
        (id, queue)
    }

    pub(super) fn leave(&self, id: u64) {
        self.lock().sessions.remove(&id);
    }

    /// Reads or changes a session.
    pub(super) fn with<T>(&self, id: u64, act: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.lock().sessions.get_mut(&id).map(act)
    }

    pub(super) fn close(&self, id: u64, code: u16, reason: &'static str) {
        self.with(id, |session| session.put(Outgoing::Close { code, reason }));
    }

    /// How many sessions are logged in as this user.
    pub(crate) fn of_user(&self, user_id: &str) -> usize {
        self.lock().sessions.values().filter(|session| session.user_id.as_deref() == Some(user_id)).count()
    }

    /// The `(stream, event)` pairs that sessions of this user are subscribed to.
    pub(crate) fn subscriptions_of(&self, user_id: &str) -> Vec<(String, String)> {
        let live = self.lock();
        let mine = live.sessions.values().filter(|session| session.user_id.as_deref() == Some(user_id));
        mine.flat_map(|session| &session.subs).map(|sub| (sub.stream.clone(), sub.event.clone())).collect()
    }

    /// Makes every open session half-open.
    pub(crate) fn stall(&self) {
        for session in self.lock().sessions.values() {
            session.put(Outgoing::Stall);
        }
    }

    /// Sends a raw text to every session.
    pub(crate) fn send_text(&self, text: &str) {
        for session in self.lock().sessions.values() {
            session.put(Outgoing::Frame { text: text.to_owned(), message: false });
        }
    }

    /// Sends a change to the sessions. Called while the world is locked, so that changes stay in order.
    pub(crate) fn deliver(&self, world: &World, change: &Change, switches: &Switches) {
        self.lock().sessions.retain(|_, session| {
            let fits = deliver_to(world, change, session, switches);
            after(world, change, session);
            fits
        });
    }

    /// Meteor runs every subscription again when the user of a session changes; those that are no longer allowed end.
    pub(super) fn set_user(&self, id: u64, world: &World, user: Option<(String, String)>) {
        self.with(id, |session| {
            let (user_id, token) = user.unzip();
            session.user_id = user_id;
            session.token = token;
            let user_id = session.user_id.clone();
            let mut refused: Vec<(String, Refusal)> = Vec::new();
            session.subs.retain(|sub| {
                match streams::may_read(world, user_id.as_deref(), &sub.stream, &sub.event) {
                    Ok(()) => true,
                    Err(refusal) => {
                        refused.push((sub.id.clone(), refusal));
                        false
                    }
                }
            });
            for (sub, refusal) in refused {
                session.send(&frames::nosub(&sub, Some(&refusal)));
            }
        });
    }
}

/// Sends the frames of a change; false if the session can't keep up.
fn deliver_to(world: &World, change: &Change, session: &Session, switches: &Switches) -> bool {
    let mut fits = true;
    for (frame, message) in streams::frames_for(world, change, session, switches) {
        if message && switches.withhold_messages {
            continue;
        }
        let times = if message && switches.duplicate_messages { 2 } else { 1 };
        for _ in 0..times {
            fits &= session.put(Outgoing::Frame { text: frame.to_string(), message });
        }
    }
    fits
}

/// Applies a change to the session itself.
fn after(world: &World, change: &Change, session: &mut Session) {
    match change {
        Change::Subscription { action: Action::Removed, user_id, room_id }
            if session.user_id.as_deref() == Some(user_id) =>
        {
            for sub in session.subs.iter_mut().filter(|sub| sub.event == *room_id) {
                sub.silenced = true;
            }
        }
        Change::LoggedOut { user_id } | Change::TokenRevoked { user_id }
            if session.user_id.as_deref() == Some(user_id) =>
        {
            // Meteor closes the connections of a token that is removed from the database.
            let lives = session.token.as_deref().is_some_and(|token| world.knows_token(user_id, token));
            if !lives {
                session.put(Outgoing::Close { code: 1000, reason: "" });
            }
        }
        _ => {}
    }
}
