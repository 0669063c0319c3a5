//! Finds the thread that a notification belongs to.
//!
//! With the room ID as ExternalID many alerts share one, so the first of these that holds decides:
//!
//! 1. SIGNL4 answered our call with this `eventId`: that alert.
//! 2. The ExternalID names exactly one alert, and could not name another: that alert.
//! 3. An alert with that ExternalID may have been raised by a call whose answer never came: the newest such.
//! 4. The ExternalID is a watched room's ID: a plain message there, never a guess at a thread.
//! 5. None: nothing is posted.
//!
//! A notification may overtake the answer to the call that caused it. While such a call is under way, an unknown
//! `eventId` waits.

use crate::store::{Alert, Candidates};
use rocketchat::RoomId;
use signl4::AlertRef;

/// Where a notification belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into this alert's thread.
    Thread {
        /// The alert.
        alert: Box<Alert>,
        /// How it was found.
        by: FoundBy,
    },
    /// Into this room, outside of any thread.
    Room(RoomId),
    /// Nowhere that we know.
    Nowhere,
    /// Not known yet: a call whose answer may name it is under way.
    Later,
}

/// How an alert was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// By SIGNL4's own name for it.
    EventId,
    /// By an ExternalID that no other alert has.
    ExternalId,
    /// It is the newest that may have been raised without our knowing.
    Unanswered,
}

impl Place {
    /// A short name for the store, logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Thread { by: FoundBy::EventId, .. } => "event_id",
            Self::Thread { by: FoundBy::ExternalId, .. } => "external_id",
            Self::Thread { by: FoundBy::Unanswered, .. } => "unanswered",
            Self::Room(_) => "room",
            Self::Nowhere => "nowhere",
            Self::Later => "later",
        }
    }
}

/// Decides by the rules above. `may_wait` is false once the notification waited long enough.
pub fn place(
    reference: &AlertRef,
    found: Candidates,
    may_wait: bool,
    is_watched: impl Fn(&RoomId) -> bool,
) -> Place {
    let thread = |alert, by| Place::Thread { alert: Box::new(alert), by };
    if let Some(alert) = found.by_event {
        return thread(alert, FoundBy::EventId);
    }
    if let [alert] = &found.by_external[..]
        && names_only(reference, alert)
    {
        return thread(alert.clone(), FoundBy::ExternalId);
    }
    if found.in_flight && may_wait && reference.event_id.is_some() {
        return Place::Later;
    }
    if let Some(alert) = found.unanswered {
        return thread(alert, FoundBy::Unanswered);
    }
    match reference.external_id.as_deref().map(RoomId::new) {
        Some(room) if is_watched(&room) => Place::Room(room),
        _ => Place::Nowhere,
    }
}

/// Whether an ExternalID that one alert has can mean no other. A room's ID can: the `eventId` beside it is another
/// alert's, of another installation perhaps, or one that the store no longer keeps.
fn names_only(reference: &AlertRef, alert: &Alert) -> bool {
    alert.external_id != alert.room.as_str() || reference.event_id.is_none()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::{AlertId, AlertState};
    use rocketchat::MessageId;
    use signl4::EventId;

    const ROOM: &str = "GENERAL";

    fn alert(message: &str, external_id: &str) -> Alert {
        Alert {
            id: AlertId::default(),
            message: MessageId::new(message),
            trigger: "signl4".into(),
            room: RoomId::new(ROOM),
            thread: MessageId::new(message),
            external_id: external_id.into(),
            state: AlertState::Sent,
            event_id: Some(EventId::new(format!("event-{message}"))),
            unanswered: 0,
            told_waiting: false,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn reference(event_id: Option<&str>, external_id: Option<&str>) -> AlertRef {
        AlertRef { event_id: event_id.map(EventId::new), external_id: external_id.map(Into::into) }
    }

    fn decide(reference: &AlertRef, found: Candidates) -> Place {
        place(reference, found, true, |room| room.as_str() == ROOM)
    }

    fn by(place: &Place) -> Option<(&str, FoundBy)> {
        match place {
            Place::Thread { alert, by } => Some((alert.message.as_str(), *by)),
            _ => None,
        }
    }

    #[test]
    fn signl4s_own_name_for_the_alert_beats_everything_else() {
        let found = Candidates {
            by_event: Some(alert("m1", ROOM)),
            by_external: vec![alert("m2", ROOM)],
            unanswered: Some(alert("m3", ROOM)),
            in_flight: true,
        };
        let place = decide(&reference(Some("event-m1"), Some(ROOM)), found);
        assert_eq!(by(&place), Some(("m1", FoundBy::EventId)));
    }

    #[test]
    fn an_external_id_of_one_message_finds_its_alert_even_by_an_unknown_event() {
        let found = Candidates { by_external: vec![alert("m1", "GENERAL/m1")], ..Candidates::default() };
        let place = decide(&reference(Some("other"), Some("GENERAL/m1")), found);
        assert_eq!(by(&place), Some(("m1", FoundBy::ExternalId)));
    }

    #[test]
    fn a_rooms_only_alert_is_not_guessed_at_for_an_event_of_another_name() {
        let found = Candidates { by_external: vec![alert("m1", ROOM)], ..Candidates::default() };
        let place = decide(&reference(Some("other"), Some(ROOM)), found.clone());
        assert_eq!(place, Place::Room(RoomId::new(ROOM)));
        let place = decide(&reference(None, Some(ROOM)), found);
        assert_eq!(by(&place), Some(("m1", FoundBy::ExternalId)));
    }

    #[test]
    fn two_alerts_of_one_external_id_are_never_guessed_between() {
        let found =
            Candidates { by_external: vec![alert("m2", "OPS"), alert("m1", "OPS")], ..Candidates::default() };
        assert_eq!(decide(&reference(None, Some("OPS")), found), Place::Nowhere);
    }

    #[test]
    fn an_alert_whose_answer_never_came_takes_the_unknown_event_of_its_room() {
        let mut lost = alert("m2", ROOM);
        lost.event_id = None;
        lost.unanswered = 1;
        let found = Candidates {
            by_external: vec![lost.clone(), alert("m1", ROOM)],
            unanswered: Some(lost),
            ..Candidates::default()
        };
        let place = decide(&reference(Some("other"), Some(ROOM)), found);
        assert_eq!(by(&place), Some(("m2", FoundBy::Unanswered)));
    }

    #[test]
    fn an_event_that_overtook_the_answer_waits_for_it_but_not_for_ever() {
        let found = || Candidates { in_flight: true, ..Candidates::default() };
        let reference = reference(Some("unknown"), Some(ROOM));
        assert_eq!(decide(&reference, found()), Place::Later);
        assert_eq!(place(&reference, found(), false, |_| true), Place::Room(RoomId::new(ROOM)));
    }

    #[test]
    fn an_event_of_somebody_elses_alert_goes_nowhere() {
        for reference in
            [reference(Some("x"), Some("INC091210")), reference(Some("x"), None), reference(None, None)]
        {
            assert_eq!(decide(&reference, Candidates::default()), Place::Nowhere);
        }
    }
}
