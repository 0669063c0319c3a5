//! Tries everything that `run` needs, and tells what to mend, without paging anybody.
//!
//! Probes do the I/O and say what they found as plain [`Finding`]s; [`print()`] makes a text of them. What a room means for
//! the triggers is judged in `judge`, which sees only what the probes brought: it is decided by the same
//! [`RoomPattern`](crate::alerting::RoomPattern)s as when the bot runs.
//!
//! | file | subject |
//! | --- | --- |
//! | `examine` | all probes together |
//! | `server`, `census`, `teams`, `machine` | the probes: Rocket.Chat, its rooms, SIGNL4, this machine |
//! | `rights`, `judge`, `encryption` | what follows from what they brought |
//! | `report` | the findings |
//! | `print`, `layout`, `json` | their text, and their JSON for a program |
//! | `outside` | whether SIGNL4 would reach the listener |
//! | `trial` | single probes, for whoever is setting up |

mod census;
mod encryption;
mod examine;
mod json;
mod judge;
mod layout;
mod machine;
mod outside;
mod print;
mod report;
mod rights;
mod server;
mod teams;
mod trial;

pub use examine::examine;
pub use json::json;
pub(crate) use machine::webhook_base;
pub use outside::PublicUrl;
pub use print::{Look, print};
pub use report::{Finding, Grade, Remark, Report, RoomFinding, Section};
pub(crate) use trial::Trial;
