//! Problems with a configuration, one line each, and the keys that were read. A key that was never read is unknown,
//! and the most similar one is suggested.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::source::Origin;
use crate::logging::is_unsafe;

/// All problems of a configuration. Displayed, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// The problems in the order of the file, then those of the environment.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// One problem: where, what, and how to fix it. Displayed, it is one line without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `bot.toml:12`, or the name of an environment variable.
    pub source: String,
    /// The key with its path, as in `trigger "signl4".pattern`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub why: String,
    /// How to fix it.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.key.is_empty() { String::new() } else { format!("{}: ", self.key) };
        let line = format!("{}: {key}{}: {}", self.source, self.why, self.fix);
        // Keys and values come from outside: a line break in them must not break the line.
        line.chars().try_for_each(|c| {
            if is_unsafe(c) { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") }
        })
    }
}

/// What is wrong with a value and how to fix it, without its location. Repeats no secret.
#[derive(Debug, thiserror::Error)]
#[error("{why}: {fix}")]
pub(crate) struct Fault {
    pub(super) why: String,
    pub(super) fix: String,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { why: why.into(), fix: fix.into() }
    }
}

/// Refuses a value.
pub(crate) fn fault<T>(why: impl Into<String>, fix: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(why, fix))
}

/// The location of a value.
#[derive(Clone, Debug)]
pub(super) struct Location {
    pub(super) origin: Origin,
    /// The key with its path, for display.
    pub(super) key: String,
}

impl Location {
    /// Whether the value comes from an environment variable.
    pub(super) fn is_env(&self) -> bool {
        matches!(self.origin, Origin::Env(_))
    }
}

/// A value in quotes, shortened, for a problem's text. Not for secrets.
pub(super) fn quoted(value: &str) -> String {
    format!("{:?}", cut(value, 60))
}

/// A key that somebody else may have chosen, shortened, for a problem's text.
pub(super) fn shortened(key: &str) -> Cow<'_, str> {
    cut(key, 100)
}

fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// The prefix of environment variables that set keys.
pub(super) const PREFIX: &str = "SIGNL4_BOT_";

/// Collects problems while the tables are read, so that an administrator sees all of them at once.
#[derive(Default)]
pub(super) struct Report {
    /// The file's name as given.
    file: String,
    found: RefCell<Vec<Found>>,
    /// The paths of all keys that were read, in this order: of equally similar keys of a table, the first one is suggested.
    pub(super) known: RefCell<Vec<String>>,
    pub(super) leftovers: RefCell<Vec<Leftover>>,
    /// The files with secrets that every user of the machine can read.
    pub(super) exposed_files: RefCell<BTreeSet<PathBuf>>,
}

struct Found {
    problem: Problem,
    /// Its position among all problems.
    order: (u8, usize),
    /// If the problem is a missing key: the paths, with indices, of the keys of which any would do.
    missing: Vec<String>,
}

/// A value that no table read.
pub(super) struct Leftover {
    pub(super) location: Location,
    pub(super) name: String,
    /// The path of its table with indices, as in `signl4.team.0`.
    pub(super) table: String,
}

