//! Rocket.Chat's identifiers as types, so that a room's cannot be passed for a message's. Clones share the text: a client in
//! 10,000 rooms keeps each identifier in several places.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps an identifier.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into().into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// A map keyed by identifiers can be asked with borrowed text.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self::new(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A room's `_id` (`rid`): channel, private group, direct message, discussion.
    RoomId
);
id!(
    /// A message's `_id`. A thread has the `_id` of its parent message (`tmid`).
    MessageId
);
id!(
    /// A user's `_id`.
    UserId
);
