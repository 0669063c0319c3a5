//! Whether people can be paged: one state with its reasons, for `/readyz`, the status page, `health`, systemd and the metrics.
//!
//! The parts of the bot report problems to `Health`. The rest is read from the store and the connection. `assess` combines all
//! of it into one [`Readiness`].

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant, SystemTime},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::count;
use crate::store::{Callbacks, DeliveryKind, LastAlert, QueueDepth, StoreError};
use rocketchat::{Room, RoomId, realtime::ConnectionState};

/// A team's alerts that have waited longer than this are reported.
const LATE: SignedDuration = SignedDuration::from_secs(30);
/// A Rocket.Chat queue whose attempts fail is reported once its oldest row is older than this.
const REPLY_LATE: SignedDuration = SignedDuration::from_mins(5);
/// How long the lease of the active replica may be over, besides the missed heartbeats that end it.
const LEASE_GRACE: Duration = Duration::from_secs(3);
/// Time allowed after connecting for listing the rooms.
const LISTING: SignedDuration = SignedDuration::from_secs(15);
/// How long an unconfirmed alert, or a condition from [`Health::note`], is reported.
const REMEMBERED: Duration = Duration::from_hours(24);
/// If SIGNL4 has never sent an event, this many alerts are reported once the first of them is older than this.
const CALLBACK_DUE: (u64, SignedDuration) = (3, SignedDuration::from_secs(60));
/// The same for a single alert; and for that many alerts since the last event, because an installation may only get an event once
/// somebody acts on an alert.
const CALLBACK_OVERDUE: SignedDuration = SignedDuration::from_hours(1);

/// Whether the bot can page people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum State {
    /// Everything works.
    Ready,
    /// Another replica is active; this one takes over when that one fails.
    Standby,
    /// The bot runs, but alerts or replies may be late or missing: see the warnings. A restart does not help.
    Degraded,
    /// The bot does not receive messages, or cannot write to its store.
    Down,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// False only while the bot is down.
    pub ready: bool,
    /// The state in one word.
    pub state: State,
    /// What is missing, for a person; empty unless the bot is down.
    pub missing: Vec<String>,
    /// Why people may not be paged although the bot runs.
    pub warnings: Vec<Warning>,
    /// The replica that is active; absent if the bot has no replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
}

impl fmt::Display for Readiness {
    /// One line: the state, and all reasons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> =
            self.missing.iter().cloned().chain(self.warnings.iter().map(ToString::to_string)).collect();
        match (self.state, reasons.is_empty()) {
            (State::Down, _) => write!(f, "not ready: {}", reasons.join("; ")),
            (State::Standby, true) => match &self.active {
                Some(active) => write!(f, "standby: {active} is active"),
                None => f.write_str("standby"),
            },
            (state, true) => write!(f, "{state}"),
            (state, false) => write!(f, "{state}: {}", reasons.join("; ")),
        }
    }
}

/// A reason why people may not be paged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What is wrong, for a person.
    pub what: String,
    /// Since when, as far as that is known.
    pub since: Option<Timestamp>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.since {
            Some(since) => write!(f, "{} (since {})", self.what, since.strftime("%Y-%m-%d %H:%M UTC")),
            None => f.write_str(&self.what),
        }
    }
}

/// A problem that a part of the bot detects and that no query can find. Each is reported once, with its latest text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Condition {
    /// There is no realtime session, and messages are polled over REST.
    Polling,
    /// The store fails at this, although it may answer otherwise.
    Store(String),
    /// Rocket.Chat rejects the bot's login.
    Account,
    /// A room that a trigger names was renamed, archived or deleted, or the bot was removed from it.
    Room(RoomId),
    /// The rooms cannot be listed, so missed messages are not found.
    UnlistedRooms,
    /// Rooms cannot be read, so missed messages in them are not found.
    UnreadRooms,
    /// A reply could not be posted in any form.
    Reply,
    /// An event from SIGNL4 could not be read, understood or handled.
    UnreadableEvent,
    /// A message made the bot panic.
    SkippedMessage,
}

/// The current conditions. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    conditions: watch::Sender<BTreeMap<Condition, Noted>>,
    store_late: Duration,
}

#[derive(Clone, Debug)]
struct Noted {
    warning: Warning,
    from: Instant,
    until: Option<SystemTime>,
}

impl Noted {
    /// Whether it is no longer shown.
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= SystemTime::now())
    }
}

