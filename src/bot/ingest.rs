//! From messages to their alerts: the alerts of a batch are committed in one transaction before anything else happens.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use jiff::Timestamp;
use rocketchat::rest::Unreadable;
use rocketchat::{Message, RoomId};
use signl4::AlertEvent;
use tracing::{error, info, warn};

use super::outbox::{Renderer, Reply, is_reply_id, of_team};
use super::progress::OVERLAP;
use super::retry::until_stored;
use super::rooms::Known;
use super::seen::SeenState;
use super::session::Session;
use crate::alerting::{Match, RenderError, ReplyKind, ReplyWords, render_event};
use crate::health::Condition;
use crate::store::{
    Alert, AlertState, DeliveryKind, Intake as Transaction, NewAlert, NewDelivery, RoomProgress, StoreError,
};
use crate::telemetry;

/// How long before its room's cursor a new message may have been written: a node's clock may be behind, or the stream
/// may deliver a message late.
const LATE: Duration = Duration::from_secs(300);

/// How old a message may be, when it is first seen, to raise an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Oldest {
    /// Any message. Older ones never raise an alert, unless their text was seen to change.
    any: Timestamp,
    /// An edited message whose first text is unknown.
    edited: Timestamp,
}

/// A message older than the cursor was either read before, or appeared late: imported, or posted by an integration
/// that sets its time. The bot does not remember every message, so it judges both in the same way. An earlier match is
/// known by its pair. This applies back to the last change of the triggers: older messages that the new triggers match
/// raised no alert then, and a reaction must not raise one now.
fn oldest(room: RoomProgress, horizon: Timestamp, judged_since: Option<Timestamp>) -> Oldest {
    let earliest = room.since.max(horizon);
    let was_read = unjudged(room, None);
    Oldest { any: earliest.max(unjudged(room, judged_since)), edited: earliest.max(was_read) }
}

/// Messages from before this time have been read, and were matched against earlier triggers if those changed at `judged_since`.
fn unjudged(room: RoomProgress, judged_since: Option<Timestamp>) -> Timestamp {
    let was_read = room.cursor - LATE - OVERLAP;
    judged_since.map_or(was_read, |since| since.min(was_read))
}

/// A message to be settled, and what is known about it from elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub(super) message: &'a Message,
    pub(super) known: &'a Known,
    /// How far its room was read.
    pub(super) progress: RoomProgress,
}

/// The decisions about a message, made and rendered before the transaction begins.
struct Wanted<'a> {
    item: Item<'a>,
    raises: Vec<Raise<'a>>,
    /// Whether a match was ignored because of its age. If it turns out that the server's clock was set back, the
    /// message is judged again.
    is_too_old: bool,
    /// Whether earlier triggers judged this text, if the bot knew the message. So if they raised an alert, it raises no other one: a
    /// trigger that matches it now and did not then is new, or has another name.
    was_judged: bool,
}

struct Raise<'a> {
    found: Match<'a>,
    alert: NewAlert,
    faults: Vec<RenderError>,
    /// Whether it is raised only if the message has no alert yet, because its trigger or an earlier one ignores edits.
    only_first: bool,
    /// The reply in its thread if its cooldown is running.
    if_suppressed: Option<String>,
}

