//! Why a call was not carried out, as the browser is told.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::rocketchat::Refusal;
use crate::signl4::{ActionError, StartError};

/// A call that was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The caller may not (403).
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is no such thing (404).
    #[error("{0}")]
    NotFound(&'static str),
    /// What was sent makes no sense (422).
    #[error("{0}")]
    Senseless(&'static str),
    /// The simulated Rocket.Chat says no (422).
    #[error(transparent)]
    Chat(#[from] Refusal),
    /// The simulated SIGNL4 says no (404 or 409).
    #[error(transparent)]
    Alert(#[from] ActionError),
    /// The simulated SIGNL4 does not come back (503).
    #[error(transparent)]
    Signl4(#[from] StartError),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::Alert(ActionError::NoSuchAlert) => StatusCode::NOT_FOUND,
            Self::Senseless(_) | Self::Chat(_) | Self::Alert(ActionError::NoSuchUser) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Alert(ActionError::Conflict { .. }) => StatusCode::CONFLICT,
            Self::Signl4(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status(), Json(json!({ "error": self.to_string() }))).into_response()
    }
}
