//! A session as a state machine without I/O: frames and times in, frames and events out.
//!
//! `connect` → `connected` → `login` → its result → subscriptions → `ready` → messages. DDP sessions cannot be resumed: the
//! next one starts over.
//!
//! This file has the states; `login`, `subscribing` and `streams` (received messages and changes) have the steps.

mod login;
mod streams;
mod subscribing;
#[cfg(test)]
mod tests;

use std::collections::vec_deque::Drain;
use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use super::frames::{ClientFrame, ServerFrame};
use super::room_changes::KnownRooms;
use super::{FrameCounts, LostReason, RealtimeEvent, Timing};
use crate::account::LoginRequest;
use crate::{Account, Fatal, Identity};

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// Reconnect.
    Lost(LostReason),
    /// The server refused the token; the account decides whether to get another.
    TokenRefused(String),
    /// A person has to fix the account.
    Fatal(Fatal),
    /// Nobody receives the events any more.
    ReceiverDropped,
}

impl From<LostReason> for End {
    fn from(reason: LostReason) -> Self {
        Self::Lost(reason)
    }
}

/// The state.
#[derive(Debug)]
enum Phase {
    Connecting,
    LoggingIn,
    Subscribing,
    Online,
}

/// One session.
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
    /// The deadline of the next answer, and its name.
    deadline: Option<(Instant, &'static str)>,
    last_id: u64,
    login_id: String,
    /// The subscriptions by id, and whether each is confirmed.
    topics: HashMap<String, (&'static str, bool)>,
    known: KnownRooms,
    /// The frames to send next.
    pub(super) to_send: VecDeque<ClientFrame>,
    /// The events to emit once the session is online.
    events: VecDeque<RealtimeEvent>,
    /// How many from before it was online did not fit.
    dropped: usize,
}

impl<'a> Protocol<'a> {
    /// A new session of the account that `login` belongs to.
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
            known: KnownRooms::default(),
            // The first frame, whatever the server sends before: a streamer closes the connection on any other.
            to_send: VecDeque::from([ClientFrame::Connect]),
            events: VecDeque::new(),
            dropped: 0,
        }
    }

    /// The events to emit now: none before the session is online.
    pub(super) fn events(&mut self) -> Drain<'_, RealtimeEvent> {
        let due = if self.is_online() { self.events.len() } else { 0 };
        self.events.drain(..due)
    }

    /// Whether there is a frame to send, or an event to emit.
    pub(super) fn has_output(&self) -> bool {
        !self.to_send.is_empty() || (self.is_online() && !self.events.is_empty())
    }

    fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online)
    }

    /// Counts a message that the filter dropped.
    pub(super) fn count_dropped(&self) {
        self.counts.count_received();
    }

    /// Handles a frame. An unreadable one is counted and skipped.
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

    /// Counts a frame that is not text.
    pub(super) fn skip(&self) {
        self.counts.count_received();
        self.counts.count_skipped();
    }

    /// When [`tick`](Self::tick) is due.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.deadline.map(|(at, _)| at)
    }

    /// Ends the session if an answer is overdue.
    pub(super) fn tick(&self, now: Instant) -> Result<(), End> {
        match self.deadline {
            Some((at, what)) if at <= now => Err(LostReason::Timeout(what).into()),
            _ => Ok(()),
        }
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
                    self.ready(id);
                }
            }
            (ServerFrame::Nosub { id, error }, _) => return self.nosub(&id, error),
            (ServerFrame::Changed { stream, event, args }, _) => return self.changed(&stream, &event, &args),
            (ServerFrame::Error { reason }, _) => {
                tracing::warn!(reason, "the server did not understand a frame")
            }
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self, frame: ClientFrame) {
        self.to_send.push_back(frame);
    }

    fn fresh_id(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }
}
