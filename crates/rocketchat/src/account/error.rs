//! Why there is no login: for good, or only now.
//!
//! Only what is surely about the account is fatal: a bot that gives up for a server that
//! is starting up, or for the proxy in front of it, pages nobody any more.
//!
//! The codes come from Rocket.Chat's `validateLoginAttempt` hooks and Meteor's `accounts-password`; the same ones come
//! over REST and over DDP.

use jiff::{SignedDuration, Timestamp};

use crate::UserId;
use crate::http::{Effect, RestError};

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

/// How long to leave a server alone that has blocked logins after too many failed ones. It says not for how long.
const BLOCKED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// Sorts a refused REST login.
pub(super) fn login_refused(error: RestError) -> LoginError {
    let (code, reason) = match error {
        RestError::Unauthorized { code, reason } => (code, reason),
        RestError::Rejected { status, code, reason } => (code, format!("{reason} (HTTP {status})")),
        error => return LoginError::NotNow(error),
    };
    if is_second_factor(&code) || is_second_factor(&reason) {
        Fatal::SecondFactor.into()
    } else if is_blocked(&code) || is_blocked(&reason) {
        LoginError::NotNow(RestError::RateLimited { until: Timestamp::now() + BLOCKED_FOR })
    } else if is_deactivated(&code) || matches!(code.as_str(), "403" | "Unauthorized") {
        // Up to 7.x: 403 for a wrong password, "Unauthorized" for an unknown user (`ApiClass.ts`, `login`).
        Fatal::Refused(reason).into()
    } else {
        LoginError::RestDisabled(reason)
    }
}

/// Whether the account is asked for a second factor, which a bot has not.
pub(crate) fn is_second_factor(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("totp") || text.contains("2fa")
}

/// Whether logins are blocked for a while, for this user or this address.
pub(crate) fn is_blocked(text: &str) -> bool {
    text.contains("login-blocked") || text.contains("temporarily blocked")
}

/// Whether the account itself may not log in, whatever it proves.
pub(crate) fn is_deactivated(code: &str) -> bool {
    matches!(
        code,
        "error-user-is-not-activated" | "error-app-user-is-not-allowed-to-login" | "error-invalid-email"
    )
}
