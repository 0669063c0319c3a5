//! Finds the alert that a SIGNL4 notification is about, and so the thread for the reply.
//!
//! With the room ID as external ID, many alerts share one ID. The first rule that applies decides:
//!
//! 1. SIGNL4 answered our call with this `eventId`: that alert.
//! 2. A call for an alert with that external ID is in progress, and its answer may name the alert: wait. If that takes
//!    too long, go on, but learn no `eventId` and take no alert for raised: it may be that call's.
//! 3. The external ID names exactly one alert, and could not name another: that alert.
//! 4. Exactly one alert with that external ID may have been raised under an unknown `eventId`: that alert. Its
//!    `eventId` is then known.
//! 5. The external ID is a watched room's ID: a plain message in that room, never a guessed thread.
//! 6. None: nothing is posted.
//!
//! An event of type 200 also shows which alerts need no further call.

use rocketchat::RoomId;
use signl4::AlertRef;

/// The alerts that a notification may be about.
#[derive(Clone, Debug)]
pub(crate) struct Candidates<A> {
    /// The alert with that `eventId`.
    pub(crate) by_event_id: Option<A>,
    /// The alerts with that external ID that were raised or may have been. Two stand for any larger number.
    pub(crate) by_external_id: Vec<A>,
    /// Whether the external ID is the ID of the alert's room. Then it can also refer to other alerts: of another
    /// installation, or deleted from the store.
    pub(crate) is_room_id: bool,
    /// The alerts with that external ID that unanswered calls may have raised under an unknown `eventId`.
    pub(crate) unanswered: Vec<A>,
    /// The number of calls for that external ID that this or another unassigned `eventId` may belong to.
    pub(crate) unanswered_calls: usize,
    /// Whether it may also be about an alert that was settled too long ago to be assigned an `eventId`.
    pub(crate) may_be_expired: bool,
    /// The number of other `eventId`s that have arrived and belong to some of `unanswered`.
    pub(crate) unassigned_event_ids: usize,
    /// Whether this `eventId` is one of those.
    pub(crate) is_unassigned: bool,
    /// Whether a call is in progress whose answer may name the alert.
    pub(crate) call_under_way: bool,
}

/// Where the reply to a notification goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReplyTarget<A> {
    /// In this alert's thread.
    Thread(A, FoundBy),
    /// In this room, outside any thread. It may be about one of these alerts.
    Room(RoomId, Vec<A>),
    /// Nowhere: the alert is unknown.
    Nowhere,
}

/// How an alert was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoundBy {
    /// By its `eventId`.
    EventId,
    /// By an external ID that no other alert has.
    ExternalId,
    /// It is the only alert that may have been raised under an unknown `eventId`.
    Unanswered,
}

/// The result of a correlation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Correlation<A> {
    /// Where the reply goes.
    pub(crate) target: ReplyTarget<A>,
    /// Whether the `eventId` was unknown until now, and belongs to the target's alert; without a thread, to one of several.
    pub(crate) learns: bool,
    /// The alerts that the notification proves to be raised.
    pub(crate) raised: Vec<A>,
}

impl<A> ReplyTarget<A> {
    /// A short name for the store, logs and metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Thread(_, FoundBy::EventId) => "event_id",
            Self::Thread(_, FoundBy::ExternalId) => "external_id",
            Self::Thread(_, FoundBy::Unanswered) => "unanswered",
            Self::Room(..) => "room",
            Self::Nowhere => "nowhere",
        }
    }
}

/// Applies the rules above. `None` if the notification has to wait. `is_raised_event`: it is an event of type 200. `may_wait`
/// is false once it has waited long enough.
pub(crate) fn correlate<A: Clone + PartialEq>(
    reference: &AlertRef,
    is_raised_event: bool,
    found: Candidates<A>,
    may_wait: bool,
    is_watched: impl Fn(&RoomId) -> bool,
) -> Option<Correlation<A>> {
    let is_known = found.by_event_id.is_some();
    let is_new_event_id =
        reference.event_id.is_some() && !is_known && !found.is_unassigned && !found.call_under_way;
    let proves_raised = is_raised_event && (is_known || !found.call_under_way);
    let in_thread = |alert: &A, by| {
        Some(Correlation {
            target: ReplyTarget::Thread(alert.clone(), by),
            learns: is_new_event_id && found.unanswered.contains(alert),
            raised: if proves_raised { vec![alert.clone()] } else { vec![] },
        })
    };
    if let Some(alert) = &found.by_event_id {
        return in_thread(alert, FoundBy::EventId);
    }
    if found.call_under_way && may_wait {
        return None;
    }
    if let [alert] = &found.by_external_id[..]
        && (!found.is_room_id || reference.event_id.is_none())
    {
        return in_thread(alert, FoundBy::ExternalId);
    }
    if let [alert] = &found.unanswered[..]
        && is_new_event_id
        && !found.may_be_expired
    {
        return in_thread(alert, FoundBy::Unanswered);
    }
    let target = match reference.external_id.as_deref().map(RoomId::new) {
        Some(room) if is_watched(&room) => ReplyTarget::Room(room, found.unanswered.clone()),
        _ => ReplyTarget::Nowhere,
    };
    let is_of_one = is_raised_event && is_new_event_id && !found.unanswered.is_empty();
    // There is an `eventId` for each unanswered call. So all of them raised their alerts, whichever belongs to which.
    let all_raised =
        is_of_one && !found.may_be_expired && found.unassigned_event_ids + 1 >= found.unanswered_calls;
    let raised = if all_raised { found.unanswered } else { vec![] };
    Some(Correlation { target, learns: is_of_one, raised })
}

