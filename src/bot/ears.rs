//! What listening and catching up have in common: the server, the store, the rooms and the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};

use super::{
    catch_up::Listing,
    intake::{Circumstances, Intake},
    our_clock::OurClock,
    patience::insist,
    rooms::{Known, Rooms},
    session::{CLOCKS, SKEW, Session},
};
use crate::store::{ClockChange, Store};
use rocketchat::{Message, RoomId, rest::RestClient};

/// What listening and catching up have in common.
pub(super) struct Ears {
    pub(super) rest: RestClient,
    pub(super) store: Store,
    pub(super) intake: Intake,
    pub(super) rooms: Arc<Rooms>,
    pub(super) listing: Listing,
    /// How often it is looked for what the stream may have dropped.
    pub(super) look_again: Duration,
    /// What this machine's clock was like when the server's was last noted.
    noted: Mutex<Option<OurClock>>,
    /// How often the server's clock was found to be set back.
    set_backs: AtomicU64,
}

impl Ears {
    pub(super) fn new(rest: RestClient, store: Store, rooms: Arc<Rooms>, look_again: Duration) -> Self {
        Self {
            intake: Intake { store: store.clone() },
            rest,
            store,
            rooms,
            listing: Listing::default(),
            look_again,
            noted: Mutex::default(),
            set_backs: AtomicU64::default(),
        }
    }

    /// When that was, by the server's clock as far as it was measured; rather a little too early than too late.
    pub(super) fn time_of(&self, moment: Instant) -> Timestamp {
        self.rest.account().server_now().unwrap_or_else(Timestamp::now) - moment.elapsed() - SKEW
    }

    /// Notes that a room is watched from this time on, unless it is so already. Returns since when it is.
    pub(super) async fn watch_room(&self, room: &RoomId, from: Timestamp) -> Timestamp {
        insist("a room cannot be noted", || self.store.watch_room(room, from)).await
    }

    /// Takes note of the server's clock as it was last measured. Set forward, it only makes us read more than we must.
    pub(super) async fn keep_time(&self) {
        let mut noted = self.noted.lock().await;
        // Both are of one moment: our clock may be set while this waits for its turn, or for the store.
        let (ahead, now) = (self.rest.account().clock_offset(), OurClock::now());
        let Some(ahead) = ahead else { return };
        let ours = noted.get_or_insert(now).set_by();
        let noting = || self.store.note_clock(ahead, ours, CLOCKS);
        let change = insist("the clock cannot be noted", noting).await;
        // What it was set by counts once. A little of it may be no more than the measuring.
        if change.is_some() || ours.unsigned_abs() > CLOCKS {
            *noted = Some(now);
        }
        let Some(change) = change else { return };
        match change {
            ClockChange::Ours(by) => warn!(?by, "the clock of this machine was set"),
            ClockChange::Theirs(by) if by.is_negative() => {
                self.set_backs.fetch_add(1, Ordering::Relaxed);
                warn!(by = ?by.unsigned_abs(), "the server's clock was set back");
            }
            ClockChange::Theirs(_) => {}
        }
    }

    /// Should the server's clock have been set back while no bot ran, together with ours so that nothing tells of it: what is
    /// kept by it may lie in the future, and whatever is written until then would be passed over.
    pub(super) async fn leave_the_future(&self, session: &Session) {
        // Before it is measured, what is kept by it may only seem to lie in the future.
        let Some(now) = self.rest.account().server_now() else { return };
        let leaving = || self.store.leave_the_future(now, CLOCKS, session.horizon());
        if insist("the future cannot be left", leaving).await {
            warn!(
                "the clocks were set back while nobody saw it; all that rocketchat.catch_up reaches is read again"
            );
        }
    }

    /// How often the server's clock was set back so far: times that were noted before are in the future since then.
    pub(super) fn set_backs(&self) -> u64 {
        self.set_backs.load(Ordering::Relaxed)
    }

    /// Settles one message, as often as it takes. Returns how many alerts it raised.
    pub(super) async fn settle(&self, message: &Message, around: Circumstances<'_>) -> usize {
        insist("a message cannot be settled", || self.intake.settle(message, around)).await
    }

    /// Joins a watched public channel, so that the bot may reply there. Failing is no reason not to alert.
    pub(super) async fn join(&self, known: &Known) {
        let room = &known.room.id;
        match self.rest.join_channel(room).await {
            Ok(()) => {
                info!(%room, "joined a watched channel");
                self.rooms.learn(known.room.clone(), true);
            }
            Err(error) => warn!(%room, %error, "cannot join a watched channel; invite the bot"),
        }
    }
}
