//! The server's errors. There are two kinds, which look different on the wire: a `Meteor.Error` carries an identifier and
//! reaches the client unchanged; of a plain `Error`, REST sends only the text and DDP only "Internal server error".

use serde_json::{Value, json};

/// An error in Rocket.Chat's words.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A `Meteor.Error`.
    #[error("{}", meteor_message(error, reason.as_deref()))]
    Meteor {
        /// The identifier: `error-invalid-room`, or a number such as 403.
        error: Value,
        /// The human-readable reason, if there is one.
        reason: Option<String>,
        /// The details, such as `{"method": "sendMessage"}` or `{"timeToReset": 1000}`.
        details: Option<Value>,
    },
    /// A plain JavaScript `Error`.
    #[error("{0}")]
    Plain(String),
}

impl Refusal {
    /// A `Meteor.Error` with an identifier and a reason.
    pub fn meteor(error: impl Into<Value>, reason: impl Into<String>) -> Self {
        Self::Meteor { error: error.into(), reason: Some(reason.into()), details: None }
    }

    /// A `Meteor.Error` without a reason.
    pub fn bare(error: impl Into<Value>) -> Self {
        Self::Meteor { error: error.into(), reason: None, details: None }
    }

    /// A plain `Error`.
    pub fn plain(message: impl Into<String>) -> Self {
        Self::Plain(message.into())
    }

    /// Adds details; a plain error cannot carry them.
    pub fn with_details(self, more: Value) -> Self {
        match self {
            Self::Meteor { error, reason, .. } => Self::Meteor { error, reason, details: Some(more) },
            plain @ Self::Plain(_) => plain,
        }
    }

    /// The identifier, if it is a `Meteor.Error` with a textual one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Meteor { error, .. } => error.as_str(),
            Self::Plain(_) => None,
        }
    }

    /// The `error` object of a DDP `result` or `nosub` frame.
    pub(super) fn for_ddp(&self) -> Value {
        match self {
            Self::Meteor { error, reason, details } => {
                let mut body = json!({
                    "isClientSafe": true,
                    "error": error,
                    "message": self.to_string(),
                    "errorType": "Meteor.Error",
                });
                if let Some(reason) = reason {
                    body["reason"] = json!(reason);
                }
                if let Some(details) = details {
                    body["details"] = details.clone();
                }
                body
            }
            Self::Plain(_) => json!({
                "isClientSafe": true,
                "error": 500,
                "reason": "Internal server error",
                "message": "Internal server error [500]",
                "errorType": "Meteor.Error",
            }),
        }
    }

    /// The body of a REST failure (`API.v1.failure`), mostly sent with status 400.
    pub(super) fn for_rest(&self) -> Value {
        let mut body = json!({ "success": false, "error": self.to_string() });
        if let Self::Meteor { error, details, .. } = self {
            body["errorType"] = error.clone();
            if let Some(details) = details {
                body["details"] = details.clone();
            }
        }
        body
    }
}

/// `Meteor.Error` writes its message as `reason [error]`, or `[error]` without a reason.
fn meteor_message(error: &Value, reason: Option<&str>) -> String {
    let id = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
    match reason {
        Some(reason) => format!("{reason} [{id}]"),
        None => format!("[{id}]"),
    }
}