#[cfg(test)]
mod tests {
    use super::*;
    use signl4::EventId;

    const ROOM: &str = "GENERAL";
    const RAISED: bool = true;
    const OTHER: bool = false;

    fn nothing() -> Candidates<&'static str> {
        Candidates {
            by_event_id: None,
            by_external_id: vec![],
            is_room_id: true,
            unanswered: vec![],
            unanswered_calls: 0,
            may_be_expired: false,
            unassigned_event_ids: 0,
            is_unassigned: false,
            call_under_way: false,
        }
    }

    /// Alerts of one room, each of which one call may have raised.
    fn unanswered(alerts: &[&'static str]) -> Candidates<&'static str> {
        let (all, two) = (alerts.to_vec(), alerts.iter().take(2).copied().collect());
        Candidates { by_external_id: two, unanswered: all, unanswered_calls: alerts.len(), ..nothing() }
    }

    fn reference(event_id: Option<&str>, external_id: Option<&str>) -> AlertRef {
        AlertRef { event_id: event_id.map(EventId::new), external_id: external_id.map(Into::into) }
    }

    fn new_event_id() -> AlertRef {
        reference(Some("new"), Some(ROOM))
    }

    fn decide(
        reference: &AlertRef,
        is_raised_event: bool,
        found: Candidates<&'static str>,
    ) -> Correlation<&'static str> {
        correlate(reference, is_raised_event, found, true, |room| room.as_str() == ROOM).unwrap()
    }

    fn target(
        reference: &AlertRef,
        is_raised_event: bool,
        found: Candidates<&'static str>,
    ) -> ReplyTarget<&'static str> {
        decide(reference, is_raised_event, found).target
    }

    fn room(alerts: &[&'static str]) -> ReplyTarget<&'static str> {
        ReplyTarget::Room(RoomId::new(ROOM), alerts.to_vec())
    }

    #[test]
    fn a_known_event_id_takes_precedence() {
        let found = Candidates { by_event_id: Some("m1"), call_under_way: true, ..unanswered(&["m2"]) };
        let wanted = ReplyTarget::Thread("m1", FoundBy::EventId);
        assert_eq!(target(&new_event_id(), OTHER, found), wanted);
    }

    #[test]
    fn an_external_id_of_one_message_finds_its_alert_even_by_an_unknown_event() {
        let found = Candidates { by_external_id: vec!["m1"], is_room_id: false, ..nothing() };
        let wanted = ReplyTarget::Thread("m1", FoundBy::ExternalId);
        assert_eq!(target(&reference(Some("other"), Some("GENERAL/m1")), OTHER, found), wanted);
    }

    #[test]
    fn a_rooms_only_alert_is_not_guessed_for_an_event_with_another_event_id() {
        let found = Candidates { by_external_id: vec!["m1"], ..nothing() };
        assert_eq!(target(&new_event_id(), OTHER, found.clone()), room(&[]));
        let wanted = ReplyTarget::Thread("m1", FoundBy::ExternalId);
        assert_eq!(target(&reference(None, Some(ROOM)), OTHER, found), wanted);
    }

    #[test]
    fn the_only_unanswered_alert_is_assigned_a_new_event_id_of_its_room() {
        let found = Candidates { by_external_id: vec!["m2", "m1"], ..unanswered(&["m2"]) };
        let decided = decide(&new_event_id(), OTHER, found.clone());
        assert_eq!(decided.target, ReplyTarget::Thread("m2", FoundBy::Unanswered));
        assert_eq!(
            (decided.learns, decided.raised.len()),
            (true, 0),
            "only type 200 proves that it was raised"
        );
        assert_eq!(decide(&new_event_id(), RAISED, found).raised, ["m2"]);
    }

    #[test]
    fn an_event_without_an_event_id_is_assigned_to_no_alert() {
        let found = Candidates { by_external_id: vec!["m2", "m1"], ..unanswered(&["m2"]) };
        let decided = decide(&reference(None, Some(ROOM)), RAISED, found);
        assert_eq!((decided.target, decided.learns), (room(&["m2"]), false));
        assert!(decided.raised.is_empty());
    }

    #[test]
    fn between_several_unanswered_alerts_none_is_guessed() {
        let decided = decide(&new_event_id(), RAISED, unanswered(&["m2", "m1"]));
        assert_eq!((decided.target, decided.learns), (room(&["m2", "m1"]), true));
        assert!(decided.raised.is_empty());
        let decided = decide(&new_event_id(), OTHER, unanswered(&["m2", "m1"]));
        assert_eq!((decided.target, decided.learns), (room(&["m2", "m1"]), false));
    }

    #[test]
    fn with_an_event_id_for_each_unanswered_call_all_of_their_alerts_are_known_to_be_raised() {
        let found = Candidates { unassigned_event_ids: 1, ..unanswered(&["m2", "m1"]) };
        let decided = decide(&new_event_id(), RAISED, found.clone());
        assert_eq!((decided.target, decided.raised), (room(&["m2", "m1"]), vec!["m2", "m1"]));
        let twice = Candidates { unanswered_calls: 3, ..found.clone() };
        assert!(decide(&new_event_id(), RAISED, twice).raised.is_empty(), "one of them was called for twice");
        let again = Candidates { is_unassigned: true, ..found };
        assert!(decide(&new_event_id(), RAISED, again).raised.is_empty(), "an eventId counts once");
    }

    #[test]
    fn an_event_id_of_one_of_several_alerts_is_not_assigned_to_the_last_of_them() {
        let found = Candidates { unassigned_event_ids: 1, is_unassigned: true, ..unanswered(&["m2"]) };
        assert_eq!(target(&new_event_id(), OTHER, found), room(&["m2"]));
    }

    #[test]
    fn an_expired_alert_is_assigned_no_event_id_but_makes_others_ambiguous() {
        let found = Candidates { may_be_expired: true, ..unanswered(&["m2"]) };
        let decided = decide(&new_event_id(), RAISED, found);
        assert_eq!((decided.target, decided.learns), (room(&["m2"]), true));
        assert!(decided.raised.is_empty());
        assert_eq!(
            target(&new_event_id(), OTHER, Candidates { may_be_expired: true, ..nothing() }),
            room(&[])
        );
    }

    #[test]
    fn an_event_that_overtook_the_answer_waits_for_it_for_a_limited_time() {
        let found = Candidates { call_under_way: true, ..nothing() };
        let waits =
            |reference: &AlertRef, found| correlate(reference, OTHER, found, true, |_| true).is_none();
        assert!(waits(&new_event_id(), found.clone()));
        assert_eq!(correlate(&new_event_id(), OTHER, found, false, |_| true).unwrap().target, room(&[]));
        let found = Candidates { by_external_id: vec!["m1"], call_under_way: true, ..nothing() };
        assert!(waits(&reference(None, Some(ROOM)), found), "or of another one");
    }

    #[test]
    fn an_event_that_has_waited_for_too_long_is_not_taken_for_another_alerts() {
        let too_long = |found| correlate(&new_event_id(), RAISED, found, false, |_| true).unwrap();
        let one = Candidates { call_under_way: true, ..unanswered(&["m2"]) };
        let several =
            Candidates { call_under_way: true, unassigned_event_ids: 1, ..unanswered(&["m2", "m1"]) };
        for (found, wanted) in [(one.clone(), room(&["m2"])), (several, room(&["m2", "m1"]))] {
            let decided = too_long(found);
            assert_eq!((decided.target, decided.learns, decided.raised), (wanted, false, vec![]));
        }
        let decided = too_long(Candidates { is_room_id: false, ..one.clone() });
        assert_eq!(decided.target, ReplyTarget::Thread("m2", FoundBy::ExternalId));
        assert_eq!((decided.learns, decided.raised), (false, vec![]));
        let decided = too_long(Candidates { by_event_id: Some("m2"), ..one });
        assert_eq!(decided.raised, ["m2"], "its own name");
    }

    #[test]
    fn an_event_of_a_foreign_alert_is_ignored() {
        for reference in
            [reference(Some("x"), Some("INC091210")), reference(Some("x"), None), reference(None, None)]
        {
            assert_eq!(target(&reference, OTHER, nothing()), ReplyTarget::Nowhere);
        }
    }
}
