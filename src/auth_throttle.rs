//! Compares the secrets that callers of either listener send, and throttles those who send wrong ones.
//!
//! Behind a reverse proxy every caller has the proxy's address. So the throttle only affects the answer to a wrong secret. The
//! right one is always accepted, even from a throttled address.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use axum::{
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tracing::warn;

use crate::rate_limited_log::RateLimitedLog;

/// Wrong secrets per minute and address before the address is throttled.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Maximum number of addresses in memory. While that many are active, every wrong secret is throttled.
const MAX_ADDRESSES: usize = 4096;
/// The wait for addresses beyond the maximum.
const FULL_WAIT: Duration = Duration::from_secs(60);

/// Whether somebody sent this secret. Digests have one length, so comparing them does not reveal the secret's length.
pub(crate) fn is_secret(secret: &SecretString, sent: impl AsRef<[u8]>) -> bool {
    Sha256::digest(sent).ct_eq(&Sha256::digest(secret.expose_secret())).into()
}

/// Counts wrong secrets by address.
pub(crate) struct AuthThrottle {
    failures: DefaultKeyedRateLimiter<IpAddr>,
    log: RateLimitedLog,
}

impl Default for AuthThrottle {
    fn default() -> Self {
        Self { failures: RateLimiter::keyed(Quota::per_minute(PER_MINUTE)), log: RateLimitedLog::default() }
    }
}

impl AuthThrottle {
    /// Counts and logs a wrong secret. If its sender sent too many, returns the answer that asks to wait.
    pub(crate) fn refuse(&self, from: IpAddr, what: &str) -> Option<Response> {
        if let Some(calls) = self.log.count() {
            warn!(calls, %from, "{what}");
        }
        self.failed(from).map(too_many_requests)
    }

    /// Counts a wrong secret. If its sender sent too many, returns how long it has to wait.
    fn failed(&self, from: IpAddr) -> Option<Duration> {
        if self.failures.len() >= MAX_ADDRESSES {
            self.failures.retain_recent();
            if self.failures.len() >= MAX_ADDRESSES {
                return Some(FULL_WAIT);
            }
        }
        let checked = self.failures.check_key(&network(from));
        checked.err().map(|refused| refused.wait_time_from(DefaultClock::default().now()))
    }
}

/// The answer to a throttled caller.
fn too_many_requests(wait: Duration) -> Response {
    let seconds = wait.as_secs().max(1).to_string();
    let headers = [(header::RETRY_AFTER, seconds), (header::CONNECTION, "close".to_owned())];
    (StatusCode::TOO_MANY_REQUESTS, AppendHeaders(headers)).into_response()
}

/// The addresses that one caller controls: a single IPv4 address, a /64 network of IPv6.
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
    fn an_address_with_too_many_failures_has_to_wait_and_others_do_not() {
        let throttle = AuthThrottle::default();
        let one = address("192.0.2.1");
        for _ in 0..PER_MINUTE.get() {
            assert_eq!(throttle.failed(one), None);
        }
        let wait = throttle.failed(one).unwrap();
        assert!(wait <= Duration::from_secs(60 / 10), "{wait:?}");
        assert_eq!(throttle.failed(address("192.0.2.2")), None);
    }

    #[test]
    fn an_ipv6_network_is_one_caller_and_a_mapped_address_is_the_ipv4_one() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:2")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn the_number_of_remembered_addresses_is_bounded() {
        let throttle = AuthThrottle::default();
        let nth = |n: usize| IpAddr::from(Ipv4Addr::from_bits(n.try_into().unwrap()));
        for n in 0..MAX_ADDRESSES {
            assert_eq!(throttle.failed(nth(n)), None);
        }
        assert_eq!(throttle.failed(nth(MAX_ADDRESSES)), Some(FULL_WAIT));
        assert_eq!(throttle.failures.len(), MAX_ADDRESSES);
    }
}
