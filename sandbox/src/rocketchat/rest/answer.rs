//! The outcome of a route and its HTTP form. The form changes with 9.0 (`applyBreakingChanges` in `ApiClass.ts`): a missing
//! permission is then 401 instead of 403 or 403 instead of 400. Failed logins give no reason since 8.0.

use axum::http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::rocketchat::refusal::Refusal;
use crate::rocketchat::time::rest_form;

/// The first major version with the new form.
pub(super) const NEW_SHAPES: u32 = 9;
/// The first major version that gives no reason for a refused login.
const SILENT_LOGIN: u32 = 8;

/// The failure of a route.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error thrown within the route.
    Refused(Refusal),
    /// `API.v1.failure()` without a message.
    Silent,
    /// `API.v1.failure(text, type)` if the text does not name the type.
    Said(String, &'static str),
    /// `API.v1.forbidden()`.
    Forbidden,
    /// A refusal of the REST route `login`.
    LoginRefused(Refusal),
}

/// The routes that report missing access as a missing permission since 9.0.
const FORBIDDING: [&str; 3] = ["chat.react", "chat.getThreadMessages", "rooms.info"];

impl Failure {
    /// The failure as a server of this major version reports it on this route.
    pub(super) fn on_route(self, route: &str, major: u32) -> Self {
        let is_access = match &self {
            Self::Refused(refusal) => refusal.id() == Some("error-not-allowed"),
            Self::Said(text, _) => text == "not-allowed",
            _ => false,
        };
        match is_access && major >= NEW_SHAPES && FORBIDDING.contains(&route) {
            true => Refusal::meteor("error-forbidden", "forbidden").into(),
            false => self,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: rest_form(body).to_string(),
            headers: Vec::new(),
        }
    }

    /// `API.v1.success(body)`.
    pub(super) fn success(mut body: Value) -> Self {
        // Logout is the only route without this field.
        if body["status"] != "success" || body["data"]["authToken"].is_string() {
            body["success"] = json!(true);
        }
        Self::json(200, body)
    }

    /// A failure in the form of this major version.
    pub(super) fn failure(failure: Failure, major: u32) -> Self {
        match failure {
            Failure::Refused(refusal) => refused(&refusal, major),
            Failure::Silent => Self::json(400, json!({ "success": false })),
            Failure::Said(text, kind) => {
                Self::json(400, json!({ "success": false, "error": text, "errorType": kind }))
            }
            Failure::Forbidden => {
                let word = if major >= NEW_SHAPES { "forbidden" } else { "unauthorized" };
                Self::json(403, json!({ "success": false, "error": word }))
            }
            Failure::LoginRefused(refusal) => login_refused(&refusal, major),
        }
    }

    /// The headers are missing or do not authenticate.
    pub(super) fn unauthorized(major: u32) -> Self {
        let words = "You must be logged in to do this.";
        let mut body = json!({ "success": false, "error": words });
        if major < NEW_SHAPES {
            body["status"] = json!("error");
            body["message"] = json!(words);
        }
        Self::json(401, body)
    }

    /// There is no such route, or not with this method.
    pub(super) fn no_such_route() -> Self {
        Self::json(404, json!({ "status": "error", "message": "API endpoint does not exist." }))
    }
}

/// The catch clause around every route.
fn refused(refusal: &Refusal, major: u32) -> Answer {
    let status = match (refusal.id(), major >= NEW_SHAPES) {
        (Some("error-too-many-requests"), _) => 429,
        (Some("unauthorized" | "error-unauthorized"), true) => 401,
        (Some("unauthorized" | "error-unauthorized"), false) => 403,
        (Some("forbidden" | "error-forbidden"), true) => 403,
        _ => 400,
    };
    match status {
        400 => Answer::json(400, refusal.for_rest()),
        403 if major >= NEW_SHAPES => {
            let body =
                json!({ "success": false, "error": refusal.to_string(), "errorType": "error-forbidden" });
            Answer::json(403, body)
        }
        _ => Answer::json(status, json!({ "success": false, "error": refusal.to_string() })),
    }
}

fn login_refused(refusal: &Refusal, major: u32) -> Answer {
    let Refusal::Meteor { error, reason, details } = refusal else {
        return Answer::json(500, json!({ "success": false, "error": "Internal server error" }));
    };
    let mut body = json!({ "success": false, "error": "unauthorized" });
    if major < SILENT_LOGIN {
        let unknown = reason.as_deref() == Some("User not found");
        let message = reason.clone().unwrap_or_else(|| refusal.to_string());
        body["status"] = json!("error");
        body["error"] = if unknown { json!("Unauthorized") } else { error.clone() };
        body["message"] = if unknown { json!("Unauthorized") } else { json!(message) };
        if let Some(details) = details {
            body["details"] = details.clone();
        }
    }
    Answer::json(401, body)
}