impl Session {
    /// Settles messages in one transaction, and retries until that succeeds. Returns how many alerts they raised. Repeating a
    /// message changes nothing.
    pub(super) async fn settle(&self, items: &[Item<'_>]) -> usize {
        let settle = || self.try_settle(items);
        until_stored(&self.context.health, "cannot store the alerts of messages", settle).await
    }

    /// Whether every trigger judges the messages of a room. Until its shown name is known, it is unknown which triggers name it.
    pub(super) fn judges(&self, known: &Known) -> bool {
        known.described || !self.settings.config.triggers.name_rooms()
    }

    async fn try_settle(&self, items: &[Item<'_>]) -> Result<usize, StoreError> {
        let wanted: Vec<Wanted<'_>> = items.iter().filter_map(|item| self.decide_guarded(*item)).collect();
        let mut added = Vec::new();
        if wanted.iter().any(|wanted| !wanted.raises.is_empty()) {
            let mut transaction = self.context.store.intake().await?;
            // An alert of the present triggers tells nothing about those that name a room whose name was not known yet.
            let judged_after = self.context.cursors.judged_after();
            for Wanted { item, raises, was_judged, .. } in &wanted {
                let id = &item.message.id;
                let until = judged_after.filter(|_| *was_judged && !raises.is_empty());
                if until.is_some() && transaction.had_alert(id, until).await? {
                    info!(message_id = %id, "a message that alerted before matches a trigger that is new or renamed");
                    continue;
                }
                let had_alert =
                    raises.iter().any(|raise| raise.only_first) && transaction.had_alert(id, None).await?;
                for raise in raises.iter().filter(|raise| !(raise.only_first && had_alert)) {
                    added.extend(add(&mut transaction, raise).await?);
                }
            }
            transaction.commit().await?;
        }
        for Wanted { item, is_too_old, .. } in &wanted {
            let text = &item.message.text;
            if self.judges(item.known)
                && !is_too_old
                && self.context.seen.remember(item.message.id.as_str(), text)
            {
                telemetry::MESSAGES_SEEN.count(&[]);
            }
        }
        // Counted after the commit, because a failure is retried.
        for alert in &added {
            telemetry::MATCHES.count(&[("trigger", &alert.trigger)]);
            telemetry::ALERTS.count(&[("state", alert.state.name())]);
        }
        Ok(added.iter().filter(|alert| alert.state == AlertState::Queued).count())
    }

    /// Reports a document that is not a message. Every round that covers its time reads it again.
    pub(super) fn skip_unreadable(&self, room: &RoomId, unreadable: &Unreadable) {
        let Unreadable { id, reason } = unreadable;
        if id.as_ref().is_none_or(|id| self.context.seen.remember(id.as_str(), reason)) {
            let id = id.as_ref().map(ToString::to_string);
            warn!(message_id = id, %room, reason, "a message cannot be read and is skipped");
            telemetry::MESSAGES_UNREADABLE.count(&[]);
        }
    }

    fn decide_guarded<'a>(&'a self, item: Item<'a>) -> Option<Wanted<'a>> {
        let message = item.message;
        guarded(message, || self.decide(item)).unwrap_or_else(|| {
            self.context.seen.remember(message.id.as_str(), &message.text);
            let (id, room) = (&message.id, &message.room);
            let what = format!(
                "message {id} in room {room} was skipped and paged nobody because of a bug in the bot: see its log"
            );
            self.context.health.note(Condition::SkippedMessage, what);
            None
        })
    }

    fn decide<'a>(&'a self, item: Item<'a>) -> Option<Wanted<'a>> {
        let Item { message, known, progress } = item;
        let config = &self.settings.config;
        if message.has_type || is_reply_id(message.id.as_str()) {
            return None;
        }
        let seen = self.context.seen.state(message.id.as_str(), &message.text);
        if seen == SeenState::Same {
            return None;
        }
        let unjudged = unjudged(progress, self.context.cursors.judged_since());
        let was_judged = seen == SeenState::First && message.edited_at.is_none_or(|edited| edited < unjudged);
        let mut wanted = Wanted { item, raises: vec![], is_too_old: false, was_judged };
        let mut only_first = false;
        for found in config.triggers.matches(message, &known.room, known.joined) {
            let is_last = !found.trigger.continue_matching;
            let ignores_edit = found.trigger.ignores_edit(message);
            let oldest = oldest(progress, self.horizon(), self.context.cursors.judged_since());
            match judge(&found, message, seen, oldest) {
                Verdict::Page => {
                    let (event, faults) = render_event(&found, message, &known.room, &config.rocketchat.url);
                    let alert = new_alert(&found, message, &event);
                    let words = ReplyWords { trigger: &found.trigger.name, ..ReplyWords::default() };
                    let if_suppressed = (!found.trigger.cooldown.is_zero())
                        .then(|| Renderer(&config.replies).text(ReplyKind::Suppressed, &words, None));
                    let if_suppressed = if_suppressed.flatten();
                    let only_first = only_first || ignores_edit;
                    wanted.raises.push(Raise { found, alert, faults, only_first, if_suppressed });
                    if is_last {
                        break;
                    }
                }
                Verdict::TooOld => wanted.is_too_old = true,
                Verdict::OnlyEdited => {}
            }
            // What it ignores is left to the next trigger, as if it had not matched.
            only_first |= is_last && ignores_edit;
        }
        if message.author.id != self.me {
            return Some(wanted);
        }
        // Messages of the bot's own account raise nothing, even if something else posts with it. Reported once, when one matches.
        if let Some(Raise { found, .. }) = wanted.raises.first()
            && self.context.warns("own account")
        {
            warn!(
                message_id = %message.id,
                room = %message.room,
                trigger = found.trigger.name,
                "something else posts with the bot's account, and such messages never page: give the integration its own account"
            );
        }
        None
    }
}

/// Decides about a message. `None` if that panics. Such a message is skipped and recorded as processed. It must not
/// stop the other messages or the next start of the bot.
fn guarded<T>(message: &Message, decide: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decide))
        .inspect_err(|_| {
            error!(message_id = %message.id, room = %message.room, "a message made the bot panic and is skipped; this is a bug, please report it");
            telemetry::PANICS.count(&[("what", "message")]);
        })
        .ok()
}

