//! Finds the rooms that triggers mean and the bot is not in.

use jiff::Timestamp;
use tracing::warn;

use super::{CatchUp, TRIES, listing::Terms};
use crate::bot::{patience::at_most, rooms::Known};
use rocketchat::{
    Room, RoomKind,
    rest::{RestError, RoomInfo},
};

/// Channels on one page of the list.
const PAGE: usize = 100;
/// How many of them come again on the next page: where one is deleted meanwhile, the others move up.
const SEAM: usize = 5;
/// How often the list is read in one round. A channel is passed over only where it changes between two pages each time.
const MOST_PASSES: u32 = 4;
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
        self.lists_channels = unfound.channels;
        self.listed = self.lists_channels && self.list_channels().await;
        sure && self.listed == unfound.channels
    }

    /// How often it is asked for a room: once, where it was in vain before. The rooms that the bot is in wait to be read.
    fn tries(&self) -> u32 {
        if self.unanswered { 1 } else { TRIES }
    }

    /// Lists the public channels that changed since they were listed last. Returns whether that is known of each.
    pub(super) async fn list_channels(&mut self) -> bool {
        let terms = Terms { set_backs: self.set_backs, settings: self.settings.since };
        // A channel that changes while the pages are read leaves one that is still to come for the first one.
        for _ in 0..MOST_PASSES {
            let (since, begun) = (self.ears.listing.up_to(terms), self.session.arrived());
            let Some(pages) = self.list_pages(since).await else { return false };
            self.ears.listing.is_read_up_to(begun, terms);
            if pages == 1 {
                break;
            }
        }
        true
    }

    /// Reads the list up to what was told before. Returns how many pages that were; `None` where the server gives no more.
    async fn list_pages(&mut self, since: Option<Timestamp>) -> Option<u32> {
        let ears = self.ears.clone();
        let (mut offset, mut pages) = (0, 0);
        loop {
            let listing = || ears.rest.channels(offset, PAGE);
            let page = match at_most(self.tries(), "the channels cannot be listed", listing).await {
                Ok(page) => page,
                Err(error) => {
                    warn!(%error, "the channels are not listed");
                    self.unanswered |= error.is_retryable();
                    // Refused, it is not asked for again while the session lasts.
                    self.lists_channels = error.is_retryable();
                    return None;
                }
            };
            pages += 1;
            let next = offset + page.items.len();
            let last = next >= page.total || next <= offset + SEAM || goes_back_to(&page.items, since);
            for info in page.items {
                // What did not change since then was taken then.
                if info.updated_at.zip(since).is_none_or(|(at, since)| at >= since) {
                    self.take_listed(info).await;
                }
            }
            if last {
                return Some(pages);
            }
            offset = next - SEAM;
        }
    }

    async fn take_listed(&mut self, info: RoomInfo) {
        self.ears.listing.note_listed(&info);
        let now = Known { room: info.room.clone(), joined: false };
        match self.ears.rooms.get(&info.room.id) {
            // Whoever is in a room is told more of it.
            Some(before) if before.joined => {}
            Some(before) if before.is_watched(self.triggers()) || !now.is_watched(self.triggers()) => {
                // A message may have told of it before.
                self.watch_from_birth(&info).await;
                self.ears.rooms.describe(info.room);
            }
            _ if now.is_watched(self.triggers()) => {
                self.meet(Ok(info), "").await;
            }
            _ => {}
        }
    }

    /// Takes a room that triggers name into the directory, and joins it where that is wanted and possible. Returns whether
    /// the server has said what it is or that it is not.
    async fn meet(&mut self, found: Result<RoomInfo, RestError>, wanted: &str) -> bool {
        match found {
            Ok(info) if info.archived => warn!(room = %info.room.id, "a watched room is archived"),
            Ok(info) => {
                self.watch_from_birth(&info).await;
                // Noted before it is known: whoever hears of it in between must not take it for one watched all the time.
                let unjoined = Known { room: info.room.clone(), joined: false };
                if unjoined.is_watched(self.triggers()) {
                    self.start_watching(&unjoined, self.settled).await;
                }
                self.ears.listing.note(&info);
                self.met.insert(info.room.id.clone());
                let known = self.ears.rooms.describe(info.room);
                if !known.joined
                    && self.settings.config.rocketchat.auto_join
                    && known.room.kind == RoomKind::Channel
                {
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

/// Whether a page, the latest changed first, reaches what was told before. A server that sorts in another way is read to
/// the end.
fn goes_back_to(page: &[RoomInfo], since: Option<Timestamp>) -> bool {
    let sorted = page.is_sorted_by(|a, b| a.updated_at >= b.updated_at);
    since.is_some_and(|since| sorted && page.iter().any(|info| info.updated_at.is_some_and(|at| at < since)))
}
