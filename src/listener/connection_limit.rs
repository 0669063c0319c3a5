//! Limits the connections of each caller, so that no single caller can keep SIGNL4 out.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::auth_throttle::network;

/// Counts open connections by caller.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    per_caller: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// An open connection; dropping it frees its place.
#[derive(Debug)]
pub(super) struct OpenConnection {
    limit: Arc<ConnectionLimit>,
    from: IpAddr,
}

impl ConnectionLimit {
    pub(super) fn new(per_caller: usize) -> Arc<Self> {
        Arc::new(Self { per_caller, open: Mutex::default() })
    }

    /// Counts a new connection; `None` if its caller has too many. Addresses of this machine and of private networks are
    /// not limited, because a reverse proxy has such an address and limits its callers itself.
    pub(super) fn open(self: &Arc<Self>, from: IpAddr) -> Option<OpenConnection> {
        let from = network(from);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(from).or_default();
        if *count >= self.per_caller && !is_private(from) {
            return None;
        }
        *count += 1;
        Some(OpenConnection { limit: Arc::clone(self), from })
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = self.limit.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.from);
            }
        }
    }
}

fn is_private(network: IpAddr) -> bool {
    match network {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            // The /64 network of ::1 is ::.
            address.is_unspecified() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_caller_has_a_limited_number_of_connections_and_closing_one_makes_room() {
        let limit = ConnectionLimit::new(2);
        let from = address("203.0.113.7");
        let (first, _second) = (limit.open(from).unwrap(), limit.open(from).unwrap());
        assert!(limit.open(from).is_none());
        assert!(limit.open(address("203.0.113.8")).is_some(), "another caller");
        drop(first);
        assert!(limit.open(from).is_some());
    }

    #[test]
    fn a_private_address_is_not_limited_and_an_ipv6_network_is_one_caller() {
        let limit = ConnectionLimit::new(1);
        for private in
            ["127.0.0.1", "::1", "10.1.2.3", "172.18.0.1", "::ffff:192.168.0.2", "fd00::1", "fe80::1"]
        {
            let held = [limit.open(address(private)), limit.open(address(private))];
            assert!(held.iter().all(Option::is_some), "{private}");
        }
        let _first = limit.open(address("2001:db8::1")).unwrap();
        assert!(limit.open(address("2001:db8::2")).is_none());
        assert!(limit.open(address("2001:db8:0:1::2")).is_some());
    }

    #[test]
    fn a_caller_without_connections_is_forgotten() {
        let limit = ConnectionLimit::new(1);
        drop(limit.open(address("203.0.113.7")));
        assert!(limit.open.lock().unwrap().is_empty());
    }
}
