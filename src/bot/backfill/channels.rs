//! Finds the rooms that triggers name and that the bot is not in.

use jiff::Timestamp;
use rocketchat::rest::{RestError, RoomInfo};
use rocketchat::{RoomId, RoomKind};
use tracing::warn;

use super::{Backfill, TRIES};
use crate::alerting::RoomPattern;

/// Channels per page of the list.
const PAGE: usize = 100;
/// How many of them the next page repeats. If a channel is deleted meanwhile, the others move up.
const PAGE_OVERLAP: usize = 5;
/// Rocket.Chat's code for a room that does not exist (`rooms.info` in `app/api/server/v1/rooms.ts`).
pub(in crate::bot) const NO_SUCH_ROOM: &str = "error-room-not-found";
/// Its code since 9.0 for a room that the account cannot see.
const FORBIDDEN: &str = "error-forbidden";

/// The result of a search.
#[derive(Debug, Default)]
pub(super) struct Searched {
    /// The rooms, each with the time of its last change.
    pub(super) found: Vec<(RoomId, Option<Timestamp>)>,
    /// Whether the server either described each wanted room or reported that it does not exist, or that it shows none of a name.
    pub(super) is_complete: bool,
    /// Whether it answered for each of them, if only with a refusal.
    pub(super) is_answered: bool,
}

impl Backfill {
    /// Looks up the rooms that triggers name and that the bot is not in, and joins those that it may join.
    pub(super) async fn search(&mut self) -> Searched {
        const WHAT: &str = "a room cannot be looked up";
        let session = self.session.clone();
        let context = &session.context;
        let joined = context.rooms.select(|known| known.joined);
        let unfound = session.settings.config.triggers.unfound(joined.iter().map(|known| &known.room));
        let mut searched = Searched { found: vec![], is_complete: true, is_answered: true };
        // Some entries named a room before that has another name now.
        let renamed = context.rooms.named_and_unknown();
        for id in unfound.ids.into_iter().chain(&renamed) {
            match context.tempo.retry(self.tries(), WHAT, || context.rest.room_by_id(id)).await {
                Err(error) if error.code() == Some(NO_SUCH_ROOM) && renamed.contains(id) => {
                    context.rooms.remove(id);
                }
                info => self.looked_up(info, id.as_str(), &mut searched).await,
            }
        }
        let mut missing = Vec::new();
        for name in unfound.names {
            let info = context.tempo.retry(self.tries(), WHAT, || context.rest.room_by_name(name)).await;
            match info {
                Err(error) if matches!(error.code(), Some(NO_SUCH_ROOM | FORBIDDEN)) => {
                    missing.push((name, error));
                }
                info => self.looked_up(info, name, &mut searched).await,
            }
        }
        // The server only finds a room by the exact name in its address. The list has the display names.
        missing.retain(|(name, _)| !context.rooms.has(&RoomPattern::Name((*name).to_owned())));
        if unfound.channels || !missing.is_empty() {
            self.list_channels(&mut searched).await;
        }
        for (name, error) in missing {
            match context.rooms.has(&RoomPattern::Name(name.to_owned())) {
                true => context.clear_warning(&format!("unfound {name}")),
                false => self.warn_of_unfound(name, &error),
            }
        }
        searched
    }

    /// Tries once if the last search failed, because the rooms that the bot is in are waiting to be read.
    fn tries(&self) -> u32 {
        if self.is_search_complete { TRIES } else { 1 }
    }

    async fn looked_up(&mut self, info: Result<RoomInfo, RestError>, wanted: &str, searched: &mut Searched) {
        match info {
            Ok(info) => {
                self.session.context.clear_warning(&format!("unfound {wanted}"));
                self.found(info, searched).await;
            }
            Err(error) => {
                self.warn_of_unfound(wanted, &error);
                searched.is_complete &= error.code() == Some(NO_SUCH_ROOM);
                searched.is_answered &= error.code().is_some();
            }
        }
    }

    fn warn_of_unfound(&self, wanted: &str, error: &RestError) {
        if self.session.context.warns(&format!("unfound {wanted}")) {
            warn!(room = wanted, %error, "a watched room cannot be found; is the bot in it?");
        }
    }

    /// Reads the list of public channels, the most recently changed first. A channel that changes meanwhile may move
    /// from a later page to the first one, which was already read. The next search then finds it.
    async fn list_channels(&mut self, searched: &mut Searched) {
        let context = self.session.context.clone();
        let mut offset = 0;
        loop {
            let list = || context.rest.channels(offset, PAGE);
            let page = context.tempo.retry(self.tries(), "the channels cannot be listed", list);
            let (channels, total) = match page.await {
                Ok(page) => page,
                Err(error) => {
                    if context.warns("unlisted") {
                        warn!(%error, "the public channels cannot be listed");
                    }
                    searched.is_complete = false;
                    searched.is_answered &= error.code().is_some();
                    return;
                }
            };
            context.clear_warning("unlisted");
            let next = offset + channels.len();
            for info in channels {
                if context.rooms.resolve(info.room.clone()).watched {
                    self.found(info, searched).await;
                } else if context.rooms.get(&info.room.id).is_some_and(|known| !known.joined) {
                    // It may have been renamed.
                    context.rooms.learn(info.room, None);
                }
            }
            if next >= total || next <= offset + PAGE_OVERLAP {
                return;
            }
            offset = next - PAGE_OVERLAP;
        }
    }

    /// Adds a room that triggers name to the directory, and joins it if that is wanted and possible.
    async fn found(&mut self, info: RoomInfo, searched: &mut Searched) {
        let id = info.room.id.clone();
        if info.archived {
            if self.session.context.warns(&format!("archived {id}")) {
                warn!(room = %id, "a watched room is archived");
            }
            return;
        }
        self.session.context.clear_warning(&format!("archived {id}"));
        let before = self.session.context.rooms.get(&id);
        if before.as_ref().is_some_and(|before| before.joined) {
            return;
        }
        let known = self.session.context.rooms.resolve(info.room.clone());
        if known.watched && self.session.context.cursors.of(&id).is_none() {
            // Recorded before the room is known. Otherwise another task could believe that it was watched all the
            // time.
            // A room that was described but not watched has been renamed. Its creation time is then irrelevant.
            let was_there = before.is_some_and(|before| before.described && !before.watched);
            let appeared = info.created_at.filter(|_| !was_there);
            let since = self.watched_since(appeared).await;
            self.session.context.cursors.watch(&id, since).await;
        }
        searched.found.push((id, info.changed_at()));
        let known = self.session.context.rooms.learn(info.room, None);
        if self.session.settings.config.rocketchat.auto_join && known.room.kind == RoomKind::Channel {
            self.session.context.join(&known).await;
        }
    }
}