async fn add(transaction: &mut Transaction<'_>, raise: &Raise<'_>) -> Result<Option<Alert>, StoreError> {
    let Raise { found: Match { trigger, .. }, alert, faults, if_suppressed, .. } = raise;
    let is_quiet = !trigger.cooldown.is_zero()
        && transaction.alerted_within(trigger.cooldown, &trigger.name, &alert.room).await?;
    let state = if is_quiet { AlertState::Suppressed } else { AlertState::Queued };
    let Some(row) = transaction.add_alert(alert, state).await? else { return Ok(None) };
    info!(alert = %row.id, message_id = %alert.message, room = %alert.room, trigger = trigger.name, state = state.name(), "message matched");
    for fault in faults {
        warn!(alert = %row.id, trigger = trigger.name, %fault, "a template failed; using its default");
    }
    let delivery = match if_suppressed {
        _ if !is_quiet => Some(call(alert, &row)),
        Some(text) => Some(Reply::about(&row, text.clone()).queued(ReplyKind::Suppressed, Some(row.id))),
        None => None,
    };
    if let Some(delivery) = delivery {
        transaction.add_delivery(&delivery).await?;
    }
    Ok(Some(row))
}

/// The call to SIGNL4.
fn call(alert: &NewAlert, row: &Alert) -> NewDelivery {
    NewDelivery {
        queue: alert.queue.clone(),
        kind: DeliveryKind::Alert,
        ordering: row.id.to_string(),
        body: alert.event.clone(),
        alert: Some(row.id),
    }
}

/// Whether a match counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Page,
    /// It was written before the time from which its room's messages raise alerts.
    TooOld,
    /// It was processed before, and its trigger ignores edits.
    OnlyEdited,
}

/// A message seen for the first time is judged by its age, because reactions, link previews and thread counters bring
/// back messages of any age. A changed text counts if the trigger considers edits.
fn judge(found: &Match<'_>, message: &Message, seen: SeenState, oldest: Oldest) -> Verdict {
    let on_edits = found.trigger.run_on_edits;
    match seen {
        SeenState::NewText if on_edits => Verdict::Page,
        SeenState::Same => Verdict::OnlyEdited,
        SeenState::NewText if message.edited_at.is_some() => Verdict::OnlyEdited,
        // The stream's filter runs ahead: it may have seen a later edit of the same message.
        SeenState::First | SeenState::NewText => {
            let is_in_time = match message.edited_at {
                Some(edited) if on_edits => message.sent_at.max(edited) >= oldest.any,
                Some(_) => message.sent_at >= oldest.edited,
                None => message.sent_at >= oldest.any,
            };
            if is_in_time { Verdict::Page } else { Verdict::TooOld }
        }
    }
}

