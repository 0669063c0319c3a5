//! The problems found so far, and the keys asked for so far: what was never asked for is not a key.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::problem::{ConfigErrors, Fault, Place, Problem};
use super::suggest::closest;
use super::tree::Origin;

/// What every environment variable that is a key begins with.
pub(super) const PREFIX: &str = "SIGNL4_BOT_";

/// Collects while the tree is read, so that an administrator mends everything in one go.
pub(super) struct Report {
    /// The file's name as it was given.
    file: String,
    found: RefCell<Vec<Found>>,
    known: RefCell<BTreeSet<String>>,
    leftovers: RefCell<Vec<Leftover>>,
}

struct Found {
    origin: Origin,
    problem: Problem,
    /// Whether it says that a key is not there.
    missing: bool,
}

/// A value that nobody asked for.
pub(super) struct Leftover {
    pub(super) place: Place,
    pub(super) name: String,
    /// The keys that its table has, without the path.
    pub(super) siblings: Vec<&'static str>,
    /// The path of its table, without indices, as in `signl4.team`.
    pub(super) table: String,
}

impl Leftover {
    /// The key of the same table that was meant.
    fn sibling(&self) -> Option<&'static str> {
        closest(&self.name, self.siblings.iter().copied())
    }
}

impl Report {
    pub(super) fn new(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            found: RefCell::default(),
            known: RefCell::default(),
            leftovers: RefCell::default(),
        }
    }

    /// Notes a problem.
    pub(super) fn note(&self, place: &Place, fault: Fault) {
        self.add(place, fault, false);
    }

    /// Notes that a key is not there.
    pub(super) fn note_missing(&self, place: &Place, fault: Fault) {
        self.add(place, fault, true);
    }

    fn add(&self, place: &Place, fault: Fault, missing: bool) {
        let source = match &place.origin {
            Origin::Absent => self.file.clone(),
            Origin::File { line } => format!("{}:{line}", self.file),
            Origin::Env { variable } => variable.clone(),
        };
        let problem = Problem { source, key: place.key.clone(), why: fault.why, fix: fault.fix };
        self.found.borrow_mut().push(Found { origin: place.origin.clone(), problem, missing });
    }

    /// The value, or nothing and a problem noted.
    pub(super) fn accept<T>(&self, place: &Place, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.note(place, fault)).ok()
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.found.borrow().len()
    }

    /// Notes that there is such a key: its path without indices.
    pub(super) fn know(&self, path: String) {
        self.known.borrow_mut().insert(path);
    }

    pub(super) fn leave(&self, leftover: Leftover) {
        self.leftovers.borrow_mut().push(leftover);
    }

    /// The paths of all keys asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> BTreeSet<String> {
        self.known.borrow().clone()
    }

    /// All problems, those of the file in its order; nothing where there are none.
    pub(super) fn into_errors(self) -> Option<ConfigErrors> {
        for leftover in self.leftovers.take() {
            if let Some(meant) = leftover.sibling() {
                self.forget_missing(&leftover.place, &leftover.name, meant);
            }
            let fault = self.unknown_key(&leftover);
            self.note(&leftover.place, fault);
        }
        let mut found = self.found.into_inner();
        forget_consequences(&mut found);
        found.sort_by_key(|found| match found.origin {
            Origin::Absent => (0, 0),
            Origin::File { line } => (1, line),
            Origin::Env { .. } => (2, 0),
        });
        let problems: Vec<Problem> = found.into_iter().map(|found| found.problem).collect();
        (!problems.is_empty()).then(|| ConfigErrors::new(problems))
    }

    /// A key that is there under a wrong name is told once, by that name.
    fn forget_missing(&self, unknown: &Place, name: &str, meant: &str) {
        let table = unknown.key.strip_suffix(name).unwrap_or_default();
        let meant = format!("{table}{meant}");
        self.found.borrow_mut().retain(|found| !(found.missing && found.problem.key == meant));
    }

    fn unknown_key(&self, unknown: &Leftover) -> Fault {
        let meant = self.meant(unknown);
        if let Origin::Env { variable } = &unknown.place.origin {
            let fix = match meant {
                Some(meant) => format!("did you mean {}?", respelled(variable, unknown, &meant)),
                None => "unset it; bot.toml.example explains every key".to_owned(),
            };
            return Fault::new("is not a setting of the bot", fix);
        }
        let fix = match meant {
            Some(Meant::Sibling(name)) => format!("did you mean \"{name}\"?"),
            Some(Meant::Elsewhere(path)) => format!("did you mean \"{path}\"?"),
            None => "remove it; bot.toml.example explains every key".to_owned(),
        };
        Fault::new("is not a known key", fix)
    }

    /// Looks for what was meant: another table's key written as one word, a key of the same table, or one of any table.
    fn meant(&self, unknown: &Leftover) -> Option<Meant> {
        let known = self.known.borrow();
        let flat = |path: &str| path.replace('.', "_");
        let path = flat(&join(&unknown.table, &unknown.name));
        if let Some(known) = known.iter().find(|known| flat(known) == path) {
            return Some(Meant::Elsewhere(known.clone()));
        }
        if let Some(sibling) = unknown.sibling() {
            return Some(Meant::Sibling(sibling));
        }
        let last = |path: &String| path.rsplit('.').next().unwrap_or_default().to_owned();
        let names: Vec<String> = known.iter().map(last).collect();
        let name = closest(&unknown.name, names.iter().map(String::as_str))?;
        known.iter().find(|known| last(known) == name).cloned().map(Meant::Elsewhere)
    }
}

/// The key that was meant by one that is none.
enum Meant {
    /// A key of the same table.
    Sibling(&'static str),
    /// The path of a key of another one.
    Elsewhere(String),
}

/// A variable that finds no place in the tree is told as such, not also by what is wrong with the place it made.
fn forget_consequences(found: &mut Vec<Found>) {
    let misplaced: Vec<Origin> =
        found.iter().filter(|found| found.problem.key.is_empty()).map(|found| found.origin.clone()).collect();
    found.retain(|found| found.problem.key.is_empty() || !misplaced.contains(&found.origin));
}

/// The variable of the key that was meant: for one of the same table, with that part of its name put right.
fn respelled(variable: &str, unknown: &Leftover, meant: &Meant) -> String {
    match meant {
        Meant::Elsewhere(path) => variable_of(path),
        Meant::Sibling(name) => {
            let path = variable.strip_prefix(PREFIX).unwrap_or(variable);
            let right = name.to_uppercase();
            let part = |part| if unknown.name.eq_ignore_ascii_case(part) { right.as_str() } else { part };
            format!("{PREFIX}{}", path.split("__").map(part).collect::<Vec<_>>().join("__"))
        }
    }
}

/// The environment variable of a key.
pub(super) fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_uppercase())
}

pub(super) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}
