//! A session as a state machine without I/O: frames and times in, frames and events out.
//!
//! `connect` → `connected` → `login` → its result → subscriptions → `ready` → messages. DDP sessions cannot be resumed: the
//! next one starts over.
//!
//! No known server refuses the subscription to all rooms: `allowRead('__my_messages__', 'all')` in Rocket.Chat's
//! `notifications.module.ts`.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::frames::{self, DdpError, ServerFrame, login_result};
use super::room_changes::KnownRooms;
use super::stream::{self, MY_MESSAGES, NOTIFY_USER, ROOM_MESSAGES};
use super::{LostReason, Realtime, RealtimeEvent};
use crate::account::{self, LoginRequest};
use crate::{Fatal, Identity, UserId};

/// Topics of [`NOTIFY_USER`].
const FORCE_LOGOUT: &str = "force_logout";
const SUBSCRIPTIONS_CHANGED: &str = "subscriptions-changed";
const ROOMS_CHANGED: &str = "rooms-changed";
/// The ids of a session's login and its subscriptions. A session makes each once.
const LOGIN_ID: &str = "1";
const SUBSCRIPTIONS: [(&str, &str); 4] =
    [("2", MY_MESSAGES), ("3", FORCE_LOGOUT), ("4", SUBSCRIPTIONS_CHANGED), ("5", ROOMS_CHANGED)];
/// Timeout of each step towards a session: DNS, TCP, proxy, TLS and upgrade together; `connected`; the login; `ready`.
pub(super) const STEP: Duration = Duration::from_secs(20);
/// How many events from before the session is online are kept. Later ones are dropped: the client fetches what it missed
/// after `Ready`.
const MAX_EARLY: usize = 4_096;

/// The state.
#[derive(Debug)]
enum Phase {
    Connecting,
    LoggingIn,
    /// The subscriptions with these ids are not answered yet.
    Subscribing(Vec<&'static str>),
    Online {
        since: Instant,
    },
}

/// One session.
pub(super) struct Protocol<'a> {
    realtime: &'a Realtime,
    session: u64,
    phase: Phase,
    login: LoginRequest,
    identity: Option<Identity>,
    /// The deadline of the next answer, and its name.
    pub(super) deadline: Option<(Instant, &'static str)>,
    known: KnownRooms,
    /// The frames to send next.
    pub(super) to_send: VecDeque<Value>,
    /// The events to emit once the session is online.
    events: VecDeque<RealtimeEvent>,
}

impl<'a> Protocol<'a> {
    /// A new session, with this login.
    pub(super) fn new(realtime: &'a Realtime, session: u64, login: LoginRequest, now: Instant) -> Self {
        Self {
            realtime,
            session,
            phase: Phase::Connecting,
            login,
            identity: None,
            deadline: Some((now + STEP, "the answer to connect")),
            known: KnownRooms::default(),
            // The first frame, whatever the server sends before: a streamer closes the connection on any other.
            to_send: VecDeque::from([frames::connect()]),
            events: VecDeque::new(),
        }
    }

    /// The events to emit now: none before the session is online.
    pub(super) fn events(&mut self) -> Drain<'_, RealtimeEvent> {
        let due = if self.online_since().is_some() { self.events.len() } else { 0 };
        self.events.drain(..due)
    }

    /// Whether there is a frame to send, or an event to emit.
    pub(super) fn has_output(&self) -> bool {
        !self.to_send.is_empty() || (self.online_since().is_some() && !self.events.is_empty())
    }

