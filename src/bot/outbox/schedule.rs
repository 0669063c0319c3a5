//! When to try the rows of one queue: waits, pauses and backoffs, by the monotonic clock and in memory.
//!
//! It decides on plain data: the worker asks it what to do next, and reports the outcome of each attempt.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{DeliveryId, Head, Settlement};

/// The maximum number of concurrent attempts per queue.
const MOST_UNDER_WAY: usize = 4;
/// An attempt that takes longer no longer delays the next one. While attempts are faster, rows are tried one after the
/// other: they arrive in order, and the destination's limits are noticed before they are exceeded.
const SLOW: Duration = Duration::from_millis(500);
/// Waits of a row that certainly did not arrive, in units of [`Schedule::unit`].
const AFTER_REFUSAL: &[f64] = &[2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0];
/// Time between two attempts of a queue whose recent attempts all failed, in the same units.
const BETWEEN_FAILURES: &[f64] = &[0.5, 1.0, 2.0, 4.0, 8.0, 15.0];
/// Waits of a row that may have arrived, in multiples of [`Schedule::confirmation_wait`]: with its 20 s that is 20 s, 40 s, then
/// 1, 2, 5, 10 and 15 min.
const AFTER_NO_ANSWER: &[f64] = &[1.0, 2.0, 3.0, 6.0, 15.0, 30.0, 45.0];
/// How long a row whose first call is in progress holds back others with its external ID: longer than a call. If all calls are slow,
/// the alerts of a room are not delayed more and more. A row that may have arrived holds them back for the
/// [`Schedule::confirmation_wait`] more, so that its own repetition comes first.
const HOLDS_BACK: Duration = Duration::from_secs(10);
/// A row that may have arrived waits for confirmation after this many starts of the bot. If the process is restarted again and again,
/// so many starts take about as long: systemd waits 5 s before each, Docker twice as long each time. Otherwise neither that row nor
/// others with its external ID would ever be tried. Nor is it suspect then: the process ended so many times without it.
const CONFIRMATION_STARTS: u32 = 7;
/// After more calls than this, a row no longer holds back others from the start on: if each run of the bot is short, they would never
/// be tried.
const MOST_CALLS_HOLDING_BACK: u32 = 3;
/// A row that was interrupted by the end of the process this many times in succession may have caused it, and is not
/// tried immediately after a start.
const SUSPECT_CRASHES: u32 = 3;
/// How often a row is tried earlier because the destination accepted another one. A row that keeps failing has its own
/// problem.
const MOST_EXPEDITED: u32 = 3;
/// How long a row that may have arrived waits for stored events to be handled. Longer than an event waits for the answer to a call.
const EVENTS_WAIT: Duration = Duration::from_secs(65);

/// By external ID, rows and until when they hold back others.
type Ambiguous = HashMap<String, BTreeMap<DeliveryId, Instant>>;

/// The state of one queue's worker. After a start it is empty; [`Self::resume`] adds what an earlier run left unknown.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// How long a row that may have arrived waits for confirmation.
    confirmation_wait: Duration,
    /// The unit of the other waits: a second, except in tests.
    unit: Duration,
    /// The rows that are in progress or that failed before.
    rows: HashMap<DeliveryId, Row>,
    /// The rows that are in progress or may have arrived. Until the outcome is known, others with the same external ID are held
    /// back: if two may have arrived, SIGNL4's event does not show which one did.
    ambiguous: Ambiguous,
    /// The rows that are held back, or were since their last attempt.
    held_back: HashMap<DeliveryId, HeldBack>,
    newest_start: Option<Instant>,
    /// The destination accepts nothing until then.
    paused_until: Option<Instant>,
    /// Failed attempts since the last successful one.
    failures: u32,
    /// While there are failures, attempts are spaced out.
    next_after_failure: Option<Instant>,
}

