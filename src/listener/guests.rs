//! Who holds how many connections, so that one caller alone cannot keep SIGNL4 out.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use crate::strangers::network;

/// The book of open connections.
#[derive(Debug)]
pub(super) struct Guests {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection, until dropped.
#[derive(Debug)]
pub(super) struct Guest {
    guests: Arc<Guests>,
    from: IpAddr,
}

impl Guests {
    /// No caller from the internet may hold more than `most`.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// Lets a connection in; `None` where its caller holds too many. All that a reverse proxy passes on comes from one
    /// address, near by; it bounds its callers itself.
    pub(super) fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Guest> {
        let from = network(from);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(from).or_default();
        if *count >= self.most && !is_near(from) {
            return None;
        }
        *count += 1;
        Some(Guest { guests: Arc::clone(self), from })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.guests.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.from);
            }
        }
    }
}

/// Whether an address is of this machine or of a private network.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            // The network of ::1 is what is left of it.
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
    fn a_caller_holds_no_more_than_its_share_and_gets_back_what_it_lets_go() {
        let guests = Guests::new(2);
        let from = address("203.0.113.7");
        let (first, _second) = (guests.enter(from).unwrap(), guests.enter(from).unwrap());
        assert!(guests.enter(from).is_none());
        assert!(guests.enter(address("203.0.113.8")).is_some(), "another caller");
        drop(first);
        assert!(guests.enter(from).is_some());
    }

    #[test]
    fn a_proxy_near_by_is_not_one_caller_and_a_network_of_ipv6_is() {
        let guests = Guests::new(1);
        for near in ["127.0.0.1", "::1", "10.1.2.3", "172.18.0.1", "::ffff:192.168.0.2", "fd00::1", "fe80::1"]
        {
            let held = [guests.enter(address(near)), guests.enter(address(near))];
            assert!(held.iter().all(Option::is_some), "{near}");
        }
        let _first = guests.enter(address("2001:db8::1")).unwrap();
        assert!(guests.enter(address("2001:db8::2")).is_none());
        assert!(guests.enter(address("2001:db8:0:1::2")).is_some());
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let guests = Guests::new(1);
        drop(guests.enter(address("203.0.113.7")));
        assert!(guests.open.lock().unwrap().is_empty());
    }
}