impl Health {
    /// No conditions. What the store fails at is reported once it has failed for `store_late`.
    pub(crate) fn new(store_late: Duration) -> Self {
        Self { store_late, ..Self::default() }
    }

    /// Reports what the store fails at until it succeeds. One failure is none: it may only be locked.
    pub(crate) fn store_answered<T>(&self, what: &str, answer: &Result<T, StoreError>) {
        let condition = Condition::Store(what.to_owned());
        match answer {
            Ok(_) => self.clear(&condition),
            Err(error) => _ = self.raise_after(self.store_late, condition, format!("{what}: {error}")),
        }
    }

    /// Sets a condition until it is cleared. Returns whether it is new.
    pub(crate) fn raise(&self, condition: Condition, what: impl Into<String>) -> bool {
        self.raise_after(Duration::ZERO, condition, what)
    }

    /// Sets a condition that is reported if it is not cleared within this time.
    pub(crate) fn raise_after(&self, delay: Duration, condition: Condition, what: impl Into<String>) -> bool {
        self.insert(condition, what.into(), delay, None)
    }

    /// Reports an incident that nothing clears; it is shown for a day.
    pub(crate) fn note(&self, condition: Condition, what: impl Into<String>) {
        let until = SystemTime::now().checked_add(REMEMBERED);
        self.insert(condition, what.into(), Duration::ZERO, until);
    }

    /// Clears a condition.
    pub(crate) fn clear(&self, condition: &Condition) {
        self.conditions.send_if_modified(|all| all.remove(condition).is_some());
    }

    /// Clears the conditions of all other rooms.
    pub(crate) fn keep_rooms(&self, is_troubled: impl Fn(&RoomId) -> bool) {
        self.conditions.send_if_modified(|all| {
            let before = all.len();
            all.retain(|condition, _| !matches!(condition, Condition::Room(room) if !is_troubled(room)));
            all.len() != before
        });
    }

    /// Completes at the next change.
    pub(crate) fn changes(&self) -> impl Future<Output = ()> + use<> {
        let mut changes = self.conditions.subscribe();
        async move {
            let _ = changes.changed().await;
        }
    }

    /// Whether a condition is set.
    fn holds(&self, condition: &Condition) -> bool {
        self.conditions.borrow().contains_key(condition)
    }

    /// The reports about the store, or all others.
    fn warnings(&self, of_the_store: bool) -> Vec<Warning> {
        let is_current = |(condition, noted): &(&Condition, &Noted)| {
            matches!(condition, Condition::Store(_)) == of_the_store
                && noted.from <= Instant::now()
                && !noted.is_over()
        };
        let conditions = self.conditions.borrow();
        conditions.iter().filter(is_current).map(|(_, noted)| noted.warning.clone()).collect()
    }

    fn insert(&self, condition: Condition, what: String, delay: Duration, until: Option<SystemTime>) -> bool {
        self.conditions.send_if_modified(|all| {
            let before = all.get(&condition).filter(|noted| !noted.is_over());
            if until.is_none() && before.is_some_and(|noted| noted.warning.what == what) {
                return false;
            }
            let since = before.and_then(|noted| noted.warning.since).or(Some(Timestamp::now()));
            let from = before.map_or_else(|| Instant::now() + delay, |noted| noted.from);
            all.insert(condition, Noted { warning: Warning { what, since }, from, until });
            true
        })
    }
}

/// The input of [`assess`].
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) connection: &'a ConnectionState,
    /// The store's problem, if it has one.
    pub(crate) store: Option<String>,
    /// Whether another replica is the active one.
    pub(crate) is_standby: bool,
    /// Since how long this active replica has had no lease, and why.
    pub(crate) lost_lease: Option<(Duration, Option<String>)>,
    /// The replica that is active, if there may be several.
    pub(crate) active: Option<String>,
    pub(crate) health: &'a Health,
    pub(crate) watched: Vec<WatchedBy>,
    pub(crate) queues: Vec<QueueState>,
    pub(crate) callbacks: Callbacks,
}

/// The rooms that one trigger watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedBy {
    /// The trigger's name.
    pub trigger: String,
    /// The team it pages.
    pub team: String,
    /// The rooms it watches, by name.
    pub rooms: Vec<WatchedRoom>,
    /// The entries of its `rooms` that match no known room.
    pub unfound: Vec<String>,
}

/// A watched room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedRoom {
    /// The room.
    pub room: Room,
    /// Whether the bot is a member. It can only reply if it is.
    pub joined: bool,
}

