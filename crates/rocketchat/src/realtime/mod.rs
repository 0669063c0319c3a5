//! The realtime session: every message of every room the bot is in, as it is posted, over DDP and one WebSocket.
//!
//! From the wire up: `transport` opens the socket (proxy, TLS), `frames` names what goes over it, `stream` reads the
//! messages in it and `rooms` the changes of rooms, `protocol` is the conversation as a state machine without I/O,
//! `session` runs one such conversation over one socket, and `supervisor` keeps one running for ever. `backoff`, `liveness`, `each_room` and `outlet` are
//! the decisions in between: when to try again, when to call a connection dead, how to listen where each room needs a
//! subscription of its own, what to do when nobody takes the events.
//!
//! A session that was lost may have missed messages. After each [`RealtimeEvent::Ready`] whoever must not miss any
//! asks [`RestClient::sync_messages`](super::RestClient::sync_messages) for what came since the last one it settled,
//! and tells apart by `_id` what comes twice.

mod backoff;
mod each_room;
mod event;
mod frames;
mod liveness;
mod outlet;
mod protocol;
mod proxy;
mod reason;
mod rooms;
mod session;
mod stream;
mod supervisor;
mod timing;
mod transport;
mod view;

pub use event::{ConnectionState, FrameCounts, RealtimeEvent, RoomChange, RoomHint, Scope};
pub use reason::LostReason;
pub use supervisor::Realtime;
pub use timing::Timing;
pub use view::{MessageFilter, MessageView};
