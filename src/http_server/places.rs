//! The places for connections, and who gives up one when all are taken.
//!
//! A connection without a whole request gives way: one of the caller with the most connections, and of that caller's the oldest. So a single caller displaces nobody but itself, and behind a reverse proxy, where every caller has the
//! proxy's address, the latest call still comes in.

use std::{cmp::Reverse, collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

use crate::auth_throttle::network;

/// All places of a listener.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
    /// Notified when a connection ends.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// The number of the newest connection.
    last: u64,
    connections: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    network: IpAddr,
    /// Whether its request's head is complete.
    has_request: bool,
    task: AbortHandle,
}

/// The place of one connection. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Makes room for one more connection: where all places are taken, it closes the one that has to give way. While all of them
    /// are answered it waits. Returns whether it closed one.
    pub(super) async fn make_room(&self) -> bool {
        loop {
            if let Some(has_closed) = self.try_to_make_room() {
                return has_closed;
            }
            self.freed.notified().await;
        }
    }

    fn try_to_make_room(&self) -> Option<bool> {
        let mut taken = self.taken.lock();
        if taken.connections.len() < self.most {
            return Some(false);
        }
        let closed = taken.first_to_go().and_then(|number| taken.connections.remove(&number))?;
        drop(taken);
        closed.task.abort();
        Some(true)
    }

    /// Takes a place for the connection that `spawn` starts.
    pub(super) fn open(self: &Arc<Self>, from: IpAddr, spawn: impl FnOnce(Arc<Place>) -> AbortHandle) {
        // Held until the connection is entered: its task may run at once.
        let mut taken = self.taken.lock();
        taken.last += 1;
        let number = taken.last;
        let task = spawn(Arc::new(Place { places: Arc::clone(self), number }));
        let connection = Connection { network: network(from), has_request: false, task };
        taken.connections.insert(number, connection);
    }
}

impl Taken {
    fn first_to_go(&self) -> Option<u64> {
        let mut of_network: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.connections.values() {
            *of_network.entry(connection.network).or_default() += 1;
        }
        let crowd = |of: &Connection| of_network.get(&of.network).copied().unwrap_or_default();
        let waiting = self.connections.iter().filter(|(_, connection)| !connection.has_request);
        waiting
            .min_by_key(|(number, connection)| (Reverse(crowd(connection)), **number))
            .map(|(number, _)| *number)
    }
}

impl Place {
    /// A whole head has arrived, so the connection keeps its place. `false` if it had to give way in the meantime.
    pub(super) fn answer(&self) -> bool {
        let mut taken = self.places.taken.lock();
        let connection = taken.connections.get_mut(&self.number);
        connection.map(|connection| connection.has_request = true).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let freed = self.places.taken.lock().connections.remove(&self.number);
        self.places.freed.notify_one();
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    /// A caller that never sends anything.
    fn open(places: &Arc<Places>, from: &str) -> Arc<Place> {
        let mut opened = None;
        places.try_to_make_room().unwrap();
        places.open(from.parse().unwrap(), |place| {
            opened = Some(place.clone());
            tokio::spawn(std::future::pending::<()>()).abort_handle()
        });
        opened.unwrap()
    }

    fn is_open(place: &Place) -> bool {
        place.places.taken.lock().connections.contains_key(&place.number)
    }

    #[tokio::test]
    async fn the_oldest_one_without_a_request_goes_first() {
        let places = Places::new(2);
        let [first, second, third] = ["127.0.0.1"; 3].map(|from| open(&places, from));
        assert!(!is_open(&first) && is_open(&second) && is_open(&third));
        assert!(second.answer());
        let fourth = open(&places, "127.0.0.1");
        assert!(is_open(&second) && !is_open(&third) && is_open(&fourth));
    }

    #[tokio::test]
    async fn a_closed_connection_s_task_ends() {
        let places = Places::new(1);
        let first = open(&places, "127.0.0.1");
        let task = places.taken.lock().connections[&first.number].task.clone();
        open(&places, "127.0.0.1");
        while !task.is_finished() {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_crowd_displaces_only_itself() {
        let places = Places::new(4);
        let signl4 = open(&places, "198.51.100.7");
        // An IPv6 network is one caller.
        let crowd = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"]
            .map(|from| open(&places, from));
        assert!(is_open(&signl4));
        assert_eq!(
            crowd.iter().map(|place| is_open(place)).collect::<Vec<_>>(),
            [false, false, true, true, true]
        );
    }

    #[tokio::test]
    async fn a_call_that_is_answered_keeps_its_place_and_the_next_one_waits() {
        let places = Places::new(1);
        let busy = open(&places, "127.0.0.1");
        assert!(busy.answer());
        assert_eq!(places.try_to_make_room(), None);
        drop(busy);
        assert!(!places.make_room().await);
    }

    #[tokio::test]
    async fn a_connection_that_gave_way_is_not_answered() {
        let places = Places::new(1);
        let displaced = open(&places, "127.0.0.1");
        open(&places, "127.0.0.1");
        assert!(!displaced.answer());
    }

    #[tokio::test]
    async fn a_connection_that_ends_frees_its_place() {
        let places = Places::new(1);
        let mut opened = None;
        places.open([127, 0, 0, 1].into(), |place| {
            opened = Some(place);
            tokio::spawn(async {}).abort_handle()
        });
        drop(opened);
        assert!(places.taken.lock().connections.is_empty());
        assert!(!places.make_room().await);
    }
}
