//! The conversation with a server, as a state machine without I/O: frames and times in, actions out.
//!
//! `connect` → `connected` → `login` → its result → subscriptions → `ready` → messages, until something ends it. There
//! is no resuming a session: whatever ends it, the next one starts over.
//!
//! This file knows the order of things; `login` how one is let in, `subscribing` how one comes to hear, and `streams`
//! what is heard.

mod login;
mod streams;
mod subscribing;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use super::each_room::EachRoom;
use super::frames::{ClientFrame, ServerFrame};
use super::rooms::KnownRooms;
use super::{FrameCounts, LostReason, RealtimeEvent, RoomChange, Timing};
use crate::account::LoginRequest;
use crate::{Account, Fatal, Identity, RoomId};
use subscribing::Topic;

/// What the session is to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Send a frame.
    Send(ClientFrame),
    /// Tell an event.
    Tell(RealtimeEvent),
    /// Find out, over REST, which rooms the account is in, and say so with [`Protocol::rooms_are`].
    ListRooms,
}

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// Try again.
    Lost(LostReason),
    /// The server does not accept the token; whether another helps is for the account to say.
    TokenRefused(String),
    /// Somebody must mend the account.
    Fatal(Fatal),
}

impl From<LostReason> for End {
    fn from(reason: LostReason) -> Self {
        Self::Lost(reason)
    }
}

/// What the machine waits for.
#[derive(Debug)]
enum Phase {
    Connecting,
    LoggingIn,
    Subscribing,
    Online,
}

/// One conversation.
#[derive(Debug)]
pub(super) struct Protocol<'a> {
    account: &'a Account,
    timing: &'a Timing,
    counts: &'a FrameCounts,
    session: u64,
    phase: Phase,
    login: Option<LoginRequest>,
    by_password: bool,
    identity: Option<Identity>,
    /// The deadline of the answer that is awaited, and its name.
    deadline: Option<(Instant, &'static str)>,
    last_id: u64,
    login_id: String,
    /// The subscriptions beside those of single rooms, by their ids, and whether each stands.
    topics: HashMap<String, (Topic, bool)>,
    each_room: Option<EachRoom>,
    known: KnownRooms,
    /// Joined rooms that are told of once they are heard.
    joining: HashMap<RoomId, RoomChange>,
    /// What came before the session stood, and how much more than that was dropped.
    held: VecDeque<RealtimeEvent>,
    dropped: usize,
    actions: VecDeque<Action>,
}

impl<'a> Protocol<'a> {
    /// A conversation that begins now, as the account that `login` is of.
    pub(super) fn new(
        account: &'a Account,
        timing: &'a Timing,
        counts: &'a FrameCounts,
        session: u64,
        login: LoginRequest,
        now: Instant,
    ) -> Self {
        Self {
            account,
            timing,
            counts,
            session,
            phase: Phase::Connecting,
            by_password: matches!(login, LoginRequest::Password { .. }),
            login: Some(login),
            identity: None,
            deadline: Some((now + timing.step, "the answer to connect")),
            last_id: 0,
            login_id: String::new(),
            topics: HashMap::new(),
            each_room: None,
            known: KnownRooms::default(),
            joining: HashMap::new(),
            held: VecDeque::new(),
            dropped: 0,
            // The first thing said, whatever the server says before: a streamer closes on anything else.
            actions: VecDeque::from([Action::Send(ClientFrame::Connect)]),
        }
    }

    /// What to do next.
    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether there is something to do.
    pub(super) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Counts a message that nobody wants.
    pub(super) fn count_dropped(&self) {
        self.counts.count_received();
    }

    /// Takes in a frame. One that cannot be read is counted and skipped.
    pub(super) fn receive(&mut self, text: &str, now: Instant) -> Result<(), End> {
        self.counts.count_received();
        match ServerFrame::decode(text) {
            Ok(frame) => self.handle(frame, now),
            Err(error) => {
                self.counts.count_skipped();
                tracing::debug!(%error, bytes = text.len(), "skipped a frame that cannot be read");
                Ok(())
            }
        }
    }

    /// Counts a frame that is no text.
    pub(super) fn skip(&self) {
        self.counts.count_received();
        self.counts.count_skipped();
    }

    /// When [`tick`](Self::tick) is due.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let room = self.each_room.as_ref().and_then(EachRoom::next_at);
        self.deadline.map(|(at, _)| at).into_iter().chain(room).min()
    }

    /// Does what is due by now.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), End> {
        if let Some((_, what)) = self.deadline.filter(|(at, _)| *at <= now) {
            return Err(LostReason::Timeout(what).into());
        }
        self.ask_for_next_room(now);
        Ok(())
    }

    fn handle(&mut self, frame: ServerFrame, now: Instant) -> Result<(), End> {
        match (frame, &self.phase) {
            (ServerFrame::Ping { id }, _) => self.send(ClientFrame::Pong { id }),
            (ServerFrame::Connected, Phase::Connecting) => self.log_in(now),
            (ServerFrame::Failed, Phase::Connecting) => return Err(LostReason::ConnectFailed.into()),
            (ServerFrame::Result { id, outcome }, Phase::LoggingIn) if id == self.login_id => {
                return self.logged_in(outcome, now);
            }
            (ServerFrame::Ready { subs }, _) => {
                for id in &subs {
                    self.ready(id, now)?;
                }
            }
            (ServerFrame::Nosub { id, error }, _) => return self.nosub(&id, error, now),
            (ServerFrame::Changed { stream, event, args }, _) => return self.changed(&stream, &event, &args),
            (ServerFrame::Error { reason }, _) => {
                tracing::warn!(reason, "the server did not understand a frame")
            }
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self, frame: ClientFrame) {
        self.actions.push_back(Action::Send(frame));
    }

    fn fresh_id(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }
}