fn new_alert(found: &Match<'_>, message: &Message, event: &AlertEvent) -> NewAlert {
    NewAlert {
        message: message.id.clone(),
        trigger: found.trigger.name.clone(),
        room: message.room.clone(),
        thread: message.thread.clone().unwrap_or_else(|| message.id.clone()),
        author: (!message.from_integration).then(|| message.author.username.clone()),
        external_id: event.external_id.clone().unwrap_or_default(),
        queue: of_team(&found.trigger.team),
        event: event.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::alerting::Trigger;
    use crate::alerting::fixtures::{message, trigger};

    #[test]
    fn a_message_that_makes_the_bot_panic_is_skipped() {
        let message = message("SIGNL4 pump 3");
        assert_eq!(guarded(&message, || 7), Some(7));
        assert_eq!(guarded(&message, || -> u32 { panic!("a bug") }), None);
    }

    #[test]
    fn an_unedited_text_counts_even_if_a_later_one_was_seen_first() {
        let trigger = Trigger { run_on_edits: false, ..trigger("t", &["SIGNL4"]) };
        let found = Match { trigger: &trigger, captures: BTreeMap::new() };
        let first = message("SIGNL4 pump 3");
        let edited = Message { edited_at: Some(first.sent_at), ..first.clone() };
        let oldest = Oldest { any: first.sent_at, edited: first.sent_at };
        let verdict = |message| judge(&found, message, SeenState::NewText, oldest);
        assert_eq!((verdict(&first), verdict(&edited)), (Verdict::Page, Verdict::OnlyEdited));
    }

    #[test]
    fn a_message_older_than_its_rooms_cursor_was_read_before() {
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        let room = RoomProgress { since: at(0), cursor: at(10_000), is_behind: false };
        let late = i64::try_from((LATE + OVERLAP).as_secs()).unwrap();
        let edited = |room, horizon| oldest(room, horizon, Some(at(0))).edited;
        assert_eq!(edited(room, at(-86_400)), at(10_000 - late), "a little before: some come late");
        assert_eq!(edited(room, at(9_999)), at(9_999), "never beyond the horizon");
        assert_eq!(edited(RoomProgress { since: at(9_998), ..room }, at(0)), at(9_998));
    }

    #[test]
    fn a_message_that_appears_late_counts_back_to_when_the_triggers_changed() {
        let at = |second: i64| Timestamp::from_second(1_700_000_000 + second).unwrap();
        let room = RoomProgress { since: at(1_000), cursor: at(10_000), is_behind: false };
        let late = i64::try_from((LATE + OVERLAP).as_secs()).unwrap();
        let any = |judged_since: Option<i64>, horizon| oldest(room, at(horizon), judged_since.map(at)).any;
        assert_eq!(any(Some(5_000), 0), at(5_000));
        assert_eq!(any(Some(10), 0), at(1_000), "never from before the room was watched");
        assert_eq!(any(Some(10), 2_000), at(2_000), "never beyond the horizon");
        for changed in [None, Some(10_000), Some(99_999)] {
            assert_eq!(any(changed, 0), at(10_000 - late), "what was not read yet counts in any case");
        }
        let trigger = Trigger { run_on_edits: false, ..trigger("t", &["SIGNL4"]) };
        let found = Match { trigger: &trigger, captures: BTreeMap::new() };
        let plain = message("SIGNL4 pump 3");
        let old = Message { sent_at: at(5_000), ..plain };
        let edited = Message { edited_at: Some(at(9_999)), ..old.clone() };
        let verdict = |message| judge(&found, message, SeenState::First, oldest(room, at(0), Some(at(0))));
        assert_eq!((verdict(&old), verdict(&edited)), (Verdict::Page, Verdict::TooOld));
    }
}