#[derive(Debug, Default)]
struct Row {
    state: RowState,
    external_id: Option<String>,
    /// Attempts that certainly did not arrive.
    refusals: u32,
    /// Attempts that may have arrived.
    unanswered: u32,
    expedited: u32,
    /// Since when it is due, but waits for stored events.
    waits_for_events_since: Option<Instant>,
}

/// How long a row is held back.
#[derive(Debug)]
struct HeldBack {
    external_id: String,
    /// Since when, without the time in which no other row was in progress or may have arrived.
    since: Instant,
    /// Since when there is no such row.
    free_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum RowState {
    #[default]
    UnderWay,
    Waiting {
        due: Instant,
        /// Not tried before this, even if the destination accepts other rows.
        earliest: Instant,
    },
}

impl Schedule {
    pub(super) fn new(confirmation_wait: Duration, unit: Duration) -> Self {
        Self { confirmation_wait, unit, ..Self::default() }
    }

    /// When another row may be started; `None` while the maximum number is in progress.
    pub(super) fn opens_at(&self, now: Instant) -> Option<Instant> {
        let under_way = self.rows.values().filter(|row| row.state == RowState::UnderWay).count();
        let slow = self.newest_start.filter(|_| under_way > 0).map(|start| start + SLOW);
        let gates = [self.paused_until, self.next_after_failure, slow];
        (under_way < MOST_UNDER_WAY).then(|| gates.into_iter().flatten().fold(now, Instant::max))
    }

    /// Which of the due rows comes first (the lowest): the oldest one; while attempts fail, the one with the fewest attempts.
    /// Otherwise only rows that always fail would be tried, in turn, and no other row.
    pub(super) fn precedence(&self, head: &Head) -> u32 {
        if self.failures > 0 { head.attempts } else { 0 }
    }

    /// How many rows have a waiting time of their own.
    pub(super) fn waiting(&self, now: Instant) -> usize {
        let longest = HOLDS_BACK + self.confirmation_wait;
        let holds = self.ambiguous.values().flat_map(BTreeMap::values).any(|until| *until > now);
        let held = self.held_back.values().filter(|held| holds && held.since + longest > now).count();
        self.rows.values().filter(|row| row.state != RowState::UnderWay).count() + held
    }

