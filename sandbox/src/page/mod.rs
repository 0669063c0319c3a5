//! The web page over both simulators: a chat with threads on the left, the phone of the person on duty on the right.
//!
//! A page is one HTML document with its scripts and styles, a stream of the whole state after every change, and a small
//! JSON API for what people do: write, reply, edit, acknowledge, annotate, close. Of the bot it only has the URL
//! of its status page, beside which it finds the readiness and the metrics.
//!
//! | file | subject |
//! | --- | --- |
//! | `server` | starting, stopping, the routes |
//! | `snapshot` | the whole state as the browser sees it |
//! | `live` | a new state after every change, and the stream of them |
//! | `messages`, `phone`, `faults` | actions in the chat, actions on the phone, simulated failures |
//! | `bot` | whether the bot is ready, and how many alerts wait |
//! | `request_check` | which requests are accepted, and what the browser may load |
//! | `error` | why a call was not carried out |
//! | `assets` | the files of the page |

mod assets;
mod bot;
mod error;
mod faults;
mod live;
mod messages;
mod phone;
mod request_check;
mod server;
mod snapshot;

pub use server::{Page, PageError, PageOptions};
