//! A session as a state machine without I/O: frames and times in, frames and events out.
//!
//! `connect` → `connected` → `login` → its result → subscriptions → `ready` → messages. DDP sessions cannot be resumed: the
//! next one starts over.
//!
//! No known server refuses the subscription to all rooms: `allowRead('__my_messages__', 'all')` in Rocket.Chat's
//! `notifications.module.ts`.

#[cfg(test)]
mod tests;

use std::collections::vec_deque::Drain;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::frames::{ClientFrame, DdpError, ServerFrame, login_result};
use super::room_changes::KnownRooms;
use super::stream::{self, MY_MESSAGES, NOTIFY_USER, ROOM_MESSAGES};
use super::{FrameCounts, LostReason, RealtimeEvent, Timing};
use crate::account::{self, LoginRequest};
use crate::{Account, Fatal, Identity, UserId};

/// Topics of [`NOTIFY_USER`].
const FORCE_LOGOUT: &str = "force_logout";
const SUBSCRIPTIONS_CHANGED: &str = "subscriptions-changed";
const ROOMS_CHANGED: &str = "rooms-changed";
/// The wait after the server has blocked logins for too many failures. The answer names no time.
const BLOCKED_FOR: Duration = Duration::from_secs(60);
/// How many events from before the session is online are kept. Later ones are dropped: the client fetches what it missed
/// after `Ready`.
const MAX_EARLY: usize = 4_096;

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
    login: LoginRequest,
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
            login,
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

    fn log_in(&mut self, now: Instant) {
        self.phase = Phase::LoggingIn;
        self.deadline = Some((now + self.timing.step, "the login"));
        self.login_id = self.fresh_id();
        self.send(ClientFrame::Login { id: self.login_id.clone(), login: self.login.clone() });
    }

    fn logged_in(&mut self, outcome: Result<Value, DdpError>, now: Instant) -> Result<(), End> {
        let result = outcome.map_err(|error| self.login_failed(error))?;
        let (user_id, token) = login_result(&result)
            .ok_or_else(|| LostReason::Protocol("a login was answered without a user".to_owned()))?;
        let identity = self.account.accept(UserId::new(user_id), token).map_err(End::Fatal)?;
        self.subscribe_to_all(&identity.user_id, now);
        self.identity = Some(identity);
        Ok(())
    }

    fn login_failed(&self, error: DdpError) -> End {
        if error.is_rate_limit() {
            return LostReason::RateLimited { wait: error.time_to_reset }.into();
        }
        if account::is_second_factor(&error.code) {
            return End::Fatal(Fatal::SecondFactor);
        }
        if account::is_blocked(&error.code) {
            return LostReason::RateLimited { wait: Some(BLOCKED_FOR) }.into();
        }
        if account::is_deactivated(&error.code) {
            return End::Fatal(Fatal::Refused(error.reason));
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
                .into()
            }
            "403" | "401" if by_password => End::Fatal(Fatal::Refused(error.reason)),
            "403" | "401" => End::TokenRefused(error.reason),
            _ => LostReason::Login(error.to_string()).into(),
        }
    }

    fn subscribe_to_all(&mut self, user_id: &UserId, now: Instant) {
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

    fn ready(&mut self, id: &str) {
        if let Some((_, confirmed)) = self.topics.get_mut(id) {
            *confirmed = true;
            self.go_online_if_subscribed();
        }
    }

    /// Goes on without changes of the account that are not allowed. Any other error, such as the 404 of a starting server,
    /// ends the session.
    fn nosub(&mut self, id: &str, error: Option<DdpError>) -> Result<(), End> {
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

    fn changed(&mut self, stream: &str, event: &str, args: &[Value]) -> Result<(), End> {
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