/// A queue of the outbox.
#[derive(Clone, Debug)]
pub(crate) struct QueueState {
    /// Its display name.
    pub(crate) name: String,
    /// What it contains.
    pub(crate) carries: DeliveryKind,
    /// What waits; `None` if it is empty.
    pub(crate) waiting: Option<QueueDepth>,
    /// The alert that was settled last.
    pub(crate) last: Option<LastAlert>,
}

/// The bot is down if it cannot read Rocket.Chat's messages, use its store, or send anything. Any other problem degrades it.
pub(crate) fn assess(facts: &Facts<'_>, now: Timestamp) -> Readiness {
    let active = facts.active.clone();
    let failing = || facts.health.warnings(true).into_iter().map(|warning| warning.what).next();
    let store = facts.store.clone().or_else(failing);
    if facts.is_standby {
        let missing = Vec::from_iter(store);
        let state = if missing.is_empty() { State::Standby } else { State::Down };
        return Readiness { ready: missing.is_empty(), state, missing, warnings: vec![], active };
    }
    let polling = facts.health.holds(&Condition::Polling);
    let connection = (!polling).then(|| not_connected(facts.connection, now)).flatten();
    let store = store.or_else(|| without_lease(facts.lost_lease.as_ref()?));
    let missing: Vec<String> = connection.into_iter().chain(store).collect();
    let mut warnings: Vec<Warning> =
        facts.queues.iter().filter_map(|queue| not_getting_out(queue, now)).collect();
    warnings.extend(unwatched(facts.connection, &facts.watched, now));
    warnings.extend(not_called_back(&facts.callbacks, now));
    warnings.extend(facts.health.warnings(false));
    let state = match (missing.is_empty(), warnings.is_empty()) {
        (false, _) => State::Down,
        (true, false) => State::Degraded,
        (true, true) => State::Ready,
    };
    Readiness { ready: state != State::Down, state, missing, warnings, active }
}

fn not_connected(connection: &ConnectionState, now: Timestamp) -> Option<String> {
    match connection {
        ConnectionState::Online { .. } => None,
        ConnectionState::Waiting { reason, retry_at } => {
            // Not a time of day: the page may be read in another time zone.
            let wait = retry_at.duration_since(now).as_secs().max(0);
            Some(format!("Rocket.Chat is not connected ({reason}); next attempt in {wait} s"))
        }
        other => Some(format!("Rocket.Chat is not connected ({})", other.name())),
    }
}

/// The active replica sends nothing without its lease, although its other connections to the database may work.
fn without_lease((age, reason): &(Duration, Option<String>)) -> Option<String> {
    let reason = reason.as_deref().unwrap_or("another session still holds the lock");
    (*age > LEASE_GRACE).then(|| {
        format!("Nothing is sent until this replica again has the database session that makes it the active one: {reason}")
    })
}

/// The warning about a queue: a team's alerts have waited too long, Rocket.Chat does not take replies or reactions, or a team's
/// last alert was not sent or is unconfirmed.
fn not_getting_out(queue: &QueueState, now: Timestamp) -> Option<Warning> {
    let QueueState { name, carries, waiting, last } = queue;
    if let Some(QueueDepth { waiting, oldest, last_error, .. }) = waiting {
        let age = now.duration_since(*oldest);
        let what = match (carries, last_error) {
            (DeliveryKind::Alert, error) if age > LATE => {
                let alerts = count(*waiting, "alert");
                let why = error.as_deref().unwrap_or("its rate limit is reached, or SIGNL4 answers slowly");
                Some(format!("Alerts are not getting out: {alerts} for {name} waiting: {why}"))
            }
            (DeliveryKind::Reply | DeliveryKind::Reaction, Some(error)) if age > REPLY_LATE => {
                Some(format!("{name} are not getting out: {waiting} waiting: {error}"))
            }
            _ => None,
        };
        if let Some(what) = what {
            return Some(Warning { what, since: Some(*oldest) });
        }
    }
    last.as_ref().and_then(|last| not_surely_sent(name, last, now))
}

