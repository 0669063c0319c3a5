//! What has become of an alert's message while the alert waited: asked right before it is sent late.
//!
//! The server is asked, rather than the stream followed: deletions are told room by room only, and nobody is told of what happened
//! while the bot was away.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    bot::{
        ingest::{Rooms, event_of},
        settings::Current,
    },
    store::Alert,
};
use rocketchat::rest::{RestClient, RestError};
use serde_json::Value;
use signl4::AlertEvent;

/// How long the question may hold up an alert.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Asks for messages as they are now.
#[derive(Clone)]
pub(super) struct MessageNow {
    pub(super) rest: RestClient,
    pub(super) rooms: Arc<Rooms>,
    pub(super) current: Current,
}

/// What has become of a message.
#[derive(Debug)]
pub(super) enum Change {
    /// Its alert says this by now.
    Edited(Value),
    /// It was deleted.
    Deleted,
}

impl MessageNow {
    /// What has become of the message of an alert; `None` where nothing has, or where nobody can tell. Then the alert is sent as it is.
    pub(super) async fn of(&self, alert: &Alert) -> Option<Change> {
        timeout(ANSWER_WITHIN, self.ask(alert)).await.ok()?.ok()?
    }

    async fn ask(&self, alert: &Alert) -> Result<Option<Change>, RestError> {
        let Some(message) = self.rest.message(&alert.message).await? else {
            // The same is answered for a room that the bot was removed from, so that is looked up too.
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
        let (event, _) = event_of(&found, &message, &known.room, &settings.config.rocketchat.url);
        // Its events are recognized by this name.
        let event = AlertEvent { external_id: Some(alert.external_id.clone()), ..event };
        Ok(Some(Change::Edited(event.to_json())))
    }
}
