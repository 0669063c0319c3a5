//! Why a session or an attempt at one ended.

use std::time::Duration;

use crate::rest::{Failure, RestError};
use crate::{Fatal, LoginError};

/// Why a session or an attempt ended. Each is followed by another attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum LostReason {
    /// The host name does not resolve.
    #[error("the server's name cannot be resolved: {0}")]
    Dns(String),
    /// Nothing listens on the port.
    #[error("the server refuses connections: {0}")]
    Refused(String),
    /// A step took too long; which one is named.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// The TLS handshake failed, mostly for an untrusted certificate.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The proxy of the environment did not connect.
    #[error("the proxy failed: {0}")]
    Proxy(String),
    /// The server answered, but not as a WebSocket.
    #[error("no WebSocket at this address: {0}")]
    Handshake(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Network(String),
    /// The server answered `failed` to `connect`.
    #[error("the server does not speak this version of DDP")]
    ConnectFailed,
    /// REST, which the login needs, is unavailable.
    #[error("{0}")]
    Rest(String),
    /// A person has to fix the account. It is tried again in a few minutes.
    #[error("{0}")]
    Account(Fatal),
    /// The login failed with an error that is not about the account.
    #[error("the login failed: {0}")]
    Login(String),
    /// The token expired or was revoked; with a password, a new one follows.
    #[error("the token has expired or was revoked")]
    TokenExpired,
    /// Rate limited.
    #[error("the server asks to slow down")]
    RateLimited {
        /// For how long, if the server said so.
        wait: Option<Duration>,
    },
    /// The subscription to the messages was refused or ended.
    #[error("the server ended the subscription: {0}")]
    Nosub(String),
    /// Nothing arrived for too long, so the connection is dead.
    #[error("the server sent nothing for too long")]
    HalfOpen,
    /// The server closed the connection, with this close code if any.
    #[error("the server closed the connection{}", close_code(*.0))]
    ClosedByServer(Option<u16>),
    /// The server logged the account out.
    #[error("the server logged the account out")]
    ForcedLogout,
    /// The server violated DDP.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
}

impl LostReason {
    /// A short stable name for logs and metrics.
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

impl From<LoginError> for LostReason {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Fatal(fatal) => Self::Account(fatal),
            LoginError::RestDisabled(reason) => Self::Login(reason),
            LoginError::NotNow(error) => error.into(),
        }
    }
}

impl From<RestError> for LostReason {
    fn from(error: RestError) -> Self {
        match error {
            RestError::RateLimited { wait } => Self::RateLimited { wait: Some(wait) },
            RestError::Unavailable { reason, failure: Some(Failure::Dns), .. } => Self::Dns(reason),
            RestError::Unavailable { reason, failure: Some(Failure::Refused), .. } => Self::Refused(reason),
            RestError::Unavailable { reason, failure: Some(Failure::Tls), .. } => Self::Tls(reason),
            error => Self::Rest(error.to_string()),
        }
    }
}

fn close_code(code: Option<u16>) -> String {
    code.map(|code| format!(" (code {code})")).unwrap_or_default()
}
