//! The web page over both simulators: a chat with threads on the left, the phone of the person on duty on the right.
//!
//! A page is one HTML document with its scripts and styles, a stream of the whole state after every change, and a small
//! JSON API that does with the simulators' handles what people do: write, reply, edit, acknowledge, annotate, close. It
//! knows nothing of the bot but the address where the bot tells whether it is ready.
//!
//! | file | subject |
//! | --- | --- |
//! | `server` | starting, stopping, which path leads where |
//! | `snapshot` | the whole state as the browser sees it |
//! | `live` | a new state after every change, and the stream of them |
//! | `talk`, `phone`, `trouble` | what can be done in the chat, on the phone, and against both |
//! | `bot` | whether the bot is ready |
//! | `guard` | who may call, and what the browser may load |
//! | `refused` | why a call was not carried out |
//! | `assets` | the files of the page |

mod assets;
mod bot;
mod guard;
mod live;
mod phone;
mod refused;
mod server;
mod snapshot;
mod talk;
mod trouble;

pub use server::{Page, PageError, PageOptions};
