//! The places for connections, and who gives up one when all are taken.
//!
//! A connection without a whole request gives way: one of the caller with the most connections, and of that caller's the one that
//! has waited longest. So a single caller displaces nobody but itself, and behind a reverse proxy, where every caller has the
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
    /// Notified when a connection ends, or begins to wait and so may be closed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// The last number that was given, to a connection or to the time since when one waits.
    last: u64,
    connections: HashMap<u64, Connection>,
}

/// Where the room for a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A place was free.
    Free,
    /// Another connection was closed.
    Made,
}

#[derive(Debug)]
struct Connection {
    network: IpAddr,
    /// When it began to wait for a request, in the order of such times; `None` while a call is answered.
    waits_since: Option<u64>,
    task: AbortHandle,
}

/// The place of one connection. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
}

/// While it lives, the connection is not closed to make room.
#[derive(Debug)]
pub(super) struct Answering(Arc<Place>);

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default(), changed: Notify::new() })
    }

    /// Makes room for one more connection: where all places are taken, it closes the one that has to give way. While all of them
    /// are answered it waits.
    pub(super) async fn make_room(&self) -> Room {
        loop {
            if let Some(room) = self.try_to_make_room() {
                return room;
            }
            self.changed.notified().await;
        }
    }

    fn try_to_make_room(&self) -> Option<Room> {
        let mut taken = self.taken.lock();
        if taken.connections.len() < self.most {
            return Some(Room::Free);
        }
        let closed = taken.first_to_go().and_then(|number| taken.connections.remove(&number))?;
        drop(taken);
        closed.task.abort();
        Some(Room::Made)
    }

    /// Takes a place for the connection that `spawn` starts.
    pub(super) fn open(self: &Arc<Self>, from: IpAddr, spawn: impl FnOnce(Arc<Place>) -> AbortHandle) {
        // Held until the connection is entered: its task may run at once.
        let mut taken = self.taken.lock();
        let number = taken.next();
        let task = spawn(Arc::new(Place { places: Arc::clone(self), number }));
        let connection = Connection { network: network(from), waits_since: Some(number), task };
        taken.connections.insert(number, connection);
    }
}

impl Taken {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn first_to_go(&self) -> Option<u64> {
        let mut of_network: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.connections.values() {
            *of_network.entry(connection.network).or_default() += 1;
        }
        let order = |number: &u64, connection: &Connection| {
            let since = connection.waits_since?;
            let crowd = of_network.get(&connection.network).copied().unwrap_or_default();
            Some(((Reverse(crowd), since), *number))
        };
        let waiting = self.connections.iter().filter_map(|(number, connection)| order(number, connection));
        waiting.min().map(|(_, number)| number)
    }
}

impl Place {
    /// A whole head has arrived. `None` if the connection had to give way in the meantime.
    pub(super) fn answer(self: &Arc<Self>) -> Option<Answering> {
        self.places.taken.lock().connections.get_mut(&self.number)?.waits_since = None;
        Some(Answering(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let freed = self.places.taken.lock().connections.remove(&self.number);
        self.places.changed.notify_one();
        drop(freed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut taken = self.0.places.taken.lock();
        let now = taken.next();
        if let Some(connection) = taken.connections.get_mut(&self.0.number) {
            connection.waits_since = Some(now);
        }
        drop(taken);
        self.0.places.changed.notify_one();
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
    async fn the_one_that_waits_longest_goes_first() {
        let places = Places::new(2);
        let [first, second, third] = ["127.0.0.1"; 3].map(|from| open(&places, from));
        assert!(!is_open(&first) && is_open(&second) && is_open(&third));
        // A call on the second one: since then it has waited for a shorter time than the third.
        drop(second.answer());
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
        let answering = busy.answer().unwrap();
        assert_eq!(places.try_to_make_room(), None);
        drop(answering);
        assert_eq!(places.make_room().await, Room::Made);
        assert!(!is_open(&busy));
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
        assert_eq!(places.make_room().await, Room::Free);
    }
}
