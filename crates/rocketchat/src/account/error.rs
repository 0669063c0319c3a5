//! Why there is no login: for good, or for now.
//!
//! Only what is certainly about the account is fatal. A client that gave up because the server was starting, or because of
//! a proxy in front of it, would never come back.
//!
//! The codes are from Rocket.Chat's `validateLoginAttempt` hooks and Meteor's `accounts-password`; REST and DDP use the
//! same ones.

use std::time::Duration;

use crate::UserId;
use crate::http::RestError;

/// Why the account cannot be used until a person fixes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// The personal access token is invalid or revoked.
    #[error(
        "Rocket.Chat does not accept the personal access token: {0}; create a new one (Profile > Personal Access Tokens) and check that the user ID belongs to it"
    )]
    TokenDead(String),
    /// The username or password is wrong, or the account may not log in.
    #[error(
        "Rocket.Chat refuses the login: {0}; check username and password, and that the account is active"
    )]
    Refused(String),
    /// The account needs a second factor.
    #[error(
        "Rocket.Chat requires a second factor (TOTP or email code) for this account; use a personal access token that ignores it"
    )]
    SecondFactor,
    /// The token belongs to another user.
    #[error("the token belongs to user \"{actual}\", not to \"{configured}\"")]
    WrongUser {
        /// The user ID configured with the token.
        configured: UserId,
        /// The user ID that the token belongs to.
        actual: UserId,
    },
}

/// Why there is no login.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// A person has to fix the account.
    #[error(transparent)]
    Fatal(#[from] Fatal),
    /// REST does not allow logins with a password, or refused this one without a reason (since 8.0 every refusal is just
    /// "unauthorized"). The realtime session then logs in over DDP, which gives the reason.
    #[error("Rocket.Chat does not log in over REST: {0}")]
    RestDisabled(String),
    /// The login failed for now; retry as [`RestError`] says.
    #[error(transparent)]
    NotNow(RestError),
}

impl From<LoginError> for RestError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Fatal(fatal) => Self::Unauthorized { code: String::new(), reason: fatal.to_string() },
            LoginError::RestDisabled(_) => Self::unavailable("not logged in yet"),
            LoginError::NotNow(Self::Rejected { reason, .. }) => Self::unavailable(reason),
            LoginError::NotNow(error) => error,
        }
    }
}

/// The wait after the server has blocked logins for too many failures. The answer names no time.
const BLOCKED_FOR: Duration = Duration::from_secs(60);

/// Classifies a refused login by what REST and DDP refuse alike.
pub(crate) fn refused_alike(code: &str, reason: &str) -> Option<LoginError> {
    let text = format!("{code} {reason}").to_ascii_lowercase();
    let says = |words: [&str; 2]| words.iter().any(|word| text.contains(word));
    if says(["totp", "2fa"]) {
        Some(Fatal::SecondFactor.into())
    } else if says(["login-blocked", "temporarily blocked"]) {
        Some(LoginError::NotNow(RestError::RateLimited { wait: BLOCKED_FOR }))
    } else {
        // These may not log in, even with valid credentials.
        let is_deactivated = matches!(
            code,
            "error-user-is-not-activated" | "error-app-user-is-not-allowed-to-login" | "error-invalid-email"
        );
        is_deactivated.then(|| Fatal::Refused(reason.to_owned()).into())
    }
}

/// Classifies a refused REST login.
pub(super) fn login_refused(error: RestError) -> LoginError {
    let (code, reason) = match error {
        RestError::Unauthorized { code, reason } => (code, reason),
        RestError::Rejected { status, code, reason } => (code, format!("{reason} (HTTP {status})")),
        error => return LoginError::NotNow(error),
    };
    refused_alike(&code, &reason).unwrap_or_else(|| match code.as_str() {
        // Up to 7.x: 403 for a wrong password, "Unauthorized" for an unknown user (`ApiClass.ts`, `login`).
        "403" | "Unauthorized" => Fatal::Refused(reason).into(),
        _ => LoginError::RestDisabled(reason),
    })
}