    /// When the next of them is due.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let due = |row: &Row| match row.state {
            RowState::Waiting { due, .. } => Some(due),
            RowState::UnderWay => None,
        };
        let ambiguous = self.ambiguous.values().flat_map(BTreeMap::values).copied();
        let ambiguous = ambiguous.filter(|_| !self.held_back.is_empty());
        let limits = [HOLDS_BACK, HOLDS_BACK + self.confirmation_wait];
        let held = self.held_back.values().flat_map(|held| limits.map(|limit| held.since + limit));
        let all = self.rows.values().filter_map(due).chain(ambiguous).chain(held);
        all.filter(|at| *at > now).min()
    }

    /// Records which of the waiting rows an earlier run of the bot may have delivered, and which may have crashed it, and which
    /// rows are no longer held back. Call this before [`Self::is_due`].
    pub(super) fn resume(&mut self, heads: &[Head], now: Instant) {
        retain(&mut self.ambiguous, |_, until| *until > now);
        for held in self.held_back.values_mut() {
            if !self.ambiguous.contains_key(&held.external_id) {
                held.free_since.get_or_insert(now);
            }
        }
        for head in heads {
            let is_suspect = head.crashes >= SUSPECT_CRASHES;
            let wait = match head.unanswered {
                _ if head.starts > CONFIRMATION_STARTS => Duration::ZERO,
                _ if is_suspect => nth(AFTER_NO_ANSWER, head.crashes - 1, self.confirmation_wait),
                0 => continue,
                _ => self.confirmation_wait,
            };
            if let Entry::Vacant(row) = self.rows.entry(head.id) {
                let state = RowState::Waiting { due: now + wait, earliest: now + wait };
                row.insert(Row { state, unanswered: head.unanswered, ..Row::new(head) });
                if (1..=MOST_CALLS_HOLDING_BACK).contains(&head.unanswered) {
                    self.mark_ambiguous(head.id, now);
                }
            }
        }
    }

    /// Whether to try a waiting row now. A row seen for the first time is tried.
    pub(super) fn is_due(&mut self, head: &Head, now: Instant) -> bool {
        let is_due = match self.rows.get(&head.id).map(|row| row.state) {
            Some(RowState::Waiting { due, .. }) => due <= now,
            Some(RowState::UnderWay) => false,
            None => true,
        };
        is_due && !self.is_held_back(head, now)
    }

    /// Whether another row with its external ID is in progress or may have just arrived, and this row was not held back for the
    /// maximum time yet.
    fn is_held_back(&mut self, head: &Head, now: Instant) -> bool {
        let (Some(limit), Some(external_id)) = (self.longest_hold(head, now), &head.external_id) else {
            return false;
        };
        let new = || HeldBack { external_id: external_id.clone(), since: now, free_since: None };
        let held = self.held_back.entry(head.id).or_insert_with(new);
        if let Some(free_since) = held.free_since.take() {
            held.since += now - free_since;
        }
        held.since + limit > now
    }

    /// For how long others may hold back this row; `None` if none does. Of several that may have arrived, the oldest is repeated first.
    fn longest_hold(&self, head: &Head, now: Instant) -> Option<Duration> {
        let others = self.ambiguous.get(head.external_id.as_ref()?)?;
        let is_ambiguous = others.contains_key(&head.id);
        let holds = |id: &DeliveryId, until: &Instant, row: &Row| {
            let comes_later = is_ambiguous && head.id < *id && row.state != RowState::UnderWay;
            *id != head.id && *until > now && !comes_later
        };
        // Of many, one of the first decides.
        let has = |may_have_arrived: bool| {
            let rows = others.iter().filter_map(|(id, until)| Some((id, until, self.rows.get(id)?)));
            let mut rows = rows.filter(|(.., row)| (row.unanswered > 0) == may_have_arrived);
            rows.any(|(id, until, row)| holds(id, until, row))
        };
        let after_an_answer_was_lost = has(true).then_some(HOLDS_BACK + self.confirmation_wait);
        after_an_answer_was_lost.or_else(|| has(false).then_some(HOLDS_BACK))
    }

    /// Records that a row may arrive now, or may have arrived.
    fn mark_ambiguous(&mut self, id: DeliveryId, now: Instant) {
        if let Some(external_id) = self.rows.get(&id).and_then(|row| row.external_id.clone()) {
            let until = now + HOLDS_BACK + self.confirmation_wait;
            self.ambiguous.entry(external_id).or_default().insert(id, until);
        }
    }

    /// Whether a due row has to wait because stored events were not handled yet: one of them may show that its alert was raised.
    /// The wait is limited, because an event may be impossible to handle.
    pub(super) fn waits_for_events(&mut self, head: &Head, now: Instant) -> bool {
        let row = self.rows.get_mut(&head.id).filter(|_| head.unanswered > 0);
        row.is_some_and(|row| now < *row.waits_for_events_since.get_or_insert(now) + EVENTS_WAIT)
    }

    /// Records that no stored event waits: an event that arrives later is waited for anew.
    pub(super) fn events_are_handled(&mut self) {
        self.rows.values_mut().for_each(|row| row.waits_for_events_since = None);
    }

    /// Records that a row is being tried.
    pub(super) fn started(&mut self, head: &Head, now: Instant) {
        let row = self.rows.entry(head.id).or_insert_with(|| Row::new(head));
        (row.state, row.waits_for_events_since) = (RowState::UnderWay, None);
        self.held_back.remove(&head.id);
        self.mark_ambiguous(head.id, now);
        self.newest_start = Some(now);
        if self.failures > 0 {
            self.next_after_failure = Some(now + nth(BETWEEN_FAILURES, self.failures - 1, self.unit));
        }
    }

    /// Records the outcome, and how long the destination accepts nothing more. Returns how long the row waits.
    pub(super) fn finished(
        &mut self,
        id: DeliveryId,
        settlement: &Settlement,
        pause: Option<Duration>,
        now: Instant,
    ) -> Duration {
        if let Some(pause) = pause {
            self.paused_until = self.paused_until.max(Some(now + pause));
            // Nobody was held back by a row while the queue paused.
            self.held_back.clear();
        }
        if matches!(settlement, Settlement::Delivered { .. }) {
            self.succeeded(now);
        }
        // Any other failure concerns only this row, or nobody.
        if matches!(settlement, Settlement::Retry { reason: Some(_) } | Settlement::Unanswered { .. }) {
            self.next_after_failure = Some(now + nth(BETWEEN_FAILURES, self.failures, self.unit));
            self.failures = self.failures.saturating_add(1);
        }
        retain(&mut self.ambiguous, |other, _| *other != id);
        if matches!(settlement, Settlement::Unanswered { .. } | Settlement::Crashed { .. }) {
            self.mark_ambiguous(id, now);
        }
        let Some(row) = self.rows.get_mut(&id) else { return Duration::ZERO };
        let (wait, earliest) = match settlement {
            Settlement::Delivered { .. } | Settlement::Failed { .. } | Settlement::Withdrawn { .. } => {
                self.rows.remove(&id);
                return Duration::ZERO;
            }
            Settlement::Retry { reason: None } => (Duration::ZERO, Duration::ZERO),
            Settlement::Retry { reason: Some(_) } => {
                row.refusals = row.refusals.saturating_add(1);
                // An earlier attempt may still have arrived, so `unanswered` stays.
                (nth(AFTER_REFUSAL, row.refusals - 1, self.unit), Duration::ZERO)
            }
            Settlement::Unanswered { .. } | Settlement::Crashed { .. } => {
                row.unanswered = row.unanswered.saturating_add(1);
                (nth(AFTER_NO_ANSWER, row.unanswered - 1, self.confirmation_wait), self.confirmation_wait)
            }
        };
        row.state = RowState::Waiting { due: now + wait, earliest: now + earliest };
        wait
    }

    /// Forgets a row that was settled elsewhere.
    pub(super) fn forget(&mut self, row: DeliveryId) {
        self.rows.remove(&row);
        self.held_back.remove(&row);
        retain(&mut self.ambiguous, |other, _| *other != row);
    }

    /// Forgets rows that are neither in progress nor among these, which are the waiting rows up to `last`, or all of them.
    pub(super) fn keep(&mut self, heads: &[Head], last: Option<DeliveryId>) {
        let there: HashSet<DeliveryId> = heads.iter().map(|head| head.id).collect();
        let is_there = |id: &DeliveryId| there.contains(id) || last.is_some_and(|last| *id > last);
        self.rows.retain(|id, row| row.state == RowState::UnderWay || is_there(id));
        self.held_back.retain(|id, _| is_there(id));
        retain(&mut self.ambiguous, |id, _| self.rows.contains_key(id));
    }

    /// The destination accepts rows again, so the waiting rows are due.
    fn succeeded(&mut self, now: Instant) {
        (self.failures, self.next_after_failure) = (0, None);
        for row in self.rows.values_mut().filter(|row| row.expedited < MOST_EXPEDITED) {
            if let RowState::Waiting { due, earliest } = &mut row.state
                && *due > now.max(*earliest)
            {
                *due = now.max(*earliest);
                row.expedited += 1;
            }
        }
    }
}

