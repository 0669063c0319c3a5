//! The REST API: `api/v1` and `api/info`, the part of it that bots use, as `apps/meteor/app/api/server` answers.
//!
//! | file | subject |
//! | --- | --- |
//! | `serve` | from an HTTP request to an answer, through faults, login, limits and the table of routes |
//! | `endpoints`, `params` | the table of routes and their parameters |
//! | `request`, `answer` | input and outcome of a route |
//! | `account`, `messages`, `history`, `rooms` | the routes themselves |
//! | `journal`, `route_limits` | the record of calls, and their limits |

mod account;
mod answer;
mod endpoints;
mod history;
mod journal;
mod messages;
mod params;
mod request;
mod rooms;
mod route_limits;
mod serve;

pub use journal::Call;
pub(super) use journal::Journal;
pub(super) use route_limits::RouteLimits;
pub(super) use serve::{serve, serve_unversioned};
