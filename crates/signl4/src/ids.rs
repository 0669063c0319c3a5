//! Identifiers of SIGNL4 as types.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `eventId` of the answer to a webhook call; comes back as `alert.eventId` in every notification about that alert.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(String);

/// The top-level `id` of a notification: unique for each, the same when SIGNL4 repeats one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationId(String);

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// Takes the identifier as SIGNL4 wrote it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The identifier as SIGNL4 wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(EventId);
text_id!(NotificationId);