impl Row {
    fn new(head: &Head) -> Self {
        Self { external_id: head.external_id.clone(), ..Self::default() }
    }
}

fn retain(ambiguous: &mut Ambiguous, keeps: impl Fn(&DeliveryId, &Instant) -> bool) {
    ambiguous.retain(|_, rows| {
        rows.retain(|id, until| keeps(id, until));
        !rows.is_empty()
    });
}

/// The wait before the `times`-th repetition, counted from 0. The last entry also applies to all later ones.
fn nth(table: &[f64], times: u32, unit: Duration) -> Duration {
    let at = usize::try_from(times).unwrap_or(usize::MAX).min(table.len() - 1);
    unit.mul_f64(table[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIRMATION: Duration = Duration::from_secs(20);

    fn schedule() -> (Schedule, Instant) {
        (Schedule::new(CONFIRMATION, Duration::from_secs(1)), Instant::now())
    }

    fn head(row: i64) -> Head {
        Head {
            id: DeliveryId::of(row),
            unanswered: 0,
            crashes: 0,
            attempts: 0,
            external_id: Some(row.to_string()),
            starts: 0,
        }
    }

    fn of_room(row: i64) -> Head {
        Head { external_id: Some("GENERAL".into()), ..head(row) }
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn refused() -> Settlement {
        Settlement::Retry { reason: Some("503".into()) }
    }

    fn silent() -> Settlement {
        Settlement::Unanswered { reason: "504".into() }
    }

    fn delivered() -> Settlement {
        Settlement::Delivered { event_id: None }
    }

    /// Tries a row at this time; returns how long it then waits.
    fn attempt(schedule: &mut Schedule, row: i64, settlement: &Settlement, at: Instant) -> f64 {
        attempt_at(schedule, &head(row), settlement, at)
    }

    fn attempt_at(schedule: &mut Schedule, head: &Head, settlement: &Settlement, at: Instant) -> f64 {
        schedule.started(head, at);
        schedule.finished(head.id, settlement, None, at).as_secs_f64()
    }

    #[test]
    fn rows_that_cannot_have_arrived_are_retried_soon_up_to_30_s_apart() {
        let (mut schedule, now) = schedule();
        let waits: Vec<f64> = (0..8).map(|_| attempt(&mut schedule, 1, &refused(), now)).collect();
        assert_eq!(waits, [2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 30.0]);
    }

    #[test]
    fn a_row_that_may_have_arrived_waits_for_confirmation_and_is_then_retried_at_growing_intervals() {
        let (mut schedule, now) = schedule();
        let waits: Vec<f64> = (0..8).map(|_| attempt(&mut schedule, 1, &silent(), now)).collect();
        assert_eq!(waits, [20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 900.0, 900.0]);
    }

    #[test]
    fn after_a_start_everything_is_due_but_what_an_earlier_run_may_have_delivered() {
        let (mut schedule, now) = schedule();
        let killed_by_chance = Head { crashes: 2, ..head(2) };
        let asked = Head { unanswered: 5, ..head(3) };
        let suspect = Head { crashes: 5, ..head(4) };
        let all = [head(1), killed_by_chance.clone(), asked.clone(), suspect.clone()];
        schedule.resume(&all, now);
        assert!(schedule.is_due(&head(1), now) && schedule.is_due(&killed_by_chance, now));
        assert!(!schedule.is_due(&asked, now) && !schedule.is_due(&asked, now + seconds(19.9)));
        assert!(schedule.is_due(&asked, now + CONFIRMATION));
        assert!(!schedule.is_due(&suspect, now) && !schedule.is_due(&suspect, now + seconds(299.0)));
        assert!(schedule.is_due(&suspect, now + seconds(300.0)), "no crash loop");
    }

    #[test]
    fn a_row_that_may_have_arrived_waits_for_stored_events_but_not_for_ever() {
        let (mut schedule, now) = schedule();
        attempt(&mut schedule, 1, &silent(), now);
        attempt(&mut schedule, 2, &refused(), now);
        let asked = Head { unanswered: 1, ..head(1) };
        for due in [now + CONFIRMATION, now + seconds(100.0)] {
            assert!(!schedule.waits_for_events(&head(2), due), "it did not arrive");
            assert!(schedule.waits_for_events(&asked, due));
            assert!(schedule.waits_for_events(&asked, due + seconds(14.9)));
            assert!(!schedule.waits_for_events(&asked, due + EVENTS_WAIT));
            attempt(&mut schedule, 1, &silent(), due + EVENTS_WAIT);
        }
        let later = now + seconds(200.0);
        assert!(schedule.waits_for_events(&asked, later));
        schedule.events_are_handled();
        assert!(schedule.waits_for_events(&asked, later + EVENTS_WAIT), "another event came");
    }

    #[test]
    fn quick_attempts_go_one_by_one_and_a_slow_one_holds_up_nobody_for_long() {
        let (mut schedule, now) = schedule();
        assert_eq!(schedule.opens_at(now), Some(now));
        for row in 0..4 {
            let at = now + SLOW * u32::try_from(row).unwrap();
            assert_eq!(schedule.opens_at(at), Some(at));
            schedule.started(&head(row), at);
            assert!(row == 3 || schedule.opens_at(at) == Some(at + SLOW));
        }
        assert_eq!(schedule.opens_at(now + seconds(60.0)), None, "four at once");
        schedule.finished(DeliveryId::of(0), &delivered(), None, now + seconds(60.0));
        assert_eq!(schedule.opens_at(now + seconds(60.0)), Some(now + seconds(60.0)));
    }

    #[test]
    fn once_the_destination_takes_something_all_that_waits_is_due_but_never_before_the_time_for_confirmation()
    {
        let (mut schedule, now) = schedule();
        for _ in 0..5 {
            attempt(&mut schedule, 1, &refused(), now);
            attempt(&mut schedule, 2, &silent(), now);
        }
        let at = now + seconds(5.0);
        attempt(&mut schedule, 3, &delivered(), at);
        assert!(schedule.is_due(&head(1), at));
        assert!(!schedule.is_due(&head(2), now + seconds(19.0)));
        assert!(schedule.is_due(&head(2), now + CONFIRMATION));
    }

    #[test]
    fn while_one_of_an_external_id_may_have_arrived_no_other_one_is_tried() {
        let (mut schedule, now) = schedule();
        attempt_at(&mut schedule, &of_room(1), &silent(), now);
        assert!(!schedule.is_due(&of_room(2), now) && schedule.is_due(&head(3), now));
        assert_eq!(schedule.waiting(now), 2);
        let due = now + CONFIRMATION;
        assert_eq!(schedule.next_due(now + CONFIRMATION / 2), Some(due));
        assert!(!schedule.is_due(&of_room(2), due) && schedule.is_due(&of_room(1), due), "its turn is first");
        schedule.started(&of_room(1), due);
        let at = due + seconds(9.0);
        assert!(!schedule.is_due(&of_room(2), at));
        assert_eq!((schedule.waiting(at), schedule.waiting(now + seconds(60.0))), (1, 0));
        schedule.finished(DeliveryId::of(1), &delivered(), None, at);
        assert!(schedule.is_due(&of_room(2), at));
        assert_eq!(schedule.waiting(at), 0, "none is held back any more");
    }

    #[test]
    fn rows_of_an_external_id_are_tried_one_at_a_time_even_if_a_call_hangs() {
        let (mut schedule, now) = schedule();
        schedule.started(&of_room(1), now);
        let at = now + seconds(8.0);
        assert!(!schedule.is_due(&of_room(2), at) && schedule.is_due(&head(3), at));
        schedule.finished(DeliveryId::of(1), &refused(), None, at);
        assert!(schedule.is_due(&of_room(2), at), "the first one cannot have arrived");
    }

    #[test]
    fn while_calls_are_slow_no_row_is_held_back_for_long() {
        let (mut schedule, now) = schedule();
        for row in 1..9 {
            let at = now + seconds(2.0) * u32::try_from(row).unwrap();
            schedule.started(&of_room(row), at);
            assert_eq!(schedule.is_due(&of_room(20), at), row > 5, "{row}");
            schedule.finished(DeliveryId::of(row), &delivered(), None, at + seconds(2.0));
        }
    }

    #[test]
    fn time_in_which_a_row_is_not_held_back_does_not_count() {
        let (mut schedule, now) = schedule();
        schedule.started(&of_room(1), now);
        assert!(!schedule.is_due(&of_room(9), now), "held back for 2 s");
        let at = now + seconds(2.0);
        schedule.finished(DeliveryId::of(1), &delivered(), None, at);
        schedule.resume(&[], at);
        // A minute later, it is still behind others.
        let at = now + seconds(60.0);
        schedule.started(&of_room(2), at);
        assert!(!schedule.is_due(&of_room(9), at));
        assert!(!schedule.is_due(&of_room(9), at + seconds(7.9)));
        assert_eq!(schedule.next_due(at), Some(at + seconds(8.0)));
        assert!(schedule.is_due(&of_room(9), at + seconds(8.0)), "10 s in all");
    }

    #[test]
    fn a_pause_of_the_queue_does_not_count_as_holding_back() {
        let (mut schedule, now) = schedule();
        schedule.started(&of_room(1), now);
        assert!(!schedule.is_due(&of_room(2), now));
        let throttled = Settlement::Retry { reason: None };
        schedule.finished(DeliveryId::of(1), &throttled, Some(seconds(15.0)), now);
        let open = now + seconds(15.0);
        schedule.started(&of_room(1), open);
        assert!(!schedule.is_due(&of_room(2), open) && !schedule.is_due(&of_room(2), open + seconds(9.0)));
    }

    #[test]
    fn of_several_rows_that_may_have_arrived_the_oldest_is_repeated_first() {
        let (mut schedule, now) = schedule();
        let asked = [1, 2, 3].map(|row| Head { unanswered: 1, ..of_room(row) });
        schedule.resume(&asked, now);
        let due = now + CONFIRMATION;
        assert!(!schedule.is_due(&of_room(0), due), "it was never tried");
        assert_eq!(asked.each_ref().map(|head| schedule.is_due(head, due)), [true, false, false]);
        schedule.started(&asked[0], due);
        schedule.finished(asked[0].id, &delivered(), None, due);
        assert_eq!([&asked[1], &asked[2]].map(|head| schedule.is_due(head, due)), [true, false]);
    }

    #[test]
    fn rows_beyond_those_that_were_read_are_not_forgotten() {
        let (mut schedule, now) = schedule();
        for row in [1, 2, 9] {
            attempt_at(&mut schedule, &of_room(row), &silent(), now);
        }
        schedule.keep(&[head(4)], Some(DeliveryId::of(4)));
        assert_eq!(schedule.waiting(now), 1, "the other two were settled");
        assert!(!schedule.is_due(&of_room(10), now), "the last one is still in doubt");
    }

    #[test]
    fn a_delivered_row_does_not_end_the_doubt_about_another_one() {
        let (mut schedule, now) = schedule();
        attempt_at(&mut schedule, &of_room(1), &silent(), now);
        attempt_at(&mut schedule, &of_room(2), &delivered(), now);
        assert!(!schedule.is_due(&of_room(3), now));
    }

    #[test]
    fn none_is_held_back_after_an_event_or_half_a_minute() {
        let (mut schedule, mut now) = schedule();
        attempt_at(&mut schedule, &of_room(1), &silent(), now);
        assert!(!schedule.is_due(&of_room(2), now));
        schedule.keep(&[of_room(2)], None);
        assert!(schedule.is_due(&of_room(2), now), "the first one was settled");
        for row in 3..9 {
            attempt_at(&mut schedule, &of_room(row), &silent(), now);
            assert_eq!(schedule.is_due(&of_room(2), now), row >= 6, "{row}");
            now += seconds(10.0);
        }
    }

    #[test]
    fn what_an_earlier_run_may_have_delivered_is_repeated_first_and_after_many_starts_at_once() {
        for starts in 1..11 {
            let (mut schedule, now) = schedule();
            let (older, asked) = (of_room(1), Head { unanswered: 1, starts, ..of_room(2) });
            schedule.resume(&[older.clone(), asked.clone()], now);
            assert!(!schedule.is_due(&older, now) && schedule.is_due(&older, now + seconds(30.0)));
            assert_eq!(schedule.is_due(&asked, now), starts > 7);
        }
    }

    #[test]
    fn a_row_that_may_have_crashed_the_bot_is_no_longer_suspect_after_many_starts_without_it() {
        for starts in 1..11 {
            let (mut schedule, now) = schedule();
            let (older, suspect) = (of_room(1), Head { unanswered: 3, crashes: 3, starts, ..of_room(2) });
            schedule.resume(&[older.clone(), suspect.clone()], now);
            assert!(!schedule.is_due(&older, now) && schedule.is_due(&older, now + seconds(30.0)));
            assert_eq!(schedule.is_due(&suspect, now), starts > 7, "{starts}");
        }
    }

    #[test]
    fn a_row_that_stays_unanswered_does_not_hold_back_others_in_every_short_run() {
        for unanswered in 1..6 {
            let (mut schedule, now) = schedule();
            let (other, asked) = (of_room(2), Head { unanswered, ..of_room(1) });
            schedule.resume(&[asked, other.clone()], now);
            assert_eq!(schedule.is_due(&other, now), unanswered > 3, "{unanswered}");
        }
    }

    #[test]
    fn a_row_that_fails_while_others_succeed_returns_to_its_own_intervals() {
        let (mut schedule, mut now) = schedule();
        let mut tried = 0;
        for _ in 0..60 {
            now += seconds(30.0);
            if schedule.is_due(&head(1), now) {
                attempt(&mut schedule, 1, &silent(), now);
                tried += 1;
            }
            attempt(&mut schedule, 2, &delivered(), now);
        }
        assert!(tried <= 9, "{tried} calls in half an hour");
    }

    #[test]
    fn while_everything_fails_attempts_keep_their_interval_even_if_they_hang() {
        let (mut schedule, now) = schedule();
        for _ in 0..9 {
            attempt(&mut schedule, 1, &refused(), now);
        }
        assert_eq!(schedule.opens_at(now), Some(now + seconds(15.0)));
        let at = now + seconds(15.0);
        schedule.started(&head(2), at);
        assert_eq!(schedule.opens_at(at), Some(at + seconds(15.0)));
        attempt(&mut schedule, 3, &delivered(), at);
        assert_eq!(schedule.opens_at(at), Some(at + SLOW), "only the slow one counts");
    }

    #[test]
    fn a_pause_stands_whatever_is_delivered_meanwhile_and_is_no_failure() {
        let (mut schedule, now) = schedule();
        schedule.started(&head(1), now);
        let throttled = Settlement::Retry { reason: None };
        schedule.finished(DeliveryId::of(1), &throttled, Some(seconds(60.0)), now);
        attempt(&mut schedule, 2, &delivered(), now);
        assert_eq!(schedule.opens_at(now), Some(now + seconds(60.0)));
        assert!(schedule.is_due(&head(1), now));
    }

    #[test]
    fn a_panic_delays_its_own_row_alone() {
        let (mut schedule, now) = schedule();
        let crashed = Settlement::Crashed { reason: "a bug".into() };
        assert_eq!(attempt(&mut schedule, 1, &crashed, now), 20.0);
        assert_eq!(schedule.opens_at(now), Some(now));
        assert_eq!((schedule.waiting(now), schedule.next_due(now)), (1, Some(now + CONFIRMATION)));
        schedule.keep(&[head(2)], None);
        assert_eq!(schedule.waiting(now), 0);
    }
}
