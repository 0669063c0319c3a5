//! From a message to its alerts: what it asks for is committed before anything else happens to it.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::{notice::Notices, pager::pager_queue, rooms::Known};
use crate::{
    alerting::{Match, RenderError, ReplyKind, ReplyWords, render_event},
    config::Config,
    store::{Alert, AlertState, Intake as Transaction, NewAlert, NewDelivery, Store, StoreError},
    telemetry,
};
use rocketchat::{Message, MessageKind, Room, ServerUrl, UserId};
use signl4::AlertEvent;

/// Settles messages, however and how often they come.
pub(super) struct Intake {
    pub(super) store: Store,
}

/// What is known of a message beside itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    /// What it is judged by, from its triggers to the words of a reply.
    pub(super) config: &'a Config,
    /// The bot's own account: its messages never count.
    pub(super) me: &'a UserId,
    /// The message's room.
    pub(super) known: &'a Known,
    /// What was written or edited before never alerts, unless its text was already seen to change. Server's clock.
    pub(super) oldest: Timestamp,
}

/// Whether the bot has looked at this message before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    First,
    NewText,
}

impl Intake {
    /// Settles one message. Returns how many alerts it raised. A repetition changes nothing.
    ///
    /// # Errors
    /// When the store fails; the message is then not settled and has to be given again.
    pub(super) async fn settle(
        &self,
        message: &Message,
        around: Circumstances<'_>,
    ) -> Result<usize, StoreError> {
        if message.author.id == *around.me || message.kind != MessageKind::Plain {
            return Ok(0);
        }
        let digest = digest(&message.text);
        // Most messages come more than once, and need no write lock to be told so.
        if self.store.digest_of(&message.id).await? == Some(digest) {
            return Ok(0);
        }
        let mut transaction = self.store.intake().await?;
        // Again under the lock: the stream and the catch-up may bring the same one at the same time.
        let sight = match transaction.digest_of(&message.id).await? {
            Some(known) if known == digest => return Ok(0),
            Some(_) => Sight::NewText,
            None => Sight::First,
        };
        let (mut added, mut too_old) = (Vec::new(), false);
        for found in around.config.triggers.matches(message, &around.known.room, around.known.joined) {
            match judge(&found, message, sight, around.oldest) {
                Verdict::Page => {
                    added.extend(raise(&mut transaction, &found, message, around).await?);
                }
                Verdict::TooOld => too_old = true,
                Verdict::OnlyEdited => {}
            }
        }
        // Age is judged by the server's clock. Should that turn out to have been set, the message is judged again.
        let fresh = !too_old && transaction.mark_seen(&message.id, digest).await?;
        transaction.commit().await?;
        count(fresh, &added);
        Ok(added.iter().filter(|alert| alert.state == AlertState::Queued).count())
    }
}

/// Counted once it is committed: what fails before is tried again.
fn count(fresh: bool, added: &[Alert]) {
    if fresh {
        telemetry::message_seen();
    }
    for alert in added {
        telemetry::matched(&alert.trigger);
        telemetry::alert(alert.state.name());
    }
}

async fn raise(
    transaction: &mut Transaction<'_>,
    found: &Match<'_>,
    message: &Message,
    around: Circumstances<'_>,
) -> Result<Option<Alert>, StoreError> {
    let trigger = found.trigger;
    let (event, faults) = event_of(found, message, &around.known.room, &around.config.rocketchat.url);
    let alert = new_alert(found, message, &event);
    let quiet = match trigger.cooldown {
        Duration::ZERO => None,
        cooldown => transaction.alerted_within(cooldown, &trigger.name, &message.room).await?,
    };
    let state = if quiet.is_some() { AlertState::Suppressed } else { AlertState::Queued };
    let Some(row) = transaction.add_alert(&alert, state).await? else { return Ok(None) };
    info!(alert = %row.id, message_id = %message.id, room = %message.room, trigger = trigger.name, state = state.name(), "message matched");
    for fault in &faults {
        warn!(alert = %row.id, trigger = trigger.name, %fault, "a template failed; its default stands in");
    }
    if let Some(delivery) = follow_up(&alert, &row, Notices::new(&around.config.replies)) {
        transaction.add_delivery(&delivery).await?;
    }
    Ok(Some(row))
}

/// The call to SIGNL4, or the word that there will be none.
fn follow_up(alert: &NewAlert, row: &Alert, notices: Notices<'_>) -> Option<NewDelivery> {
    match row.state {
        AlertState::Suppressed => notices.in_thread(row, ReplyKind::Suppressed, &ReplyWords::default()),
        _ => Some(NewDelivery {
            queue: alert.queue.clone(),
            ordering: row.id.to_string(),
            body: alert.event.clone(),
            alert: Some(row.id),
        }),
    }
}

/// Whether a match counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Page,
    /// It was written before anything in its room alerts.
    TooOld,
    /// It was looked at before, and its trigger does not look at edits.
    OnlyEdited,
}

/// A message seen for the first time counts by its age: reactions, link previews and thread counters bring back messages
/// of any age. One whose text changed counts where its trigger looks at edits.
fn judge(found: &Match<'_>, message: &Message, sight: Sight, oldest: Timestamp) -> Verdict {
    let on_edits = found.trigger.run_on_edits;
    match sight {
        Sight::NewText if on_edits => Verdict::Page,
        Sight::NewText => Verdict::OnlyEdited,
        Sight::First => {
            let edited = message.edited_at.filter(|_| on_edits);
            let changed = message.sent_at.max(edited.unwrap_or(message.sent_at));
            if changed >= oldest { Verdict::Page } else { Verdict::TooOld }
        }
    }
}

/// The event that a match sends, and what was wrong with its templates: then their defaults stand in.
pub fn event_of(
    found: &Match<'_>,
    message: &Message,
    room: &Room,
    server: &ServerUrl,
) -> (AlertEvent, Vec<RenderError>) {
    let rendered = render_event(found.trigger, message, room, &found.captures, server.base());
    let event = AlertEvent {
        title: rendered.title,
        message: rendered.message,
        user: rendered.user,
        channel: rendered.channel,
        link: Some(rendered.link),
        external_id: rendered.external_id,
        service: rendered.service,
        location: rendered.location,
        alerting_scenario: rendered.alerting_scenario.map(|scenario| scenario.as_str().to_owned()),
        filtering: rendered.filtering,
        fields: rendered.fields,
    };
    (event, rendered.faults)
}

fn new_alert(found: &Match<'_>, message: &Message, event: &AlertEvent) -> NewAlert {
    NewAlert {
        message: message.id.clone(),
        trigger: found.trigger.name.clone(),
        room: message.room.clone(),
        thread: message.thread.clone().unwrap_or_else(|| message.id.clone()),
        external_id: event.external_id.clone(),
        queue: pager_queue(&found.trigger.team),
        event: event.to_json(),
    }
}

/// What tells a new text from a re-emission of the old one. Eight bytes of SHA-256: two texts of the same message
/// that share them do not happen.
fn digest(text: &str) -> i64 {
    let hash = Sha256::digest(text);
    hash.iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
}
