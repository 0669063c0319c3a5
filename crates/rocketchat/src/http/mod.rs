//! One server over HTTP: opening a connection, making a call, and interpreting its answer.
//!
//! A call goes through [`Http::exchange`]: not at all while its route is rate limited, then one request, a bounded body, and
//! either JSON or a [`RestError`] that says what the caller does next.

mod clock;
mod connector;
mod error;
mod exchange;
mod limits;

pub use connector::{Connector, ConnectorError};
pub use error::RestError;
pub use http_outcome::Failure;

#[cfg(test)]
pub(crate) use exchange::MAX_BODY;
#[cfg(any(test, fuzzing))]
pub(crate) use exchange::fuzzing;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::ServerUrl;
use clock::ServerClock;
use limits::RouteLimits;

/// One server: its address, its clock, and which of its routes are rate limited.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) server: ServerUrl,
    pub(crate) connector: Connector,
    pub(crate) limits: RouteLimits,
    pub(crate) clock: ServerClock,
}

impl Http {
    pub(crate) fn new(server: ServerUrl, connector: Connector) -> Self {
        Self { server, connector, limits: RouteLimits::default(), clock: ServerClock::default() }
    }

    /// A request to `/api/v1/<route>`.
    pub(crate) fn request(&self, method: Method, route: &str) -> RequestBuilder {
        self.connector.http.request(method, self.server.api(route))
    }

    /// Makes one call and returns the JSON of its answer. While `route` is rate limited, no call is made.
    pub(crate) async fn exchange(
        &self,
        route: &'static str,
        request: RequestBuilder,
    ) -> Result<Value, RestError> {
        decoded(&self.exchange_raw(route, request).await?)
    }
}

/// The JSON of an answer.
pub(crate) fn decoded(answer: &[u8]) -> Result<Value, RestError> {
    lenient_json::read(answer).map_err(|_| RestError::unavailable("an answer that is no JSON"))
}
