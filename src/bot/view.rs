//! What the admin listener is given to look at.

use std::sync::Arc;

use jiff::Timestamp;

use super::{notice::chat_labels, pager::pager_label, rooms::Rooms, settings::Current};
use crate::{
    admin::{BotView, LaneDirectory, LaneLabel, RoomDirectory, WatchedBy},
    alerting::TeamName,
    logging,
    rocketchat::{Account, Room, RoomId, realtime::Realtime},
    store::Store,
    telemetry::Exposition,
};

/// The view of a bot that starts now. From here on is counted.
pub(super) fn view(
    current: &Current,
    account: &Arc<Account>,
    rooms: &Arc<Rooms>,
    store: &Store,
    realtime: &Realtime,
) -> BotView {
    let directory = Arc::new(Directory { rooms: rooms.clone(), current: current.clone() });
    let triggers = &current.now().config.triggers;
    BotView {
        account: account.clone(),
        connection: realtime.state(),
        frames: realtime.counts(),
        rooms: directory.clone(),
        lanes: directory,
        store: store.clone(),
        log: logging::recent(),
        metrics: Exposition::start(triggers.iter().map(|trigger| trigger.name.as_str())),
        started_at: Timestamp::now(),
    }
}

/// The rooms and lanes under the configuration that holds at the moment.
#[derive(Debug)]
struct Directory {
    rooms: Arc<Rooms>,
    current: Current,
}

impl RoomDirectory for Directory {
    fn room(&self, id: &RoomId) -> Option<Room> {
        self.rooms.room(id)
    }

    fn watched(&self) -> Vec<WatchedBy> {
        self.current.now().config.triggers.iter().map(|trigger| self.rooms.watched_by(trigger)).collect()
    }
}

impl LaneDirectory for Directory {
    /// The alerts of each team, then what is posted to Rocket.Chat.
    fn lanes(&self) -> Vec<LaneLabel> {
        let settings = self.current.now();
        let teams = settings.config.signl4.teams.keys().map(|name| TeamName::Named(name.clone()));
        let teams = std::iter::once(TeamName::Default).chain(teams);
        teams.map(|team| pager_label(&team)).chain(chat_labels()).collect()
    }
}
