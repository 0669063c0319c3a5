//! Asks Rocket.Chat for the rooms that triggers may match: the bot's own, and if necessary public channels and single
//! rooms.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::sleep;

use crate::alerting::{NamedRooms, RoomPattern, TriggerSet, Unfound, remember_names};
use rocketchat::rest::{RestClient, RestError, RoomInfo};
use rocketchat::{Room, RoomId};

/// Channels per page of the list.
const PAGE: usize = 100;
/// Maximum number of pages. The list serves globs and similar names, and a server may have a hundred thousand
/// channels.
const MAX_PAGES: usize = 30;
/// The longest rate limit to wait for. Rocket.Chat's own window is a minute.
const MAX_WAIT: Duration = Duration::from_secs(65);

/// A room that the account can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenRoom {
    pub(super) info: RoomInfo,
    /// The bot's roles in it; `None` if it is not a member.
    pub(super) roles: Option<Vec<String>>,
}

/// The outcome of looking up a room that the bot is not in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    Found(Box<SeenRoom>),
    /// It exists, but the account is not allowed to see it.
    Hidden,
    /// It exists and is archived; nothing else is known.
    Archived,
    Missing,
    /// The lookup failed.
    Unknown(String),
}

/// The rooms as far as the account can see them.
#[derive(Clone, Debug, Default)]
pub(super) struct RoomInventory {
    pub(super) joined: Vec<SeenRoom>,
    /// Public channels that the bot is not in; empty if they were not needed.
    pub(super) channels: Vec<SeenRoom>,
    /// Why `channels` may be incomplete.
    pub(super) channels_missing: Option<String>,
    /// The lookups, by the entry of `rooms` as displayed.
    pub(super) looked_up: HashMap<String, Lookup>,
}

impl RoomInventory {
    /// Requests what these triggers and this other entry need. `named` contains the rooms that the triggers' names found before.
    ///
    /// # Errors
    /// When the server does not list the rooms that the bot is in.
    pub(super) async fn take(
        rest: &RestClient,
        triggers: &TriggerSet,
        other: Option<&RoomPattern>,
        mut named: NamedRooms,
    ) -> Result<Self, RestError> {
        let mut inventory = Self::joined(rest).await?;
        for SeenRoom { info, .. } in &mut inventory.joined {
            info.room.former_names = remember_names(&mut named, triggers.room_names(), &info.room);
        }
        inventory.look_up(rest, triggers.room_patterns().map(|(_, pattern)| pattern).chain(other)).await;
        Ok(inventory)
    }

    /// The rooms that the bot is in, and no other.
    ///
    /// # Errors
    /// When the server does not list them.
    pub(super) async fn joined(rest: &RestClient) -> Result<Self, RestError> {
        let rooms = wait_for_rate_limit(|| rest.rooms(None)).await?;
        let subscriptions = wait_for_rate_limit(|| rest.subscriptions(None)).await?;
        let roles = subscriptions.into_iter().map(|subscription| (subscription.room.id, subscription.roles));
        let mut roles: HashMap<RoomId, Vec<String>> = roles.collect();
        let joined = rooms.rooms().map(|info| {
            let roles = Some(roles.remove(&info.room.id).unwrap_or_default());
            SeenRoom { info, roles }
        });
        Ok(Self { joined: joined.collect(), ..Self::default() })
    }

    /// Asks for what these entries of `rooms` may match and the bot is not in.
    pub(super) async fn look_up(&mut self, rest: &RestClient, patterns: impl Iterator<Item = &RoomPattern>) {
        let rooms: Vec<Room> = self.joined.iter().map(|joined| joined.info.room.clone()).collect();
        let unfound = Unfound::among(patterns, rooms.iter());
        for id in &unfound.ids {
            let found = wait_for_rate_limit(|| rest.room_by_id(id)).await;
            self.looked_up.insert(RoomPattern::Id((*id).clone()).to_string(), Lookup::of(found));
        }
        let mut needs_channels = unfound.channels;
        for name in &unfound.names {
            let found = Lookup::of(wait_for_rate_limit(|| rest.room_by_name(name)).await);
            // Similar names are proposed for a missing one, and another room may be shown under the name.
            needs_channels |= matches!(found, Lookup::Missing | Lookup::Hidden);
            self.looked_up.insert(RoomPattern::Name((*name).to_owned()).to_string(), found);
        }
        if needs_channels {
            self.list_channels(rest).await;
        }
    }