/// The warning that a team's last alert was not sent or is unconfirmed.
pub(crate) fn not_surely_sent(team: &str, last: &LastAlert, now: Timestamp) -> Option<Warning> {
    let age = now.duration_since(last.at);
    let what = match &last.failed {
        // However long ago: nothing shows that the next alert will be sent.
        Some(reason) => format!("The last alert for {team} was not sent: {reason}"),
        // An event from SIGNL4 may still confirm it.
        None if last.unconfirmed && age > LATE && age.unsigned_abs() < REMEMBERED => format!(
            "The last alert for {team} was sent, but is unconfirmed: the answer has no eventId, and SIGNL4 has sent no \
             event about it"
        ),
        None => return None,
    };
    Some(Warning { what, since: Some(last.at) })
}

fn unwatched(connection: &ConnectionState, watched: &[WatchedBy], now: Timestamp) -> Vec<Warning> {
    let ConnectionState::Online { since, .. } = connection else { return vec![] };
    if now.duration_since(*since) < LISTING {
        return vec![];
    }
    let warning = |what| Warning { what, since: None };
    if watched.iter().all(|by| by.rooms.is_empty()) {
        let what = "No room is watched: invite the bot into a room, or correct the rooms of the triggers in bot.toml";
        return vec![warning(what.to_owned())];
    }
    let unfound = watched.iter().filter(|by| !by.unfound.is_empty());
    let unfound = unfound.map(|by| {
        warning(format!(
            "Trigger {} names rooms that the bot cannot read: {}",
            by.trigger,
            by.unfound.join(", ")
        ))
    });
    unfound.collect()
}