impl Report {
    pub(super) fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), ..Self::default() }
    }

    /// Notes where a secret was read from: `path`, or the configuration file itself.
    pub(super) fn note_secret_file(&self, path: Option<&str>) {
        const READABLE_BY_OTHERS: u32 = 0o004;
        let path = Path::new(path.unwrap_or(&self.file));
        if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & READABLE_BY_OTHERS != 0) {
            self.exposed_files.borrow_mut().insert(path.to_owned());
        }
    }

    /// Adds a problem.
    pub(super) fn note(&self, location: &Location, fault: Fault) {
        self.note_missing(location, fault, Vec::new());
    }

    /// Adds the problem of a missing key, and which keys would do.
    pub(super) fn note_missing(&self, location: &Location, fault: Fault, missing: Vec<String>) {
        let Location { origin, key } = location;
        let (source, order) = match origin {
            // Problems of the whole file come first.
            Origin::Absent => (self.file.clone(), (0, usize::from(!key.is_empty()))),
            Origin::File(line) => (format!("{}:{line}", self.file), (1, *line)),
            Origin::Env(variable) => (shortened(variable).into_owned(), (2, 0)),
        };
        let problem = Problem { source, key: key.clone(), why: fault.why, fix: fault.fix };
        self.found.borrow_mut().push(Found { problem, order, missing });
    }

    /// The value; or `None`, and a problem is added.
    pub(super) fn accept<T>(&self, location: &Location, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.note(location, fault)).ok()
    }

    /// The number of problems so far.
    pub(super) fn count(&self) -> usize {
        self.found.borrow().len()
    }

    /// Registers a key by its path.
    pub(super) fn know(&self, path: &str) {
        let (path, mut known) = (without_indices(path), self.known.borrow_mut());
        if !known.contains(&path) {
            known.push(path);
        }
    }

    /// All problems, those of the file in its order.
    pub(super) fn into_errors(self) -> ConfigErrors {
        for leftover in self.leftovers.take() {
            // A misspelled key is reported once, as unknown, and not as missing too.
            if let Some(meant) = self.sibling(&leftover) {
                self.found.borrow_mut().retain(|found| !found.missing.contains(&meant));
            }
            let fault = self.unknown_key(&leftover);
            self.note(&leftover.location, fault);
        }
        let mut found = self.found.into_inner();
        forget_consequences(&mut found);
        found.sort_by_key(|found| found.order);
        ConfigErrors { problems: found.into_iter().map(|found| found.problem).collect() }
    }

    fn unknown_key(&self, unknown: &Leftover) -> Fault {
        let is_variable = unknown.location.is_env();
        let (why, remedy) = match is_variable {
            true => ("is not a setting of the bot", "unset it"),
            false => ("is not a known key", "remove it"),
        };
        let fix = match (self.meant(unknown), &unknown.location.origin) {
            (Some(path), Origin::Env(variable)) => {
                // Below an unknown table the name goes on.
                let unknown = variable_of(&join(&unknown.table, &unknown.name));
                let below = shortened(variable.get(unknown.len()..).unwrap_or_default());
                format!("did you mean {}{below}?", variable_of(&path))
            }
            (Some(path), _) => {
                let key = path.strip_prefix(&join(&unknown.table, "")).unwrap_or(&path);
                format!("did you mean \"{key}\"?")
            }
            (None, _) => format!("{remedy}; bot.toml.example explains every key"),
        };
        Fault::new(why, fix)
    }

    /// The path of the similar key of the same table.
    fn sibling(&self, unknown: &Leftover) -> Option<String> {
        let known = self.known.borrow();
        let table = join(&without_indices(&unknown.table), "");
        let keys = known.iter().filter_map(|path| path.strip_prefix(&table)).filter(|key| !key.contains('.'));
        closest(&unknown.name, keys).map(|key| join(&unknown.table, key))
    }

    /// The path of the intended key: another table's key written as one word, a key of the same table, or of any table.
    fn meant(&self, unknown: &Leftover) -> Option<String> {
        let known = self.known.borrow();
        let flat = |path: &str| path.replace('.', "_");
        let path = flat(&without_indices(&join(&unknown.table, &unknown.name)));
        let as_one_word = known.iter().find(|known| flat(known) == path).cloned();
        as_one_word.or_else(|| self.sibling(unknown)).or_else(|| {
            let last = |path: &str| path.rfind('.').map_or(0, |dot| dot + 1);
            let known: BTreeSet<&String> = known.iter().collect();
            let name = closest(&unknown.name, known.iter().map(|path| &path[last(path)..]))?;
            known.into_iter().find(|path| path[last(path)..] == *name).cloned()
        })
    }
}

/// Reports a variable that does not fit into the tree, and not the problems that follow from it.
fn forget_consequences(found: &mut Vec<Found>) {
    let without_key = found.iter().map(|found| &found.problem).filter(|problem| problem.key.is_empty());
    let sources: Vec<String> = without_key.map(|problem| problem.source.clone()).collect();
    found.retain(|Found { problem, .. }| problem.key.is_empty() || !sources.contains(&problem.source));
}

/// The path of a key in any item of a list, as in `signl4.team.name` for `signl4.team.0.name`.
fn without_indices(path: &str) -> String {
    path.split('.').filter(|step| step.parse::<usize>().is_err()).collect::<Vec<_>>().join(".")
}

/// The environment variable of a key.
pub(super) fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

pub(super) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

/// The least similarity of two names, from 0 to 1.
const SIMILAR: f64 = 0.8;

/// The longest name, in bytes, that is compared with others.
const LONGEST_NAME: usize = 1000;

/// The candidate most similar to `name`, if any is similar.
pub(super) fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    similar(name, candidates).into_iter().next()
}

/// The candidates similar to `name`, the most similar first.
pub(crate) fn similar<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // Comparing takes time that grows with the length, and no key is that long.
    if name.len() > LONGEST_NAME {
        return Vec::new();
    }
    let name = folded(name);
    let scored = candidates.into_iter().map(|candidate| (similarity(&name, &folded(candidate)), candidate));
    let mut found: Vec<_> = scored.filter(|(similarity, _)| *similarity >= SIMILAR).collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

fn similarity(name: &str, candidate: &str) -> f64 {
    // `token` for `auth_token`: a part is missing.
    let part = name.len() >= 3 && candidate.contains(name);
    // `ulr` for `url`: in a short name one typing error is a large part.
    let typo = name.len() >= 3 && strsim::osa_distance(name, candidate) == 1;
    strsim::jaro_winkler(name, candidate).max(if part || typo { SIMILAR } else { 0.0 })
}

/// Ignores case and separators.
fn folded(name: &str) -> String {
    name.to_lowercase().replace("__", ".").replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = ["url", "user_id", "auth_token", "auto_join", "alias", "password"];

    #[test]
    fn typing_errors_are_recognized() {
        for (typed, meant) in [
            ("ulr", "url"),
            ("ur", "url"),
            ("userid", "user_id"),
            ("User-ID", "user_id"),
            ("AUTH_TOKEN", "auth_token"),
            ("token", "auth_token"),
            ("autojoin", "auto_join"),
            ("passwort", "password"),
        ] {
            assert_eq!(closest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn dissimilar_names_match_nothing() {
        for typed in ["", "x", "xyzzy", "colour", "retry_for"] {
            assert_eq!(closest(typed, KEYS), None, "{typed}");
        }
        assert_eq!(closest("url", []), None);
    }
}
