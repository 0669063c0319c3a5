//! `bot.toml` made by asking: what is answered is tried at once, and what is written loads.
//!
//! | file | subject |
//! | --- | --- |
//! | `answers` | what is known before anything is asked, and what is known in the end |
//! | `interview` | asks for the rest, and tries each answer |
//! | `terminal` | a person to ask |
//! | `draft` | the text of the file, made from `bot.toml.example` |
//! | `secrets` | the secrets in it, or the files that hold them instead |
//! | `file` | writes all of it so that nobody else ever sees a secret, whole or not at all |

mod answers;
mod draft;
mod error;
mod file;
mod interview;
mod secrets;
mod terminal;

pub use error::SetupError;

pub(crate) use answers::{Answers, Given};
pub(crate) use file::{Target, Written};
pub(crate) use interview::interview;
pub(crate) use terminal::Terminal;

use draft::draft;
