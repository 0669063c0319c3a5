//! Asks Rocket.Chat for the rooms that triggers may mean: those the bot is in, and, where these do not answer it, public
//! channels and single rooms.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use crate::alerting::{RoomPattern, TriggerSet};
use rocketchat::rest::{RestClient, RestError, RoomInfo};
use rocketchat::{Room, RoomId};

/// Channels on one page of the list.
const PAGE: usize = 100;
/// Pages that are read; the list serves globs and near names, and a server may have a hundred thousand channels.
const MOST_PAGES: usize = 30;
/// The longest wait for a rate limit to pass. Rocket.Chat's own window is a minute.
const LONGEST_WAIT: Duration = Duration::from_secs(65);

/// A room that the bot is in.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) info: RoomInfo,
    /// The bot's roles in it.
    pub(super) roles: Vec<String>,
}

/// What came of looking a room up that the bot is not in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// There it is.
    Found(RoomInfo),
    /// There is one, but the account may not see it.
    Hidden,
    /// There is one, archived; the server tells no more.
    Archived,
    /// There is none.
    Missing,
    /// The server did not tell.
    Unknown(String),
}

/// The rooms as far as the account can see them.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    pub(super) joined: Vec<Joined>,
    /// Public channels that the bot is not in, where these were asked for.
    pub(super) channels: Vec<RoomInfo>,
    /// Why there may be more channels than these.
    pub(super) channels_missing: Option<String>,
    /// By name.
    pub(super) names: BTreeMap<String, Lookup>,
    /// By `_id`.
    pub(super) ids: BTreeMap<RoomId, Lookup>,
}

impl Census {
    /// Asks what must be asked for these triggers.
    ///
    /// # Errors
    /// When the server does not tell the rooms that the bot is in.
    pub(super) async fn take(rest: &RestClient, triggers: &TriggerSet) -> Result<Self, RestError> {
        let mut census = Self { joined: joined(rest).await?, ..Self::default() };
        let rooms: Vec<Room> = census.joined.iter().map(|joined| joined.info.room.clone()).collect();
        let unfound = triggers.unfound(rooms.iter());
        for id in &unfound.ids {
            let found = obliging(|| rest.room_by_id(id)).await;
            census.ids.insert((*id).clone(), Lookup::of(found));
        }
        for name in &unfound.names {
            let found = obliging(|| rest.room_by_name(name)).await;
            census.names.insert((*name).to_owned(), Lookup::of(found));
        }
        let none_like_it = census.names.values().any(|found| *found == Lookup::Missing);
        if unfound.channels || none_like_it {
            census.list_channels(rest).await;
        }
        Ok(census)
    }

    /// The room that a lookup by this entry found.
    pub(super) fn lookup(&self, pattern: &RoomPattern) -> Option<&Lookup> {
        match pattern {
            RoomPattern::Name(name) => self.names.get(name),
            RoomPattern::Id(id) => self.ids.get(id),
            RoomPattern::Any | RoomPattern::Glob(_) => None,
        }
    }

    async fn list_channels(&mut self, rest: &RestClient) {
        let mut offset = 0;
        for _ in 0..MOST_PAGES {
            let page = match obliging(|| rest.channels(offset, PAGE)).await {
                Ok(page) => page,
                Err(error) => {
                    self.channels_missing = Some(error.to_string());
                    return;
                }
            };
            offset += page.items.len();
            let last = page.items.is_empty() || offset >= page.total;
            let known = |id: &RoomId| self.joined.iter().any(|joined| joined.info.room.id == *id);
            let new: Vec<_> = page.items.into_iter().filter(|info| !known(&info.room.id)).collect();
            self.channels.extend(new);
            if last {
                return;
            }
        }
        self.channels_missing = Some(format!("only the first {offset} were asked for"));
    }
}

impl Lookup {
    /// Source of the codes: `rooms.info` and `findRoomByIdOrName` in Rocket.Chat's `app/api/server/v1/rooms.ts`.
    fn of(found: Result<RoomInfo, RestError>) -> Self {
        let (code, reason) = match &found {
            Ok(info) => return Self::Found(info.clone()),
            Err(RestError::Rejected { code, reason, .. }) => (code.to_lowercase(), reason.to_lowercase()),
            Err(error) => return Self::Unknown(error.to_string()),
        };
        let says =
            |word: &str| code.replace(' ', "-").contains(word) || reason.replace(' ', "-").contains(word);
        if says("room-not-found") {
            Self::Missing
        } else if says("room-archived") {
            Self::Archived
        } else if says("not-allowed") || says("invalid-room") {
            Self::Hidden
        } else {
            Self::Unknown(reason)
        }
    }
}

async fn joined(rest: &RestClient) -> Result<Vec<Joined>, RestError> {
    let rooms = obliging(|| rest.rooms(None)).await?.updated;
    let subscriptions = obliging(|| rest.subscriptions(None)).await?.updated;
    let mut roles: HashMap<RoomId, Vec<String>> =
        subscriptions.into_iter().map(|subscription| (subscription.room.id, subscription.roles)).collect();
    let with_roles = |info: RoomInfo| {
        let roles = roles.remove(&info.room.id).unwrap_or_default();
        Joined { info, roles }
    };
    Ok(rooms.into_iter().map(with_roles).collect())
}

/// Makes a call, and once more where the server asks to wait a little first.
pub(super) async fn obliging<T, F: Future<Output = Result<T, RestError>>>(
    call: impl Fn() -> F,
) -> Result<T, RestError> {
    match call().await {
        Err(RestError::RateLimited { until }) => {
            let wait = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
            if wait > LONGEST_WAIT {
                return Err(RestError::RateLimited { until });
            }
            sleep(wait).await;
            call().await
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_a_room_it_does_not_show_is_understood() {
        let rejected = |code: &str, reason: &str| {
            Lookup::of(Err(RestError::Rejected { status: 400, code: code.into(), reason: reason.into() }))
        };
        let missing = "The required \"roomId\" or \"roomName\" param provided does not match any channel";
        assert_eq!(rejected("error-room-not-found", missing), Lookup::Missing);
        assert_eq!(rejected("", "… [error-room-not-found]"), Lookup::Missing);
        assert_eq!(rejected("Not Allowed", "not-allowed"), Lookup::Hidden);
        assert_eq!(rejected("error-room-archived", "The channel, x, is archived"), Lookup::Archived);
        assert_eq!(rejected("error-oops", "oops"), Lookup::Unknown("oops".into()));
        assert!(matches!(Lookup::of(Err(RestError::unreachable("timeout"))), Lookup::Unknown(_)));
    }
}