    /// Lists the public channels, once.
    pub(super) async fn list_channels(&mut self, rest: &RestClient) {
        if !self.channels.is_empty() {
            return;
        }
        let mut offset = 0;
        for _ in 0..MAX_PAGES {
            let (channels, total) = match wait_for_rate_limit(|| rest.channels(offset, PAGE)).await {
                Ok(page) => page,
                Err(error) => {
                    self.channels_missing = Some(error.to_string());
                    return;
                }
            };
            offset += channels.len();
            let last = channels.is_empty() || offset >= total;
            let is_joined = |id: &RoomId| self.joined.iter().any(|joined| joined.info.room.id == *id);
            let new = channels.into_iter().filter(|info| !is_joined(&info.room.id));
            let new: Vec<_> = new.map(|info| SeenRoom { info, roles: None }).collect();
            self.channels.extend(new);
            if last {
                return;
            }
        }
        self.channels_missing = Some(format!("only the first {offset} were listed"));
    }
}

impl Lookup {
    /// Source of the codes: `rooms.info` and `findRoomByIdOrName` in Rocket.Chat's `app/api/server/v1/rooms.ts`.
    fn of(found: Result<RoomInfo, RestError>) -> Self {
        let (code, reason) = match found {
            Ok(info) => return Self::Found(Box::new(SeenRoom { info, roles: None })),
            Err(RestError::Rejected { code, reason, .. }) => (code.to_lowercase(), reason.to_lowercase()),
            Err(error) => return Self::Unknown(error.to_string()),
        };
        let either = format!("{code} {reason}").replace(' ', "-");
        if either.contains("room-not-found") {
            Self::Missing
        } else if either.contains("room-archived") {
            Self::Archived
        } else if either.contains("not-allowed")
            || either.contains("forbidden")
            || either.contains("invalid-room")
        {
            Self::Hidden
        } else {
            Self::Unknown(reason)
        }
    }
}

/// Makes a call, and repeats it once if the server asks to wait for a short time.
pub(super) async fn wait_for_rate_limit<T, F: Future<Output = Result<T, RestError>>>(
    call: impl Fn() -> F,
) -> Result<T, RestError> {
    match call().await {
        Err(RestError::RateLimited { wait }) if wait <= MAX_WAIT => {
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
    fn the_servers_reasons_for_not_showing_a_room_are_understood() {
        let rejected = |code: &str, reason: &str| {
            Lookup::of(Err(RestError::Rejected { status: 400, code: code.into(), reason: reason.into() }))
        };
        let missing = "The required \"roomId\" or \"roomName\" param provided does not match any channel";
        assert_eq!(rejected("error-room-not-found", missing), Lookup::Missing);
        assert_eq!(rejected("", "… [error-room-not-found]"), Lookup::Missing);
        assert_eq!(rejected("Not Allowed", "not-allowed"), Lookup::Hidden);
        assert_eq!(rejected("error-forbidden", "forbidden [error-forbidden]"), Lookup::Hidden, "since 9.0");
        assert_eq!(rejected("error-room-archived", "The channel, x, is archived"), Lookup::Archived);
        assert_eq!(rejected("error-oops", "oops"), Lookup::Unknown("oops".into()));
        assert!(matches!(Lookup::of(Err(RestError::unavailable("timeout"))), Lookup::Unknown(_)));
    }
}
