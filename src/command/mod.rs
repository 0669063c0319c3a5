//! The commands of the command line, one file each. They print for a person.

mod check;
mod demo;
mod dry_run;
mod failure;
mod health;
mod init;
mod pages;
mod run;
mod send_test;
mod stand_in;
mod store;

pub use check::{CheckOptions, check};
pub use demo::demo;
pub use dry_run::test;
pub use failure::Failure;
pub use health::health;
pub use init::{InitOptions, init};
pub use pages::{completions, man};
pub use run::run;
pub use store::{CopyOptions, copy_store};
