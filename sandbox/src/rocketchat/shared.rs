//! What the handle, the routes and the sessions share: the world behind one lock, and the way its changes go out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{broadcast, watch};

use super::change::Change;
use super::ddp::Sessions;
use super::faults::Faults;
use super::options::Options;
use super::rest::{Journal, RouteLimits};
use super::world::World;

/// How many changes a slow listener may lag behind before it misses some.
const CHANGES_KEPT: usize = 16_384;

/// What the parts of one simulated server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) faults: Faults,
    pub(super) sessions: Sessions,
    pub(super) journal: Journal,
    pub(super) route_limits: RouteLimits,
    world: Mutex<World>,
    changes: broadcast::Sender<Change>,
    /// Counts changes of the world, of the sessions and of the journal, so that a waiter looks again after each and can't miss one.
    version: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let world = World::new(options.seed, options.max_message_size);
        Self {
            faults: Faults::none(),
            sessions: Sessions::default(),
            journal: Journal::default(),
            route_limits: RouteLimits::default(),
            world: Mutex::new(world),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            version: watch::Sender::new(0),
            options,
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic in a test's closure must not hide the test's own message behind a poisoned lock.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world.
    pub(super) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the world, and tells every listener in the order of the changes, before the next one can happen.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let outcome = act(&mut world);
        let changes = world.take_changes();
        if !changes.is_empty() {
            let switches = self.faults.switches();
            for change in changes {
                self.sessions.deliver(&world, &change, &switches);
                // Nobody listening is no failure.
                let _ = self.changes.send(change);
            }
            self.wake();
        }
        outcome
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Lets every waiter look again.
    pub(super) fn wake(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    pub(super) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}
