//! Looks again and again for what the stream may have dropped without a word.

use std::collections::HashSet;

use jiff::Timestamp;
use tracing::{debug, info};

use super::{CatchUp, Tally};
use crate::{
    bot::{patience::patiently, rooms::Known},
    store::Progress,
};

impl CatchUp {
    /// Reads the rooms that changed after `since`. Returns up to when everything is settled.
    pub(super) async fn round_of_news(&mut self, since: Timestamp) -> Timestamp {
        let Ok(changed) = patiently("the rooms cannot be listed", || self.ears.rest.rooms(Some(since))).await
        else {
            return since;
        };
        self.ears.keep_time().await;
        // Where the clock was set back, what changed since then changed before `since`, so the list lacks it.
        if self.unanswered || self.ears.set_backs() != self.set_backs {
            return self.full_round().await;
        }
        let begun = self.session.arrived();
        (self.is_full, self.settled) = (false, Some(since));
        self.met.clear();
        let mut progress = self.progress().await;
        let mut tally = Tally::default();
        let (unread, failed) = (std::mem::take(&mut self.unread), std::mem::take(&mut self.failed));
        let mut news = HashSet::new();
        for info in changed.updated {
            let known = Known { room: info.room, joined: true };
            let id = known.room.id.clone();
            // Noted before it is known: whoever hears of it in between must not take it for one watched all the time.
            if known.is_watched(self.triggers()) && !progress.contains_key(&id) {
                progress.insert(id.clone(), self.start_watching(&known, Some(since)).await);
            }
            self.ears.rooms.learn(known.room, true);
            news.insert(id);
        }
        // What the stream dropped in the bot's own rooms waits for no list of channels.
        let mut read = HashSet::new();
        for known in self.ears.rooms.all_watched(self.triggers()) {
            let id = &known.room.id;
            if known.joined && (news.contains(id) || unread.contains(id)) {
                self.read_news(&known, progress.get(id).copied(), &mut tally).await;
                read.insert(known.room.id);
            }
        }
        self.listed = self.lists_channels && self.list_channels().await;
        let progress = self.progress().await;
        let others = self.ears.rooms.all_watched(self.triggers()).into_iter();
        for known in others.filter(|known| !read.contains(&known.room.id)) {
            let id = &known.room.id;
            let from = progress.get(id).copied();
            let is_told_of = self.is_told_of(id);
            // One that was joined meanwhile is not among the bot's own yet.
            let has_news = self.met.contains(id)
                || failed.contains(id)
                || is_told_of && !self.refused.contains(id) && self.changed_since(id, from);
            if has_news {
                self.read_news(&known, from, &mut tally).await;
            } else if !known.joined && (!is_told_of || unread.contains(id)) {
                // Whether there is something new shows at the next session.
                self.unread.insert(known.room.id);
            }
        }
        self.unread.extend(unread.into_iter().filter(|id| !self.ears.rooms.contains(id)));
        debug!(rooms = tally.rooms, messages = tally.messages, "looked for what the stream did not bring");
        if tally.alerts > 0 {
            info!(alerts = tally.alerts, "found messages that match before the stream brought them");
        }
        let settled = self.settle_until(begun).await;
        self.tell_of_older(tally.older).await;
        settled
    }

    /// Reads a room that may have news, from where it was read before, or from where it begins to be watched.
    async fn read_news(&mut self, known: &Known, from: Option<Progress>, tally: &mut Tally) {
        let from = match from {
            Some(progress) => progress,
            None => self.start_watching(known, self.settled).await,
        };
        self.read(known, from, tally).await;
    }
}
