//! Counts the calls that come without the right secret to either listener, and says when an address made too many.
//!
//! Behind a reverse proxy every caller has the proxy's address. So an address is only ever refused what it could not get
//! anyway: the right secret passes, whoever else calls from there.

mod seldom;

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use tokio::time::Instant;

pub(crate) use seldom::Seldom;

/// Wrong calls of one address in a [`WINDOW`] that are answered as a single one is.
const PER_WINDOW: u32 = 10;
/// How long calls are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are counted at the same time. Further ones are taken for some that called too often.
const MAX_ADDRESSES: usize = 4096;

/// The book of wrong calls.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    /// Since when an address is counted, and how often it called.
    addresses: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Strangers {
    /// Notes a wrong call. Where its address called too often: after which time it may come again.
    pub(crate) fn note(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let from = network(from);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&from) {
            addresses.retain(|_, (since, _)| now < *since + WINDOW);
            if addresses.len() >= MAX_ADDRESSES {
                return Some(WINDOW);
            }
        }
        let (since, calls) = addresses.entry(from).or_insert((now, 0));
        if now >= *since + WINDOW {
            (*since, *calls) = (now, 0);
        }
        *calls = calls.saturating_add(1);
        (*calls > PER_WINDOW).then(|| *since + WINDOW - now)
    }
}

/// The answer to an address that called too often.
pub(crate) fn too_often(wait: Duration) -> Response {
    let seconds = wait.as_secs().max(1).to_string();
    let headers = [(header::RETRY_AFTER, seconds), (header::CONNECTION, "close".to_owned())];
    (StatusCode::TOO_MANY_REQUESTS, AppendHeaders(headers)).into_response()
}

/// What one caller has to itself: an address, and with IPv6 all 2^64 of a network.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_calls_too_often_is_told_when_to_come_again_and_others_are_not() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let one = address("192.0.2.1");
        for _ in 0..PER_WINDOW {
            assert_eq!(strangers.note(one, now), None);
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(strangers.note(one, later), Some(Duration::from_secs(40)));
        assert_eq!(strangers.note(address("192.0.2.2"), later), None);
        assert_eq!(strangers.note(one, now + WINDOW), None, "a minute later it is counted anew");
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller_and_a_mapped_address_is_what_it_maps() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:2")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn the_book_does_not_grow_without_end_and_forgets_who_is_quiet() {
        let (strangers, now) = (Strangers::default(), Instant::now());
        let nth = |n: u32| IpAddr::from(Ipv4Addr::from_bits(n));
        let most = u32::try_from(MAX_ADDRESSES).unwrap();
        for n in 0..most {
            assert_eq!(strangers.note(nth(n), now), None);
        }
        assert_eq!(strangers.note(nth(most), now), Some(WINDOW));
        assert_eq!(strangers.addresses.lock().unwrap().len(), MAX_ADDRESSES);
        assert_eq!(strangers.note(nth(most), now + WINDOW), None);
        assert_eq!(strangers.addresses.lock().unwrap().len(), 1);
    }
}
