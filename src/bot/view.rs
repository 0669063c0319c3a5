//! What the admin listener is given to look at.

use std::sync::Arc;

use jiff::Timestamp;

use super::{notice::chat_labels, pager::pager_label, rooms::Rooms};
use crate::{
    admin::{BotView, LaneLabel},
    alerting::TeamName,
    config::Config,
    logging,
    rocketchat::{Account, realtime::Realtime},
    store::Store,
    telemetry::Exposition,
};

/// The view of a bot that starts now. From here on is counted.
pub(super) fn view(
    config: &Config,
    account: &Arc<Account>,
    rooms: &Arc<Rooms>,
    store: &Store,
    realtime: &Realtime,
) -> BotView {
    BotView {
        account: account.clone(),
        connection: realtime.state(),
        frames: realtime.counts(),
        rooms: rooms.clone(),
        lanes: labels(config),
        store: store.clone(),
        log: logging::recent(),
        metrics: Exposition::start(config.triggers.iter().map(|trigger| trigger.name.as_str())),
        started_at: Timestamp::now(),
    }
}

/// Every lane: the alerts of each team, then what is posted to Rocket.Chat.
fn labels(config: &Config) -> Arc<[LaneLabel]> {
    let teams = config.signl4.teams.keys().map(|name| TeamName::Named(name.clone()));
    let teams = std::iter::once(TeamName::Default).chain(teams);
    teams.map(|team| pager_label(&team)).chain(chat_labels()).collect()
}
