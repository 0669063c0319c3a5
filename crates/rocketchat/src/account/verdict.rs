//! What a refused login means. Only what is surely about the account is fatal: a bot that gives up for a server that
//! is starting up, or for the proxy in front of it, pages nobody any more.
//!
//! The codes come from Rocket.Chat's `validateLoginAttempt` hooks and Meteor's `accounts-password`; the same ones come
//! over REST and over DDP.

use jiff::{SignedDuration, Timestamp};

use super::{Fatal, LoginError};
use crate::rest::RestError;

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
