//! The state that the handle, the routes and the sessions share: the world behind one lock, and the channel of its changes.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{broadcast, watch};

use super::change::Change;
use super::ddp::Sessions;
use super::faults::Faults;
use super::options::Options;
use super::rest::{Journal, RouteLimits};
use super::world::World;

/// The most changes that a slow listener may lag before it misses some.
const CHANGES_KEPT: usize = 16_384;

/// The shared state of one simulated server.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) faults: Faults,
    pub(super) sessions: Sessions,
    pub(super) journal: Journal,
    pub(super) route_limits: RouteLimits,
    /// The URL of the page that shows the messages.
    pub(super) web_client: RwLock<Option<String>>,
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
            web_client: RwLock::default(),
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

    /// Reads the world.
    pub(super) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the world and sends the changes to every listener, in order, before the next change can happen.
    pub(super) fn act<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let outcome = act(&mut world);
        let changes = world.take_changes();
        if !changes.is_empty() {
            let switches = self.faults.switches();
            for change in changes {
                self.sessions.deliver(&world, &change, &switches);
                // Fails only without listeners.
                let _ = self.changes.send(change);
            }
            self.wake();
        }
        outcome
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Wakes every waiter.
    pub(super) fn wake(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    pub(super) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}