    /// Since when the session is online, if it is.
    pub(super) fn online_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Online { since } => Some(since),
            _ => None,
        }
    }

    /// Handles a frame. An unreadable one is counted and skipped.
    pub(super) fn receive(&mut self, text: &str, now: Instant) -> Result<(), LostReason> {
        self.realtime.counts.received.fetch_add(1, Ordering::Relaxed);
        match ServerFrame::decode(text) {
            Ok(frame) => self.handle(frame, now),
            Err(error) => {
                self.realtime.counts.skipped.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%error, bytes = text.len(), "skipped a frame that cannot be read");
                Ok(())
            }
        }
    }

    /// Ends the session if an answer is overdue.
    pub(super) fn tick(&self, now: Instant) -> Result<(), LostReason> {
        match self.deadline {
            Some((at, what)) if at <= now => Err(LostReason::Timeout(what)),
            _ => Ok(()),
        }
    }

    fn handle(&mut self, frame: ServerFrame, now: Instant) -> Result<(), LostReason> {
        match (frame, &self.phase) {
            (ServerFrame::Ping { id }, _) => self.to_send.push_back(frames::pong(id)),
            (ServerFrame::Connected, Phase::Connecting) => self.log_in(now),
            (ServerFrame::Failed, Phase::Connecting) => return Err(LostReason::ConnectFailed),
            (ServerFrame::Result { id, outcome }, Phase::LoggingIn) if id == LOGIN_ID => {
                return self.logged_in(outcome, now);
            }
            (ServerFrame::Ready { subs }, _) => {
                subs.iter().for_each(|id| self.answered(id));
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

    fn log_in(&mut self, now: Instant) {
        self.phase = Phase::LoggingIn;
        self.deadline = Some((now + STEP, "the login"));
        self.to_send.push_back(frames::login(LOGIN_ID, &self.login));
    }

    fn logged_in(&mut self, outcome: Result<Value, DdpError>, now: Instant) -> Result<(), LostReason> {
        let result = outcome.map_err(|error| self.login_failed(error))?;
        let (user_id, token) = login_result(&result)
            .ok_or_else(|| LostReason::Protocol("a login was answered without a user".to_owned()))?;
        let identity =
            self.realtime.account.accept(UserId::new(user_id), token).map_err(LostReason::Account)?;
        self.subscribe_to_all(&identity.user_id, now);
        self.identity = Some(identity);
        Ok(())
    }

    fn login_failed(&self, error: DdpError) -> LostReason {
        if error.is_rate_limit() {
            return LostReason::RateLimited { wait: error.time_to_reset };
        }
        if let Some(refused) = account::refused_alike(&error.code, &error.reason) {
            return refused.into();
        }
        let by_password = matches!(self.login, LoginRequest::Password { .. });
        match error.code.as_str() {
            // A streamer that accepts no passwords answers this to a valid one too (`ddp-streamer`, `login`).
            "403" if by_password && error.reason.contains("logged out by the server") => {
                LostReason::Login(
                    "REST refuses the password without a reason, and the server accepts none over DDP; check user \
                     name, password and that the account needs no second factor"
                        .to_owned(),
                )
            }
            "403" | "401" if by_password => LostReason::Account(Fatal::Refused(error.reason)),
            "403" | "401" if self.realtime.account.token_refused(&error.reason) => LostReason::TokenExpired,
            "403" | "401" => LostReason::Login(error.reason),
            _ => LostReason::Login(error.to_string()),
        }
    }

    fn subscribe_to_all(&mut self, user_id: &UserId, now: Instant) {
        self.phase = Phase::Subscribing(SUBSCRIPTIONS.map(|(id, _)| id).to_vec());
        self.deadline = Some((now + STEP, "the answer to the subscriptions"));
        for (id, topic) in SUBSCRIPTIONS {
            self.to_send.push_back(match topic {
                MY_MESSAGES => frames::sub(id, ROOM_MESSAGES, topic),
                _ => frames::sub(id, NOTIFY_USER, &format!("{user_id}/{topic}")),
            });
        }
    }

    /// Goes on without changes of the account that are not allowed. Any other error, such as the 404 of a starting server,
    /// ends the session.
    fn nosub(&mut self, id: &str, error: Option<DdpError>) -> Result<(), LostReason> {
        let Some((_, topic)) = SUBSCRIPTIONS.iter().find(|(known, _)| *known == id) else { return Ok(()) };
        match error {
            Some(error) if error.is_rate_limit() => {
                Err(LostReason::RateLimited { wait: error.time_to_reset })
            }
            Some(error) if *topic != MY_MESSAGES && error.is_refusal() => {
                tracing::warn!(%error, topic, "the server refuses the subscription to changes of the account");
                self.answered(id);
                Ok(())
            }
            Some(error) => Err(LostReason::Nosub(error.to_string())),
            None => Err(LostReason::Nosub("without a reason".to_owned())),
        }
    }

    /// The session is online once every subscription is answered.
    fn answered(&mut self, id: &str) {
        let Phase::Subscribing(unanswered) = &mut self.phase else { return };
        unanswered.retain(|unanswered| *unanswered != id);
        let is_subscribed = unanswered.is_empty();
        let Some(identity) = self.identity.clone().filter(|_| is_subscribed) else { return };
        let since = Instant::now();
        self.phase = Phase::Online { since };
        self.deadline = None;
        let ready = RealtimeEvent::Ready { session: self.session, identity, since };
        self.events.push_front(ready);
    }

    fn changed(&mut self, stream: &str, event: &str, args: &[Value]) -> Result<(), LostReason> {
        match stream {
            ROOM_MESSAGES => self.messages(args),
            NOTIFY_USER => {
                let change = match self.own_topic(event) {
                    Some(FORCE_LOGOUT) => return Err(LostReason::ForcedLogout),
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
        for read in stream::messages(args, self.realtime.account.server()) {
            match read {
                Ok(message) => self.emit(RealtimeEvent::Message(message)),
                Err(error) => {
                    self.realtime.counts.skipped.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%error, "skipped a message that cannot be read");
                }
            }
        }
    }

    fn emit(&mut self, event: RealtimeEvent) {
        if self.online_since().is_some() || self.events.len() < MAX_EARLY {
            self.events.push_back(event);
        }
    }
}
