//! What can go wrong with a REST call, sorted by what the caller does next.

use http_outcome::Failure;
use jiff::Timestamp;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// The server did not answer, or not with something to go by: network, timeout, 5xx, an answer that is not
    /// Rocket.Chat's own. Try again later.
    #[error("Rocket.Chat is not available: {reason}")]
    Unavailable {
        /// What happened, without the URL.
        reason: String,
        /// Whether the call may have taken effect all the same.
        effect: Effect,
        /// Why there was no answer; `None` if there was one.
        failure: Option<Failure>,
    },
    /// The server wants no more calls of this kind for now (429, `error-too-many-requests`). The call took no effect.
    #[error("Rocket.Chat asks for fewer calls until {until}")]
    RateLimited {
        /// From when on the server takes calls again, by our clock.
        until: Timestamp,
    },
    /// The token is not accepted, and could not be renewed. The call took no effect; it may pass once the account is
    /// mended, so it is no reason to give up what was to be sent.
    #[error("Rocket.Chat does not accept the account: {reason}")]
    Unauthorized {
        /// The server's code, where it gave one.
        code: String,
        /// What the server said, or what is wrong with the account.
        reason: String,
    },
    /// The server understood the call and will not do it. Trying the same again is pointless.
    #[error("Rocket.Chat refuses: {reason} ({code})")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// `errorType`, such as `error-message-size-exceeded`; else the code within the error text; else empty.
        code: String,
        /// The server's words.
        reason: String,
    },
}

/// Whether a call that failed may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The call never reached the server, or the server turned it away unread.
    None,
    /// The call may have been executed; only the answer is missing.
    Unknown,
}

impl RestError {
    /// Whether the same call can succeed later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Rejected { .. })
    }

    /// Whether the call may have taken effect although it failed.
    pub fn may_have_taken_effect(&self) -> bool {
        matches!(self, Self::Unavailable { effect: Effect::Unknown, .. })
    }

    /// Whether a message was refused because the account lacks `message-impersonate`, which `alias` and `avatar`
    /// need. Source: `validateMessage` in Rocket.Chat's `app/lib/server/functions/sendMessage.ts`, which throws a
    /// plain error of these words, without a code.
    pub fn is_missing_impersonation(&self) -> bool {
        matches!(self, Self::Rejected { reason, .. } if reason.contains("Not enough permission"))
    }

    /// The server's code for a refusal, where it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Rejected { code, .. } if !code.is_empty() => Some(code),
            _ => None,
        }
    }

    /// A short stable name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// No answer, and the call surely had no effect.
    pub fn unreachable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), effect: Effect::None, failure: None }
    }

    /// No answer, and nobody knows whether the call had an effect.
    pub fn unclear(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), effect: Effect::Unknown, failure: None }
    }
}
