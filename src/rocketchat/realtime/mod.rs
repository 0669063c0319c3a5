//! The realtime session: every message of every room the bot is in, as it is posted, over DDP and one WebSocket.
//!
//! From the wire up: `transport` opens the socket (proxy, TLS), `frames` names what goes over it, `stream` reads the
//! messages in it, `protocol` is the conversation as a state machine without I/O, `session` runs one such conversation
//! over one socket, and `supervisor` keeps one running for ever. `backoff`, `liveness` and `outlet` are the three
//! decisions in between: when to try again, when to call a connection dead, what to do when nobody takes the events.
//!
//! A session that was lost may have missed messages. After each [`RealtimeEvent::Ready`] whoever must not miss any
//! asks [`RestClient::sync_messages`](super::RestClient::sync_messages) for what came since the last one it settled,
//! and tells apart by `_id` what comes twice.

mod backoff;
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

pub use event::{ConnectionState, FrameCounts, RealtimeEvent, RoomChange, RoomHint, Scope};
pub use reason::LostReason;
pub use supervisor::Realtime;
pub use timing::Timing;
