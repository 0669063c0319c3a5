//! Checks what happened to an alert's message while the alert was waiting, right before it is sent late.
//!
//! The bot asks the server instead of following the stream, because the stream reports deletions only per room, and
//! does not report what happened while the bot was away.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    alerting::render_event,
    bot::{ingest::Rooms, settings::Current},
    store::Alert,
};
use rocketchat::rest::{RestClient, RestError};
use serde_json::Value;
use signl4::AlertEvent;

/// How long this check may delay an alert.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Requests the current state of messages.
#[derive(Clone)]
pub(super) struct MessageNow {
    pub(super) rest: RestClient,
    pub(super) rooms: Arc<Rooms>,
    pub(super) current: Current,
}

/// What happened to a message.
#[derive(Debug)]
pub(super) enum Change {
    /// The alert now has this content.
    Edited(Value),
    /// It was deleted.
    Deleted,
}

impl MessageNow {
    /// What happened to an alert's message; `None` if nothing happened or if it is unknown. Then the alert is sent
    /// unchanged.
    pub(super) async fn of(&self, alert: &Alert) -> Option<Change> {
        timeout(ANSWER_WITHIN, self.ask(alert)).await.ok()?.ok()?
    }

    async fn ask(&self, alert: &Alert) -> Result<Option<Change>, RestError> {
        let Some(message) = self.rest.message(&alert.message).await? else {
            // The server gives the same answer for a room that the bot was removed from, so that is checked too.
            self.rest.room_by_id(&alert.room).await?;
            return Ok(Some(Change::Deleted));
        };
        let Some(known) = self.rooms.get(&alert.room).filter(|_| message.edited_at.is_some()) else {
            return Ok(None);
        };
        let settings = self.current.now();
        let matches = settings.config.triggers.matches(&message, &known.room, known.joined);
        let Some(found) = matches.into_iter().find(|found| found.trigger.name == alert.trigger) else {
            return Ok(None);
        };
        let (event, _) = render_event(&found, &message, &known.room, &settings.config.rocketchat.url);
        // Its events are recognized by this external ID.
        let event = AlertEvent { external_id: Some(alert.external_id.clone()), ..event };
        Ok(Some(Change::Edited(event.to_json())))
    }
}
