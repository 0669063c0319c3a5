//! The decisions: which trigger a message fires, what the alert says, and what is posted in the thread.
//!
//! Plain functions over plain data. This module knows messages, rooms and triggers, but no sockets, files or
//! databases.

mod correlation;
#[cfg(any(test, fuzzing))]
#[expect(clippy::unwrap_used, reason = "constants")]
pub(crate) mod fixtures;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod pattern;
mod rooms;
mod template;
mod template_event;
#[cfg(test)]
mod template_event_tests;
mod template_reply;
mod trigger;
mod trigger_set;
mod users;

pub(crate) use correlation::{Candidates, Correlation, FoundBy, ReplyTarget, correlate};
pub use pattern::Pattern;
pub(crate) use rooms::remember_names;
pub use rooms::{NamedRooms, RoomPattern, RoomPatternError, room_label};
pub use template::{CompileError, RenderError, Template, Vocabulary};
pub use template_event::{AlertingScenario, EventTemplates, message_url, render_event};
pub(crate) use template_event::{DEFAULT_TITLE, is_location};
pub use template_reply::{OnSent, Replies, ReplyKind, ReplyWords};
pub(crate) use template_reply::{which_alert, without_mentions};
pub use trigger::{TeamName, Trigger};
pub use trigger_set::{Match, TriggerSet, Unfound};
pub use users::UserPattern;
