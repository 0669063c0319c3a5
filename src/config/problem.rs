//! What can be wrong with a configuration, told in one line each.

use std::fmt;

use super::tree::Origin;

/// Everything that is wrong with a configuration: one problem a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The problems, in the order of the file, those of the environment last.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing that is wrong: where, what, and what to do. Printed, it is one line without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `bot.toml:12`, or the name of an environment variable.
    pub source: String,
    /// The key with its path, as `trigger "signl4".pattern`; empty where the whole file is meant.
    pub key: String,
    /// What is wrong.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        let line = format!("{}: {key}{}: {}", self.source, self.why, self.fix);
        // Keys and values come from outside: a line break in one must not break the line.
        line.chars().try_for_each(|c| {
            if c.is_control() { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") }
        })
    }
}

/// What is wrong with a value and what to do, before it is known where it stands.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) why: String,
    pub(super) fix: String,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { why: why.into(), fix: fix.into() }
    }
}

/// Where a value stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) origin: Origin,
    /// The key with its path, for people.
    pub(super) key: String,
}

impl Place {
    /// Whether it is an environment variable.
    pub(super) fn is_env(&self) -> bool {
        matches!(self.origin, Origin::Env { .. })
    }
}

/// A value from outside in quotes, shortened: for a problem's text, never for a secret.
pub(super) fn quoted(value: &str) -> String {
    const LONGEST: usize = 60;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}", format!("{}…", &value[..end])),
        None => format!("{value:?}"),
    }
}
