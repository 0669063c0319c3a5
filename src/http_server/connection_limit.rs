//! The connection limit of a listener, and which connection is evicted when it is reached.
//!
//! Only a connection without a complete request is evicted: the oldest one of the network with the most connections. So a single
//! client evicts only its own connections. Behind a reverse proxy, where all clients share the proxy's address, the newest call
//! still comes in.

use std::{cmp::Reverse, collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::Notify, task::AbortHandle};

use crate::auth_throttle::network;

/// Bounds the open connections of a listener.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    max: usize,
    open: Mutex<Open>,
    /// Notified when a connection ends.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    /// The number of the newest connection.
    last: u64,
    connections: HashMap<u64, Connection>,
}

#[derive(Debug)]
struct Connection {
    network: IpAddr,
    /// Whether the head of its request is complete.
    has_request: bool,
    task: AbortHandle,
}

/// The slot of one connection. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    limit: Arc<ConnectionLimit>,
    number: u64,
}

impl ConnectionLimit {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default(), freed: Notify::new() })
    }

    /// Makes room for one more connection: evicts one if the limit is reached. Waits while every open connection is
    /// being answered. Returns whether it evicted one.
    pub(super) async fn make_room(&self) -> bool {
        loop {
            if let Some(has_evicted) = self.try_make_room() {
                return has_evicted;
            }
            self.freed.notified().await;
        }
    }

    fn try_make_room(&self) -> Option<bool> {
        let mut open = self.open.lock();
        if open.connections.len() < self.max {
            return Some(false);
        }
        let evicted = open.next_to_evict().and_then(|number| open.connections.remove(&number))?;
        drop(open);
        evicted.task.abort();
        Some(true)
    }

    /// Takes a slot for the connection that `spawn` starts.
    pub(super) fn open(self: &Arc<Self>, from: IpAddr, spawn: impl FnOnce(Arc<Slot>) -> AbortHandle) {
        // Locked until the connection is entered: its task may run at once.
        let mut open = self.open.lock();
        open.last += 1;
        let number = open.last;
        let task = spawn(Arc::new(Slot { limit: Arc::clone(self), number }));
        let connection = Connection { network: network(from), has_request: false, task };
        open.connections.insert(number, connection);
    }
}

impl Open {
    fn next_to_evict(&self) -> Option<u64> {
        let mut of_network: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.connections.values() {
            *of_network.entry(connection.network).or_default() += 1;
        }
        let same_network = |of: &Connection| of_network.get(&of.network).copied().unwrap_or_default();
        let waiting = self.connections.iter().filter(|(_, connection)| !connection.has_request);
        waiting
            .min_by_key(|(number, connection)| (Reverse(same_network(connection)), **number))
            .map(|(number, _)| *number)
    }
}

impl Slot {
    /// A complete head has arrived: the connection is not evicted any more. `false` if it already was.
    pub(super) fn keep(&self) -> bool {
        let mut open = self.limit.open.lock();
        let connection = open.connections.get_mut(&self.number);
        connection.map(|connection| connection.has_request = true).is_some()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let freed = self.limit.open.lock().connections.remove(&self.number);
        self.limit.freed.notify_one();
        drop(freed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    /// A connection whose client never sends anything.
    fn open(limit: &Arc<ConnectionLimit>, from: &str) -> Arc<Slot> {
        let mut opened = None;
        limit.try_make_room().unwrap();
        limit.open(from.parse().unwrap(), |slot| {
            opened = Some(slot.clone());
            tokio::spawn(std::future::pending::<()>()).abort_handle()
        });
        opened.unwrap()
    }

    fn is_open(slot: &Slot) -> bool {
        slot.limit.open.lock().connections.contains_key(&slot.number)
    }

    #[tokio::test]
    async fn the_oldest_connection_without_a_request_is_evicted() {
        let limit = ConnectionLimit::new(2);
        let [first, second, third] = ["127.0.0.1"; 3].map(|from| open(&limit, from));
        assert!(!is_open(&first) && is_open(&second) && is_open(&third));
        assert!(second.keep());
        let fourth = open(&limit, "127.0.0.1");
        assert!(is_open(&second) && !is_open(&third) && is_open(&fourth));
    }

    #[tokio::test]
    async fn eviction_ends_the_task_of_the_connection() {
        let limit = ConnectionLimit::new(1);
        let first = open(&limit, "127.0.0.1");
        let task = limit.open.lock().connections[&first.number].task.clone();
        open(&limit, "127.0.0.1");
        while !task.is_finished() {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_flood_from_one_network_evicts_only_its_own_connections() {
        let limit = ConnectionLimit::new(4);
        let signl4 = open(&limit, "198.51.100.7");
        // All addresses of an IPv6 network count as one client.
        let flood = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"]
            .map(|from| open(&limit, from));
        assert!(is_open(&signl4));
        assert_eq!(
            flood.iter().map(|slot| is_open(slot)).collect::<Vec<_>>(),
            [false, false, true, true, true]
        );
    }

    #[tokio::test]
    async fn while_every_call_is_being_answered_the_next_one_waits() {
        let limit = ConnectionLimit::new(1);
        let busy = open(&limit, "127.0.0.1");
        assert!(busy.keep());
        assert_eq!(limit.try_make_room(), None);
        drop(busy);
        assert!(!limit.make_room().await);
    }

    #[tokio::test]
    async fn an_evicted_connection_is_not_answered() {
        let limit = ConnectionLimit::new(1);
        let evicted = open(&limit, "127.0.0.1");
        open(&limit, "127.0.0.1");
        assert!(!evicted.keep());
    }

    #[tokio::test]
    async fn a_connection_that_ends_frees_its_slot() {
        let limit = ConnectionLimit::new(1);
        let mut opened = None;
        limit.open([127, 0, 0, 1].into(), |slot| {
            opened = Some(slot);
            tokio::spawn(async {}).abort_handle()
        });
        drop(opened);
        assert!(limit.open.lock().connections.is_empty());
        assert!(!limit.make_room().await);
    }
}
