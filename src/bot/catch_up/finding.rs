//! Finds the rooms that triggers mean and the bot is not in.

use tracing::warn;

use super::{CatchUp, TRIES};
use crate::{
    bot::{patience::at_most, rooms::Known},
    rocketchat::{
        Room, RoomKind,
        rest::{RestError, RoomInfo},
    },
};

/// Channels on one page of the list.
const PAGE: usize = 100;
/// Rocket.Chat's code for a room that is not there (`rooms.info` in `app/api/server/v1/rooms.ts`).
const NO_SUCH_ROOM: &str = "error-room-not-found";

impl CatchUp {
    /// Looks up the rooms that triggers mean and the bot is not in, and joins those where it may. Returns whether the
    /// server said of each what it is or that it is not: a room that it would not look up now may be watched all the same.
    pub(super) async fn find_channels(&mut self) -> bool {
        const WHAT: &str = "a room cannot be looked up";
        let (ears, settings) = (self.ears.clone(), self.settings.clone());
        let joined: Vec<Room> = ears.rooms.joined();
        let unfound = settings.config.triggers.unfound(joined.iter());
        let mut sure = true;
        for id in unfound.ids {
            let found = at_most(self.tries(), WHAT, || ears.rest.room_by_id(id)).await;
            sure &= self.meet(found, id.as_str()).await;
        }
        for name in unfound.names {
            let found = at_most(self.tries(), WHAT, || ears.rest.room_by_name(name)).await;
            sure &= self.meet(found, name).await;
        }
        if unfound.channels {
            sure &= self.list_channels().await;
        }
        sure
    }

    /// How often it is asked for a room: once, where it was in vain before. The rooms that the bot is in wait to be read.
    fn tries(&self) -> u32 {
        if self.unanswered { 1 } else { TRIES }
    }

    /// Returns whether all of them were listed.
    async fn list_channels(&mut self) -> bool {
        let ears = self.ears.clone();
        let mut offset = 0;
        loop {
            let listing = || ears.rest.channels(offset, PAGE);
            let page = match at_most(self.tries(), "the channels cannot be listed", listing).await {
                Ok(page) => page,
                Err(error) => {
                    warn!(%error, "the channels are not listed");
                    self.unanswered |= error.is_retryable();
                    return false;
                }
            };
            offset += page.items.len();
            let last = page.items.is_empty() || offset >= page.total;
            for info in page.items {
                if !self.ears.rooms.contains(&info.room.id)
                    && (Known { room: info.room.clone(), joined: false }).is_watched(self.triggers())
                {
                    self.meet(Ok(info), "").await;
                }
            }
            if last {
                return true;
            }
        }
    }

    /// Takes a room that triggers name into the directory, and joins it where that is wanted and possible. Returns whether
    /// the server has said what it is or that it is not.
    async fn meet(&mut self, found: Result<RoomInfo, RestError>, wanted: &str) -> bool {
        match found {
            Ok(info) if info.archived => warn!(room = %info.room.id, "a watched room is archived"),
            Ok(info) => {
                self.watch_from_birth(&info).await;
                let known = self.ears.rooms.learn(info.room, false);
                if self.settings.config.rocketchat.auto_join && known.room.kind == RoomKind::Channel {
                    self.ears.join(&known).await;
                }
            }
            Err(error) => {
                warn!(room = wanted, %error, "a watched room cannot be found; is the bot in it?");
                self.unanswered |= error.is_retryable();
                return error.code() == Some(NO_SUCH_ROOM);
            }
        }
        true
    }
}
