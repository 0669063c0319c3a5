//! The configuration: `bot.toml`, the environment and secret files, read once and checked whole.
//!
//! [`Config::load`] is a plain function of its [`Sources`]: it looks at no environment but the one it is given, and
//! reads no file but `bot.toml` and those that a `…_file` key names. Patterns, templates, globs and URLs are compiled
//! here, so that what can be wrong is told at the start, all of it at once, each in one line with the key and the fix.
//!
//! The way of a value: `source` reads both sources into one `tree`, in which every value knows its line or variable; the
//! modules named as the tables take it from a `section` by asking for their keys; what is wrong goes into the `report`.
//!
//! No part of the program reads its settings anywhere else.

mod address;
pub(crate) mod answer;
mod change;
#[cfg(test)]
mod example_tests;
mod listener;
mod problem;
#[cfg(test)]
mod reference_tests;
mod replies;
mod report;
mod rocketchat;
mod secret;
mod section;
mod signl4;
mod source;
mod store;
mod suggest;
mod template;
mod tree;
mod trigger;

use std::time::Duration;

pub use listener::{Admin, Listener, TlsFiles};
pub use problem::{ConfigErrors, Problem};
pub use rocketchat::{Account, RocketChat};
pub use signl4::Signl4;
pub use source::Sources;
pub use store::Store;
pub(crate) use suggest::alike;

use crate::alerting::{Replies, TriggerSet};
use report::Report;
use section::Section;

/// A configuration with which the bot can start.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[rocketchat]`
    pub rocketchat: RocketChat,
    /// `[signl4]` and `[[signl4.team]]`
    pub signl4: Signl4,
    /// `[listener]`
    pub listener: Listener,
    /// `[admin]`
    pub admin: Admin,
    /// `[store]`
    pub store: Store,
    /// `[replies]`
    pub replies: Replies,
    /// `[[trigger]]`, at least one.
    pub triggers: TriggerSet,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// Everything that is wrong, at once. A file that cannot be read or is not TOML is told alone, for nothing can be
    /// said of the rest.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let report = Report::new(sources.file().display().to_string());
        let config = sources.read(&report).and_then(|tree| read(Section::root(&report, tree)));
        match (report.into_errors(), config) {
            (None, Some(config)) => Ok(config),
            (errors, _) => Err(errors.unwrap_or_default()),
        }
    }
}

fn read(mut root: Section<'_>) -> Option<Config> {
    let rocketchat = rocketchat::read(root.table("rocketchat"));
    let signl4::Read { signl4, team_names } = signl4::read(root.table("signl4"));
    let listener = listener::read(root.table("listener"));
    let admin = listener::read_admin(root.table("admin"), listener.as_ref().map(|listener| listener.bind));
    let catch_up = rocketchat.as_ref().map_or(Duration::ZERO, |rocketchat| rocketchat.catch_up);
    let retry_for = signl4.as_ref().map_or(Duration::ZERO, |signl4| signl4.retry_for);
    let store = store::read(root.table("store"), catch_up.max(retry_for));
    let replies = replies::read(root.table("replies"));
    let triggers = trigger::read(&mut root, &team_names);
    root.finish();
    Some(Config {
        rocketchat: rocketchat?,
        signl4: signl4?,
        listener: listener?,
        admin: admin?,
        store: store?,
        replies: replies?,
        triggers: triggers?,
    })
}
