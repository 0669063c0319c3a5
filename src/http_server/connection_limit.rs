//! The open connections of a listener, and which of them is evicted when there are too many.
//!
//! Only a connection without a complete request is evicted: the oldest one of the network with the most connections. So a single
//! client evicts only its own connections. Behind a reverse proxy, where all clients share the proxy's address, the newest call
//! still comes in.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use tokio::task::AbortHandle;

use crate::auth_throttle::network;

/// The open connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections(Vec<Connection>);

#[derive(Debug)]
struct Connection {
    network: IpAddr,
    fate: Fate,
    task: AbortHandle,
}

/// Whether a connection's request is answered or the connection is evicted: never both.
#[derive(Clone, Debug, Default)]
pub(super) struct Fate(Arc<OnceLock<Decided>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decided {
    Answered,
    Evicted,
}

impl Fate {
    /// A complete head has arrived: the connection is not evicted any more. `false` if it already was.
    pub(super) fn answer(&self) -> bool {
        *self.0.get_or_init(|| Decided::Answered) == Decided::Answered
    }

    fn evict(&self) -> bool {
        *self.0.get_or_init(|| Decided::Evicted) == Decided::Evicted
    }
}

impl Connections {
    pub(super) fn add(&mut self, from: IpAddr, fate: Fate, task: AbortHandle) {
        self.0.push(Connection { network: network(from), fate, task });
    }

    /// The number of connections whose tasks have not ended.
    pub(super) fn count(&mut self) -> usize {
        self.0.retain(|connection| !connection.task.is_finished());
        self.0.len()
    }

    /// Evicts a connection. `false` if every one is being answered.
    pub(super) fn evict(&mut self) -> bool {
        let mut of_network: HashMap<IpAddr, usize> = HashMap::new();
        for connection in &self.0 {
            *of_network.entry(connection.network).or_default() += 1;
        }
        // Again if its head arrives right now.
        loop {
            let waiting =
                self.0.iter().enumerate().filter(|(_, connection)| connection.fate.0.get().is_none());
            let crowded = |connection: &Connection| of_network.get(&connection.network).copied();
            // Of equals the first, which is the oldest.
            let Some((at, _)) = waiting.min_by_key(|(_, connection)| Reverse(crowded(connection))) else {
                return false;
            };
            if self.0[at].fate.evict() {
                self.0.remove(at).task.abort();
                return true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    impl Connections {
        /// A connection whose client never sends anything. Evicts another one if there are as many as this.
        fn open(&mut self, max: usize, from: &str) -> Fate {
            if self.count() >= max {
                assert!(self.evict());
            }
            let fate = Fate::default();
            let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
            self.add(from.parse().unwrap(), fate.clone(), task);
            fate
        }
    }

    fn is_evicted(fate: &Fate) -> bool {
        fate.0.get() == Some(&Decided::Evicted)
    }

    #[tokio::test]
    async fn the_oldest_connection_without_a_request_is_evicted() {
        let mut connections = Connections::default();
        let [first, second, third] = ["127.0.0.1"; 3].map(|from| connections.open(2, from));
        assert!(is_evicted(&first) && !is_evicted(&second) && !is_evicted(&third));
        assert!(second.answer());
        let fourth = connections.open(2, "127.0.0.1");
        assert!(!is_evicted(&second) && is_evicted(&third) && !is_evicted(&fourth));
    }

    #[tokio::test]
    async fn eviction_ends_the_task_of_the_connection() {
        let mut connections = Connections::default();
        connections.open(1, "127.0.0.1");
        let task = connections.0[0].task.clone();
        connections.open(1, "127.0.0.1");
        while !task.is_finished() {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_flood_from_one_network_evicts_only_its_own_connections() {
        let mut connections = Connections::default();
        let signl4 = connections.open(4, "198.51.100.7");
        // All addresses of an IPv6 network count as one client.
        let flood = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"]
            .map(|from| connections.open(4, from));
        assert!(!is_evicted(&signl4));
        assert_eq!(flood.each_ref().map(is_evicted), [true, true, false, false, false]);
    }

    #[tokio::test]
    async fn a_connection_that_is_being_answered_is_not_evicted() {
        let mut connections = Connections::default();
        let busy = connections.open(1, "127.0.0.1");
        assert!(busy.answer());
        assert!(!connections.evict() && connections.count() == 1);
    }

    #[tokio::test]
    async fn an_evicted_connection_is_not_answered() {
        let mut connections = Connections::default();
        let evicted = connections.open(1, "127.0.0.1");
        connections.open(1, "127.0.0.1");
        assert!(!evicted.answer());
    }

    #[tokio::test]
    async fn a_connection_that_ends_makes_room() {
        let mut connections = Connections::default();
        let task = tokio::spawn(async {});
        connections.add([127, 0, 0, 1].into(), Fate::default(), task.abort_handle());
        task.await.unwrap();
        assert_eq!(connections.count(), 0);
    }
}
