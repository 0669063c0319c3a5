//! A simulated Rocket.Chat: its realtime API (DDP over a WebSocket) and the part of its REST API that a bot uses, as
//! strict and as nasty as the real server, with switches for what goes wrong in the field.
//!
//! [`RocketChat`] is the handle: it starts and stops the server, plants users, rooms and messages without asking for
//! rights, and waits for what a bot does. What comes over the wire is checked as the real server checks it. Facts about
//! the wire come from Rocket.Chat's server source (`apps/meteor`, `ee/apps/ddp-streamer`) and Meteor's `ddp-server`.
//!
//! | file | subject |
//! | --- | --- |
//! | `server`, `people`, `places`, `talk`, `waiting`, `wiretap` | the handle |
//! | `world`, `accounts`, `rooms`, `posting`, `listing` | the truth and what can happen to it |
//! | `user`, `room`, `message`, `draft`, `change`, `refusal` | the things it is made of |
//! | `login`, `rights`, `joining`, `permissions`, `rate_limit` | what a call over the wire must pass |
//! | `faults`, `options` | what a test chooses |
//! | `listener`, `router` | the port |
//! | `ddp` | the realtime API |
//! | `rest` | the REST API |

mod accounts;
mod change;
mod ddp;
mod draft;
mod faults;
mod ids;
mod joining;
mod listener;
mod listing;
mod login;
mod message;
mod options;
mod people;
mod permissions;
mod places;
mod posting;
mod rate_limit;
mod refusal;
mod rest;
mod rights;
mod room;
mod rooms;
mod router;
mod server;
mod shared;
mod talk;
mod time;
mod user;
mod waiting;
mod wiretap;
mod world;

pub use change::{Action, Change};
pub use draft::NewMessage;
pub use faults::{Faults, RestFault, Switches};
pub use message::{Edit, Message};
pub use options::{Heartbeat, Limit, Limits, Options};
pub use refusal::Refusal;
pub use rest::Call;
pub use room::{NewRoom, Room, RoomKind};
pub use server::RocketChat;
pub use time::Millis;
pub use user::{NewUser, User};
pub use waiting::TimedOut;
