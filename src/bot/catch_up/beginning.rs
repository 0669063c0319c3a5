//! Since when a room is watched that was not watched before.

use jiff::Timestamp;

use super::{CatchUp, TRIES};
use crate::{
    bot::{
        patience::{at_most, insist},
        rooms::Known,
        session::SKEW,
    },
    store::Progress,
};
use rocketchat::rest::RoomInfo;

impl CatchUp {
    /// Watches a room from now on; from the moment the bot was invited where that was after `settled`, and at the very
    /// beginning since the first session, whatever has become of that.
    pub(super) async fn start_watching(&self, known: &Known, settled: Option<Timestamp>) -> Progress {
        let id = &known.room.id;
        let since = match settled {
            // These are looked for since the settings name them.
            _ if self.is_full && !known.joined && self.session.is_older_than(&self.settings) => {
                self.ears.time_of(self.settings.since)
            }
            None => self.first_session().await,
            // It was not watched then, or it would be noted.
            Some(settled) => match self.made_after(known, settled).await {
                Some(since) => since,
                None => self.joined_after(known, settled).await.unwrap_or(self.session.begun().max(settled)),
            },
        };
        let since = self.ears.watch_room(id, since).await;
        Progress { since, cursor: since }
    }

    async fn first_session(&self) -> Timestamp {
        let begun = self.session.begun();
        insist("the first session cannot be noted", || self.ears.store.first_session(begun)).await
    }

    /// When a channel was made that the bot has joined since, and that is watched whether it is in it or not; where that was
    /// after `settled`. Rather too early, where the server does not tell.
    async fn made_after(&self, known: &Known, settled: Timestamp) -> Option<Timestamp> {
        if !known.joined || !known.is_watched_from_outside(self.triggers()) {
            return None;
        }
        let reading = || self.ears.rest.room_by_id(&known.room.id);
        match at_most(TRIES, "a room cannot be looked up", reading).await {
            Ok(info) => self.birth(&info, settled).await,
            Err(error) => error.is_retryable().then_some(settled),
        }
    }

    /// When the bot came into the room, where that was after `settled`; rather too early, where the server does not tell.
    async fn joined_after(&self, known: &Known, settled: Timestamp) -> Option<Timestamp> {
        if !known.joined {
            return None;
        }
        let id = &known.room.id;
        let reading = || self.ears.rest.subscription(id);
        let subscription = match at_most(TRIES, "a subscription cannot be read", reading).await {
            Ok(subscription) => subscription?,
            Err(error) if error.is_retryable() => return Some(settled),
            Err(_) => return None,
        };
        let joined = subscription.joined_at.filter(|joined| *joined > settled)?;
        Some(self.by_this_clock(joined, settled).await)
    }

    /// A time that the server stamped after `settled`; rather too early, where its clock was set back since then and nobody
    /// knows by which one it was stamped.
    async fn by_this_clock(&self, stamped: Timestamp, settled: Timestamp) -> Timestamp {
        let back = insist("the clock cannot be read", || self.ears.store.set_back_since_settled()).await;
        let stamped = if back.is_zero() { stamped } else { settled.max(stamped - back - SKEW) };
        self.session.not_ahead(stamped)
    }

    /// Watches a channel from its beginning where it was made while nobody looked: a bot that was there had heard it all.
    pub(super) async fn watch_from_birth(&self, info: &RoomInfo) {
        let settled = match self.settled {
            Some(settled) => settled,
            None => self.first_session().await,
        };
        let known = Known { room: info.room.clone(), joined: false };
        if known.is_watched(self.triggers())
            && let Some(since) = self.birth(info, settled).await
        {
            self.ears.watch_room(&known.room.id, since).await;
        }
    }

    /// When a room was made, where that was after `settled`.
    async fn birth(&self, info: &RoomInfo, settled: Timestamp) -> Option<Timestamp> {
        let made = info.created_at.filter(|made| *made > settled)?;
        // Before that there was nothing, and the next message may have been stamped by another server's clock.
        Some(self.by_this_clock(made, settled).await - SKEW)
    }
}