/// Nothing but missing events shows that the address in SIGNL4 is missing or outdated, or that SIGNL4 cannot reach it.
pub(crate) fn not_called_back(callbacks: &Callbacks, now: Timestamp) -> Option<Warning> {
    let Callbacks { last_event, sent, first_sent: Some(first) } = callbacks else { return None };
    let age = now.duration_since(*first);
    let (is_due, how) = match (*sent >= CALLBACK_DUE.0, last_event) {
        (true, None) => (age > CALLBACK_DUE.1, "never called back"),
        (false, None) => (age > CALLBACK_OVERDUE, "never called back"),
        (is_enough, Some(_)) => (is_enough && age > CALLBACK_OVERDUE, "not called back since then"),
    };
    let what = format!(
        "SIGNL4 has accepted {} and {how}: enter the address of this bot's listener, \
         http(s)://…/signl4/{{listener.secret}}, as the outbound webhook in SIGNL4, and check that it is reachable from the internet",
        count(*sent, "alert")
    );
    is_due.then_some(Warning { what, since: Some(*first) })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::store::Queue;
    use rocketchat::{Fatal, RoomKind, realtime::LostReason};

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + 400_000.hours()
    }

    fn online() -> ConnectionState {
        ConnectionState::Online { since: now() - 1.hour() }
    }

    fn waiting() -> ConnectionState {
        ConnectionState::Waiting { reason: LostReason::HalfOpen, retry_at: now() + 7.seconds() }
    }

    fn watched(unfound: &[&str], rooms: usize) -> Vec<WatchedBy> {
        let room = WatchedRoom { room: Room::new(RoomId::new("r"), None, RoomKind::Channel), joined: true };
        vec![WatchedBy {
            trigger: "t".into(),
            team: "SIGNL4".into(),
            rooms: vec![room; rooms],
            unfound: unfound.iter().map(ToString::to_string).collect(),
        }]
    }

    fn assessed<'a>(change: impl FnOnce(&mut Facts<'a>)) -> Readiness {
        let mut facts = Facts {
            connection: Box::leak(Box::new(online())),
            store: None,
            is_standby: false,
            lost_lease: None,
            active: None,
            health: Box::leak(Box::default()),
            watched: watched(&[], 1),
            queues: vec![],
            callbacks: Callbacks::default(),
        };
        change(&mut facts);
        assess(&facts, now())
    }

    fn team(seconds: i64, last_error: Option<&str>, failed: Option<&str>) -> QueueState {
        let waiting = QueueDepth {
            queue: Queue::new("signl4"),
            waiting: 2,
            oldest: now() - seconds.seconds(),
            attempts: 4,
            last_error: last_error.map(Into::into),
        };
        let last = LastAlert { failed: failed.map(Into::into), unconfirmed: false, at: now() - 1.minute() };
        QueueState {
            name: "SIGNL4".into(),
            carries: DeliveryKind::Alert,
            waiting: (seconds > 0).then_some(waiting),
            last: Some(last),
        }
    }

    #[test]
    fn without_trouble_the_bot_is_ready() {
        let readiness = assessed(|facts| facts.queues = vec![team(0, None, None), team(20, None, None)]);
        assert_eq!(readiness.to_string(), "ready");
        assert!(readiness.ready);
    }

    #[test]
    fn a_standby_only_needs_its_store() {
        let connection = waiting();
        let standby = |store: Option<&str>| {
            assessed(|facts| {
                (facts.is_standby, facts.active) = (true, Some("bot-0".into()));
                (facts.connection, facts.store) = (&connection, store.map(Into::into));
                facts.queues = vec![team(65, Some("HTTP 503"), None)];
            })
        };
        let readiness = standby(None);
        assert_eq!((readiness.ready, readiness.to_string().as_str()), (true, "standby: bot-0 is active"));
        let readiness = standby(Some("no answer"));
        assert_eq!((readiness.ready, readiness.to_string().as_str()), (false, "not ready: no answer"));
    }

    #[test]
    fn an_active_replica_without_a_lease_is_down_after_a_moment_and_says_why() {
        let lost = |seconds, reason: Option<&str>| {
            let lease = Some((Duration::from_secs(seconds), reason.map(Into::into)));
            assessed(|facts| facts.lost_lease = lease).to_string()
        };
        assert_eq!(lost(1, Some("too many connections")), "ready");
        let reported = lost(4, Some("too many connections"));
        assert!(
            reported.starts_with("not ready: Nothing is sent") && reported.ends_with("too many connections"),
            "{reported}"
        );
        assert!(lost(4, None).contains("holds the lock"));
        let standby = assessed(|facts| {
            (facts.is_standby, facts.lost_lease) = (true, Some((Duration::from_secs(9), None)));
        });
        assert_eq!(standby.state, State::Standby);
    }

    #[test]
    fn everything_missing_is_named() {
        let connection = waiting();
        let readiness = assessed(|facts| {
            facts.connection = &connection;
            facts.store = Some("the store's disk is full".into());
        });
        let lost = LostReason::HalfOpen;
        assert_eq!(
            readiness.to_string(),
            format!(
                "not ready: Rocket.Chat is not connected ({lost}); next attempt in 7 s; the store's disk is full"
            )
        );
        assert!(!readiness.ready);
        let reason = LostReason::Account(Fatal::SecondFactor);
        let refused = ConnectionState::Waiting { reason, retry_at: Timestamp::UNIX_EPOCH };
        let missing = assessed(|facts| facts.connection = &refused).missing;
        assert!(missing[0].contains("second factor"), "{missing:?}");
    }

    #[test]
    fn while_alerts_do_not_get_out_the_bot_is_degraded_and_says_why() {
        for (team, wanted) in [
            (team(65, Some("HTTP 503"), None), "2 alerts for SIGNL4 waiting: HTTP 503"),
            (team(65, None, None), "2 alerts for SIGNL4 waiting: its rate limit is reached"),
            (team(0, None, Some("HTTP 404")), "The last alert for SIGNL4 was not sent: HTTP 404"),
        ] {
            let readiness = assessed(|facts| facts.queues = vec![team]);
            assert_eq!((readiness.ready, readiness.state), (true, State::Degraded));
            assert!(readiness.to_string().contains(wanted), "{readiness}");
        }
    }

    #[test]
    fn replies_that_fail_for_long_degrade() {
        for (minutes, error, state) in [
            (6, Some("HTTP 500"), State::Degraded),
            (6, None, State::Ready),
            (4, Some("HTTP 500"), State::Ready),
        ] {
            let waiting = team(minutes * 60, error, None).waiting;
            let name = "Rocket.Chat: replies".to_owned();
            let replies = QueueState { name, carries: DeliveryKind::Reply, waiting, last: None };
            let readiness = assessed(|facts| facts.queues = vec![replies]);
            assert_eq!(readiness.state, state);
            let reported = "Rocket.Chat: replies are not getting out: 2 waiting: HTTP 500";
            assert_eq!(readiness.to_string().contains(reported), state == State::Degraded, "{readiness}");
        }
    }

    #[test]
    fn a_last_alert_that_was_not_sent_degrades_until_another_one_is() {
        let mut team = team(0, None, Some("HTTP 404"));
        team.last.as_mut().unwrap().at = now() - 100.hours();
        assert_eq!(assessed(|facts| facts.queues = vec![team]).state, State::Degraded);
    }

    #[test]
    fn an_alert_that_signl4_has_not_confirmed_degrades_once_it_had_time_to() {
        for (seconds, state) in [(10, State::Ready), (60, State::Degraded), (90_000, State::Ready)] {
            let mut team = team(0, None, None);
            team.last = Some(LastAlert { failed: None, unconfirmed: true, at: now() - seconds.seconds() });
            let readiness = assessed(|facts| facts.queues = vec![team]);
            assert_eq!(readiness.state, state);
            assert_eq!(readiness.to_string().contains("is unconfirmed"), state == State::Degraded);
        }
    }

    #[test]
    fn a_bot_that_watches_no_room_is_degraded_once_it_had_time_to_list_them() {
        let typo = ["#typo"];
        let readiness = assessed(|facts| facts.watched = watched(&typo, 0));
        assert!(readiness.to_string().starts_with("degraded: No room is watched"), "{readiness}");
        let fresh = ConnectionState::Online { since: now() - 3.seconds() };
        let readiness = assessed(|facts| (facts.watched, facts.connection) = (watched(&typo, 0), &fresh));
        assert_eq!(readiness.state, State::Ready);
        let readiness = assessed(|facts| facts.watched = watched(&typo, 3));
        assert!(readiness.to_string().contains("Trigger t names rooms that the bot cannot read: #typo"));
    }

    #[test]
    fn missing_callbacks_are_noticed_whether_or_not_there_ever_was_one() {
        let sent = |sent, ago| Callbacks { sent, first_sent: Some(now() - ago), last_event: None };
        let since = |callbacks| Callbacks { last_event: Some(now() - 90.hours()), ..callbacks };
        for (callbacks, wanted) in [
            (sent(3, 2.minutes()), "SIGNL4 has accepted 3 alerts and never called back"),
            (sent(2, 2.minutes()), "ready"),
            (sent(1, 2.hours()), "SIGNL4 has accepted 1 alert and never called back"),
            (since(sent(3, 2.hours())), "SIGNL4 has accepted 3 alerts and not called back since then"),
            (since(sent(9, 50.minutes())), "ready"),
            (since(sent(2, 80.hours())), "ready"),
            (since(Callbacks::default()), "ready"),
        ] {
            let readiness = assessed(|facts| facts.callbacks = callbacks).to_string();
            assert!(readiness.contains(wanted), "{readiness}");
        }
    }

    #[test]
    fn polling_replaces_the_connection_and_is_reported() {
        let (connection, health) = (waiting(), Health::default());
        health.raise(Condition::Polling, "polling");
        let readiness = assessed(|facts| (facts.connection, facts.health) = (&connection, &health));
        assert_eq!((readiness.ready, readiness.state), (true, State::Degraded));
        health.clear(&Condition::Polling);
        let readiness = assessed(|facts| (facts.connection, facts.health) = (&connection, &health));
        assert_eq!(readiness.state, State::Down);
    }

    #[test]
    fn a_condition_that_may_pass_is_reported_if_it_lasts() {
        let health = Health::default();
        health.raise_after(Duration::from_hours(1), Condition::UnlistedRooms, "for now");
        assert_eq!(health.warnings(false), []);
        health.raise_after(Duration::ZERO, Condition::UnreadRooms, "for long");
        assert_eq!(health.warnings(false).len(), 1);
        health.raise_after(Duration::from_hours(1), Condition::UnreadRooms, "still");
        assert_eq!(health.warnings(false)[0].what, "still", "the delay counts from the first time");
    }

    #[test]
    fn an_incident_after_another_one_that_is_no_longer_shown_is_reported_since_it_happened() {
        let health = Health::default();
        health.note(Condition::Reply, "long ago");
        health.conditions.send_modify(|all| {
            let noted = all.get_mut(&Condition::Reply).unwrap();
            noted.until = Some(SystemTime::now() - Duration::from_secs(1));
            noted.warning.since = Some(now());
        });
        assert_eq!(health.warnings(false), []);
        health.note(Condition::Reply, "just now");
        assert!(health.warnings(false)[0].since > Some(now()));
    }

    #[test]
    fn a_condition_is_reported_since_it_began() {
        let health = Health::default();
        health.raise(Condition::Account, "first");
        let since = health.warnings(false)[0].since;
        health.raise(Condition::Account, "second");
        health.note(Condition::Reply, "third");
        let warnings = health.warnings(false);
        assert_eq!((warnings.len(), warnings[0].since, warnings[0].what.as_str()), (2, since, "second"));
    }
}
