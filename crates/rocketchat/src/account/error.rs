//! Why the account is of no use: for good, or only now.

use super::UserId;
use crate::rest::{Effect, RestError};

/// Why the account cannot be used until somebody mends it. Nothing else ends
/// [`run`](crate::realtime::Realtime::run).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// The personal access token is not, or no longer, accepted.
    #[error(
        "Rocket.Chat does not accept the personal access token: {0}; make a new one (My Account > Personal Access Tokens) and check that the user ID belongs to it"
    )]
    TokenDead(String),
    /// User name or password are not accepted.
    #[error(
        "Rocket.Chat refuses the login: {0}; check user name and password, and that the account is active"
    )]
    Refused(String),
    /// The account demands a second factor.
    #[error(
        "Rocket.Chat demands a second factor (TOTP or e-mail code) for this account; use a personal access token that ignores it"
    )]
    SecondFactor,
    /// The token is somebody else's.
    #[error("the token belongs to user \"{actual}\", not to \"{configured}\"")]
    WrongUser {
        /// The user ID that was given with the token.
        configured: UserId,
        /// Whose token it is.
        actual: UserId,
    },
}

/// Why there is no login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Somebody must mend the account.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// There is no login with a password over REST, or one was refused without a reason (from 8.0 on every refusal
    /// says "unauthorized" and no more). The realtime session tries over DDP, which tells why.
    #[error("Rocket.Chat does not log in over REST: {0}")]
    RestDisabled(String),
    /// Not now.
    #[error(transparent)]
    NotNow(RestError),
}

impl From<LoginError> for RestError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Fatal(fatal) => Self::Unauthorized { code: String::new(), reason: fatal.to_string() },
            LoginError::RestDisabled(_) => Self::unreachable("not logged in yet"),
            // Whatever became of the login, the call itself was never made.
            LoginError::NotNow(Self::Unavailable { reason, failure, .. }) => {
                Self::Unavailable { reason, effect: Effect::None, failure }
            }
            LoginError::NotNow(Self::Rejected { reason, .. }) => Self::unreachable(reason),
            LoginError::NotNow(error) => error,
        }
    }
}
