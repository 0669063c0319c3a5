//! Why a REST call failed, by what the caller does next.

use std::time::Duration;

use http_outcome::Failure;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// No usable answer: network error, timeout, 5xx, or an answer that is not Rocket.Chat's, such as a proxy's. Retry
    /// later. The call may have taken effect.
    #[error("Rocket.Chat is not available: {reason}")]
    Unavailable {
        /// What happened, without the URL.
        reason: String,
        /// Why there was no answer; `None` if there was one.
        failure: Option<Failure>,
    },
    /// The route is rate limited (429, `error-too-many-requests`). The call had no effect.
    #[error("Rocket.Chat asks for fewer calls, and for none in the next {} s", wait.as_secs())]
    RateLimited {
        /// How long the server accepts no calls.
        wait: Duration,
    },
    /// The token is refused and could not be renewed. The call had no effect, and can succeed once the account is fixed.
    #[error("Rocket.Chat does not accept the account: {reason}")]
    Unauthorized {
        /// The server's code, or empty.
        code: String,
        /// The server's message, or what is wrong with the account.
        reason: String,
    },
    /// The server refuses this call. The same call will be refused again.
    #[error("Rocket.Chat refuses: {reason} ({code})")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// `errorType`, such as `error-message-size-exceeded`; else the code within the error text; else empty.
        code: String,
        /// The server's message.
        reason: String,
    },
}

impl RestError {
    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Rejected { .. })
    }

    /// Whether a message was refused because the account lacks `message-impersonate`, which `alias` and `avatar` need.
    /// Source: `validateMessage` in Rocket.Chat's `app/lib/server/functions/sendMessage.ts` throws this message without a
    /// code.
    pub fn is_missing_impersonation(&self) -> bool {
        matches!(self, Self::Rejected { reason, .. } if reason.contains("Not enough permission"))
    }

    /// Whether a message was refused because its `avatar` is not a URL. The server gives no code (`ValidPartialURLParam`).
    pub fn is_invalid_avatar(&self) -> bool {
        matches!(self, Self::Rejected { reason, .. } if reason.contains("Invalid href value"))
    }

    /// The server's code of a refusal, if it has one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Rejected { code, .. } if !code.is_empty() => Some(code),
            _ => None,
        }
    }

    pub(crate) fn rejected(status: u16, code: &str, reason: impl Into<String>) -> Self {
        Self::Rejected { status, code: code.to_owned(), reason: reason.into() }
    }

    /// Unavailable, with an answer that is no use.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), failure: None }
    }
}
