//! A simulated Rocket.Chat: its realtime API (DDP over a WebSocket) and the part of its REST API that a bot uses, as
//! strict as the real server, with switches for what goes wrong in the field.
//!
//! [`RocketChat`] is the handle: it starts and stops the server, creates users, rooms and messages without a check of
//! permissions, and waits for what a bot does. Calls over the wire are checked as the real server checks them. Facts
//! about the wire come from Rocket.Chat's server source (`apps/meteor`, `ee/apps/ddp-streamer`) and Meteor's
//! `ddp-server`.
//!
//! | module | subject |
//! | --- | --- |
//! | `handle` | what a test or the web page does with the server |
//! | `world`, `accounts`, `rooms`, `posting`, `changed_since` | the server's state and its changes |
//! | `user`, `room`, `message`, `draft`, `change`, `refusal` | the types of that state |
//! | `mentions` | what a text mentions and quotes |
//! | `login`, `rights`, `room_access`, `permissions`, `rate_limit` | the checks of a call over the wire |
//! | `faults`, `options` | what a test configures |
//! | `listener`, `router` | the port and its routes |
//! | `ddp` | the realtime API |
//! | `rest` | the REST API |

mod accounts;
mod change;
mod changed_since;
mod ddp;
mod draft;
mod faults;
mod handle;
mod ids;
mod listener;
mod login;
mod mentions;
mod message;
mod options;
mod permissions;
mod posting;
mod rate_limit;
mod refusal;
mod rest;
mod rights;
mod room;
mod room_access;
mod rooms;
mod router;
mod shared;
mod time;
mod user;
mod world;

pub use change::{Action, Change};
pub use draft::NewMessage;
pub use faults::{Faults, RestFault, Switches};
pub use handle::{RocketChat, TimedOut};
pub use message::{Edit, Message};
pub use options::{Heartbeat, Limit, Limits, Options};
pub use refusal::Refusal;
pub use rest::Call;
pub use room::{NewRoom, Room, RoomKind};
pub use time::Millis;
pub use user::{NewUser, User};
