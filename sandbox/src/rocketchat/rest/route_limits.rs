//! How many calls of a route a client address may make (`enforceRateLimit` in `ApiClass.ts`).

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::rocketchat::options::Limit;
use crate::rocketchat::rate_limit::{Count, Windows};

/// The windows of all routes and addresses.
#[derive(Debug, Default)]
pub(crate) struct RouteLimits(Mutex<Windows>);

impl RouteLimits {
    pub(super) fn count(&self, route: &str, client: IpAddr, limit: Limit) -> Count {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(&format!("{route} {client}"), limit)
    }
}
