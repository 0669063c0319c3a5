//! The configuration: `bot.toml`, the environment and secret files, read once and validated completely.
//!
//! [`Config::load`] is a plain function of its [`Sources`]: it uses the environment that it is given, and reads
//! `bot.toml` and the files that `…_file` keys name. Patterns, templates, globs and URLs are compiled here. So every
//! mistake is reported at the start, all at once, each in one line with the key and the fix.
//!
//! `source` reads file and environment into one tree, in which every value knows its line or variable. The modules named like
//! the tables ask a `section` for their keys and check them with `values`. Problems are collected in the `report`.
//!
//! No other part of the program reads settings.

mod change;
#[cfg(test)]
mod example_tests;
mod listener;
#[cfg(test)]
mod reference_tests;
mod replies;
mod report;
mod rocketchat;
mod section;
mod signl4;
mod source;
mod store;
mod trigger;
pub(crate) mod values;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

pub use listener::{Admin, Listener, TlsFiles};
pub use report::{ConfigErrors, Problem};
pub(crate) use report::{Fault, fault, similar};
pub use rocketchat::RocketChat;
pub(crate) use rocketchat::{account_name, server_url};
pub use signl4::Signl4;
pub use source::Sources;
pub(crate) use source::read_bounded;
pub use store::Store;
pub(crate) use trigger::room_pattern;

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
    /// The files with secrets that every user of the machine can read.
    pub exposed_files: BTreeSet<PathBuf>,
}

impl Config {
    /// Reads and validates everything.
    ///
    /// # Errors
    /// All problems at once. A file that cannot be read or is not TOML is the only problem, because nothing else is known.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let report = Report::new(sources.file().display().to_string());
        let config = sources.read(&report).and_then(|tree| read(Section::root(&report, tree)));
        if report.count() > 0 {
            sources.note_missing_file(&report);
        }
        let errors = report.into_errors();
        config.filter(|_| errors.problems().is_empty()).ok_or(errors)
    }
}

/// A value that has a default is there even if it is invalid: every problem in the report makes the loading fail.
fn read(mut root: Section<'_>) -> Option<Config> {
    let rocketchat = rocketchat::read(root.table("rocketchat"));
    let mut team_names = Vec::new();
    let signl4 = signl4::read(root.table("signl4"), &mut team_names);
    let listener = listener::read(root.table("listener"));
    let admin = listener::read_admin(root.table("admin"), listener.as_ref().map(|listener| listener.bind));
    let catch_up = rocketchat.as_ref().map_or(Duration::ZERO, |rocketchat| rocketchat.catch_up);
    let retry_for = signl4.as_ref().map_or(Duration::ZERO, |signl4| signl4.retry_for);
    let store = store::read(root.table("store"), catch_up.max(retry_for));
    let replies = replies::read(root.table("replies"));
    let triggers = trigger::read(&mut root, &team_names);
    Some(Config {
        rocketchat: rocketchat?,
        signl4: signl4?,
        listener: listener?,
        admin: admin?,
        store,
        replies,
        triggers: triggers?,
        exposed_files: root.report.exposed_files.take(),
    })
}
