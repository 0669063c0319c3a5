//! The conversation with a server, as a state machine without I/O: frames and times in, actions out.
//!
//! `connect` → `connected` → `login` → its result → subscriptions → `ready` → messages, until something ends it. There
//! is no resuming a session: whatever ends it, the next one starts over.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::each_room::EachRoom;
use super::frames::{ClientFrame, DdpError, ServerFrame, login_result};
use super::rooms::KnownRooms;
use super::stream::{self, MY_MESSAGES, NOTIFY_USER, ROOM_MESSAGES};
use super::{FrameCounts, LostReason, RealtimeEvent, RoomChange, Scope, Timing};
use crate::rocketchat::account::LoginRequest;
use crate::rocketchat::rest::Subscription;
use crate::rocketchat::{Account, Fatal, Identity, RoomId, UserId};

/// Messages that came before the session stood are kept for afterwards, so many. The rest is for the catch-up, which
/// follows then.
const MAX_HELD: usize = 4_096;
/// How long to pause with subscriptions where the server wants fewer and does not say for how long.
const SUBSCRIBE_PAUSE: Duration = Duration::from_secs(10);

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

/// A subscription to what the server tells of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Messages,
    User(&'static str),
}

/// What the server tells of the account beside messages.
const FORCE_LOGOUT: &str = "force_logout";
const SUBSCRIPTIONS_CHANGED: &str = "subscriptions-changed";
const ROOMS_CHANGED: &str = "rooms-changed";

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
    topics: HashMap<String, (Topic, bool)>,
    each_room: Option<EachRoom>,
    known: KnownRooms,
    /// Joined rooms that are told of once they are heard.
    joining: HashMap<RoomId, RoomChange>,
    held: VecDeque<RealtimeEvent>,
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
            actions: VecDeque::from([Action::Send(ClientFrame::Connect)]),
        }
    }

    /// What to do next.
    pub(super) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
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
        if self.each_room.as_ref().and_then(EachRoom::next_at).is_some_and(|at| at <= now) {
            let id = self.fresh_id();
            let room = self.each_room.as_mut().and_then(|rooms| rooms.ask(&id, now));
            if let Some(room) = room {
                self.subscribe(id, ROOM_MESSAGES, room.to_string());
                self.await_rooms(now);
            }
        }
        Ok(())
    }

    /// Takes in the rooms that [`Action::ListRooms`] asked for.
    pub(super) fn rooms_are(&mut self, rooms: Vec<Subscription>, now: Instant) {
        if let Some(each) = &mut self.each_room {
            each.begin(rooms.into_iter().map(|subscription| subscription.room.id));
        }
        self.await_rooms(now);
        self.stand_if_subscribed();
    }

    fn handle(&mut self, frame: ServerFrame, now: Instant) -> Result<(), End> {
        match (frame, &self.phase) {
            (ServerFrame::Ping { id }, _) => self.send(ClientFrame::Pong { id }),
            (ServerFrame::Connected, Phase::Connecting) => self.log_in(now),
            (ServerFrame::Failed, _) => return Err(LostReason::ConnectFailed.into()),
            (ServerFrame::Result { id, outcome }, Phase::LoggingIn) if id == self.login_id => {
                return self.logged_in(outcome, now);
            }
            (ServerFrame::Ready { subs }, _) => subs.iter().for_each(|id| self.ready(id, now)),
            (ServerFrame::Nosub { id, error }, _) => return self.nosub(&id, error, now),
            (ServerFrame::Changed { stream, event, args }, _) => return self.changed(&stream, &event, &args),
            (ServerFrame::Error { reason }, _) => {
                tracing::warn!(reason, "the server did not understand a frame")
            }
            _ => {}
        }
        Ok(())
    }

    fn log_in(&mut self, now: Instant) {
        if let Some(login) = self.login.take() {
            self.phase = Phase::LoggingIn;
            self.deadline = Some((now + self.timing.step, "the login"));
            self.login_id = self.fresh_id();
            self.send(ClientFrame::Login { id: self.login_id.clone(), login });
        }
    }

    fn logged_in(&mut self, outcome: Result<Value, DdpError>, now: Instant) -> Result<(), End> {
        let result = outcome.map_err(|error| self.login_failed(error))?;
        let (user_id, token) = login_result(&result)
            .ok_or_else(|| LostReason::Protocol("a login was answered without a user".to_owned()))?;
        let identity = self.account.accept(UserId::new(user_id), token).map_err(End::Fatal)?;
        self.phase = Phase::Subscribing;
        self.deadline = Some((now + self.timing.step, "the answer to the subscriptions"));
        for topic in [FORCE_LOGOUT, SUBSCRIPTIONS_CHANGED, ROOMS_CHANGED] {
            let id = self.fresh_id();
            self.topics.insert(id.clone(), (Topic::User(topic), false));
            self.subscribe(id, NOTIFY_USER, format!("{}/{topic}", identity.user_id));
        }
        let id = self.fresh_id();
        self.topics.insert(id.clone(), (Topic::Messages, false));
        self.subscribe(id, ROOM_MESSAGES, MY_MESSAGES.to_owned());
        self.identity = Some(identity);
        Ok(())
    }

    fn login_failed(&self, error: DdpError) -> End {
        if error.is_rate_limit() {
            return LostReason::RateLimited { wait: error.time_to_reset }.into();
        }
        if error.is_second_factor() {
            return End::Fatal(Fatal::SecondFactor);
        }
        match error.code.as_str() {
            "403" | "401" if self.by_password => End::Fatal(Fatal::Refused(error.reason)),
            "403" | "401" => End::TokenRefused(error.reason),
            "error-user-is-not-activated" => End::Fatal(Fatal::Refused(error.reason)),
            _ => LostReason::Login(error.to_string()).into(),
        }
    }

    fn ready(&mut self, id: &str, now: Instant) {
        if let Some((_, stands)) = self.topics.get_mut(id) {
            *stands = true;
        } else if let Some(room) = self.each_room.as_mut().and_then(|rooms| rooms.stands(id)) {
            self.announce(&room);
            self.await_rooms(now);
        }
        self.stand_if_subscribed();
    }

    fn nosub(&mut self, id: &str, error: Option<DdpError>, now: Instant) -> Result<(), End> {
        if let Some((topic, _)) = self.topics.remove(id) {
            self.topic_refused(topic, error, now)?;
        } else if let Some(rooms) = self.each_room.as_mut().filter(|rooms| rooms.knows(id)) {
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
        }
        self.stand_if_subscribed();
        Ok(())
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

    /// Bounds the wait for the answer to a room's subscription; each one asked for or answered starts it anew.
    fn await_rooms(&mut self, now: Instant) {
        let waiting = self.each_room.as_ref().is_some_and(EachRoom::is_waiting);
        let unanswered = self.topics.values().any(|(_, stands)| !stands);
        self.deadline =
            (waiting || unanswered).then(|| (now + self.timing.step, "the answer to a room's subscription"));
    }

    /// Once every subscription is answered the session stands.
    fn stand_if_subscribed(&mut self) {
        if !matches!(self.phase, Phase::Subscribing) || !self.topics.values().all(|(_, stands)| *stands) {
            return;
        }
        let scope = match &self.each_room {
            None => Scope::AllRooms,
            Some(rooms) if rooms.is_settled() => rooms.scope(),
            Some(_) => return,
        };
        let Some(identity) = self.identity.clone() else { return };
        self.phase = Phase::Online;
        self.deadline = None;
        let clock_offset = self.account.clock_offset();
        let ready = RealtimeEvent::Ready { session: self.session, identity, scope, clock_offset };
        self.actions.push_back(Action::Tell(ready));
        self.actions.extend(self.held.drain(..).map(Action::Tell));
    }

    fn changed(&mut self, stream: &str, event: &str, args: &[Value]) -> Result<(), End> {
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
                        self.tell(RealtimeEvent::RoomsChanged(change));
                    }
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// What `<uid>/<topic>` is about, if it is about us.
    fn own_topic<'e>(&self, event: &'e str) -> Option<&'e str> {
        let (user, topic) = event.split_once('/')?;
        (user == self.identity.as_ref()?.user_id.as_str()).then_some(topic)
    }

    fn messages(&mut self, args: &[Value]) {
        for read in stream::messages(args) {
            match read {
                Ok(streamed) => self.tell(RealtimeEvent::Message {
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
        let Some(rooms) = &mut self.each_room else { return self.tell(RealtimeEvent::RoomsChanged(change)) };
        match &change {
            RoomChange::Joined(subscription) => {
                let room = subscription.room.id.clone();
                rooms.want(room.clone());
                self.joining.insert(room, change);
            }
            RoomChange::Left(room) => {
                self.joining.remove(room);
                let id = rooms.forget(room);
                self.tell(RealtimeEvent::RoomsChanged(change));
                if let Some(id) = id {
                    self.send(ClientFrame::Unsub { id });
                }
            }
            _ => self.tell(RealtimeEvent::RoomsChanged(change)),
        }
    }

    /// Tells of a joined room, now that its subscription is answered: whoever then asks for its past misses nothing.
    fn announce(&mut self, room: &RoomId) {
        if let Some(change) = self.joining.remove(room) {
            self.tell(RealtimeEvent::RoomsChanged(change));
        }
    }

    fn tell(&mut self, event: RealtimeEvent) {
        if matches!(self.phase, Phase::Online) {
            self.actions.push_back(Action::Tell(event));
        } else if self.held.len() < MAX_HELD {
            self.held.push_back(event);
        } else {
            tracing::warn!("too much came before the session stood; the rest is left to the catch-up");
        }
    }

    fn subscribe(&mut self, id: String, stream: &'static str, event: String) {
        self.send(ClientFrame::Sub { id, stream, event });
    }

    fn send(&mut self, frame: ClientFrame) {
        self.actions.push_back(Action::Send(frame));
    }

    fn fresh_id(&mut self) -> String {
        self.last_id += 1;
        self.last_id.to_string()
    }
}
