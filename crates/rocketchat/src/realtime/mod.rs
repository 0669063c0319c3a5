//! The realtime session: every message of every room the account is in, as it is posted, over DDP in one WebSocket.
//!
//! | module | what it does |
//! | --- | --- |
//! | `transport` | opens the socket |
//! | `frames` | encodes and decodes DDP frames |
//! | `view` | a message as the filter sees it, before its frame is decoded |
//! | `stream`, `room_changes` | read messages and changes of rooms from the frames |
//! | `protocol` | a session as a state machine without I/O |
//! | `session` | runs the protocol over one socket |
//! | `supervisor` | keeps a session running, with `backoff`, and delivers the events |
//!
//! A lost session may have missed messages. After each [`RealtimeEvent::Ready`], fetch what came since the last handled
//! message with [`RestClient::sync_messages`](super::RestClient::sync_messages), and drop what comes twice by its `_id`.

mod backoff;
mod event;
mod frames;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod protocol;
mod reason;
mod room_changes;
mod session;
mod stream;
mod supervisor;
mod timing;
mod transport;
mod view;

pub use event::{ConnectionState, FrameCounts, RealtimeEvent, RoomChange, StreamedMessage};
pub use reason::LostReason;
pub use supervisor::Realtime;
pub use timing::Timing;
pub use view::{MessageFilter, MessageView};
