//! One table of the configuration, read key by key.
//!
//! A key exists if the code reads it. Keys that are left when the table is dropped are reported as unknown, so there
//! is no separate list of keys. (`serde` would stop at the first mistake, and does not know whether a value comes from
//! a line of the file or from an environment variable.)

use super::report::{Fault, Leftover, Location, Report, fault, join, quoted, shortened, variable_of};
use super::source::{Node, Origin, Table, Value, parse_inline};

/// A text with its location.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) location: Location,
}

/// The names of a table.
#[derive(Clone, Default)]
struct Names {
    /// Its path for display, as in `signl4.team "network"`.
    path: String,
    /// Its path with indices, from which environment variables are named, as in `signl4.team.0`.
    steps: String,
}

impl Names {
    fn below(&self, key: &str) -> Self {
        Self { path: join(&self.path, key), steps: join(&self.steps, key) }
    }

    /// The names of an item of this list, with the item's own name if it has one.
    fn item(&self, index: usize, name: Option<&str>) -> Self {
        let path = match name {
            Some(name) => format!("{} {}", self.path, quoted(name)),
            None => format!("{}[{index}]", self.path),
        };
        Self { path, steps: join(&self.steps, &index.to_string()) }
    }
}

/// A table: the entries that were not read yet.
pub(super) struct Section<'r> {
    pub(super) report: &'r Report,
    /// The origin of the table.
    origin: Origin,
    names: Names,
    entries: Table,
    /// Whether the value is not a table, which was reported. Then no key is reported as missing.
    broken: bool,
}

impl<'r> Section<'r> {
    /// The whole configuration.
    pub(super) fn root(report: &'r Report, entries: Table) -> Self {
        Self::new(report, Origin::Absent, Names::default(), Some(entries))
    }

    /// `entries` is `None` if the value is not a table.
    fn new(report: &'r Report, origin: Origin, names: Names, entries: Option<Table>) -> Self {
        let broken = entries.is_none();
        Self { report, origin, names, entries: entries.unwrap_or_default(), broken }
    }

    /// The table of this name; an empty one if it is absent.
    pub(super) fn table(&mut self, key: &'static str) -> Section<'r> {
        let names = self.names.below(key);
        let Some((node, location)) = self.find(key) else {
            return Section::new(self.report, Origin::Absent, names, Some(Table::new()));
        };
        let entries = self.report.accept(&location, as_table(node.value, &location, key));
        Section::new(self.report, location.origin, names, entries)
    }

    /// The tables of a list of tables; `None` if it is absent.
    pub(super) fn tables(&mut self, key: &'static str) -> Option<Vec<Section<'r>>> {
        let names = self.names.below(key);
        let (node, location) = self.find(key)?;
        let header = format!("[[{}]]", names.steps);
        let items = self.report.accept(&location, as_list(node.value, &location, &header))?;
        let section = |(index, item): (usize, Node)| {
            let Node { origin, value } = item;
            let location = Location { origin, key: names.item(index, None).path };
            let entries = self.report.accept(&location, as_table(value, &location, key))?;
            let names = names.item(index, name_of(&entries));
            Some(Section::new(self.report, location.origin, names, Some(entries)))
        };
        Some(items.into_iter().enumerate().filter_map(section).collect())
    }

    /// Whether any of these keys is given, valid or not. Does not count as reading it.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.entries.contains_key(*key))
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Text> {
        let (node, location) = self.find(key)?;
        let value = self.report.accept(&location, as_text(node.value, key))?;
        Some(Text { value, location })
    }

    /// A text, or a default for the missing key, checked.
    pub(super) fn checked_or<T>(
        &mut self,
        key: &'static str,
        default: &str,
        check: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let location = self.location(key);
        let text = self.text(key).unwrap_or_else(|| Text { value: default.to_owned(), location });
        self.report.accept(&text.location, check(&text.value))
    }

    /// A text that passes a check.
    pub(super) fn checked<T>(
        &mut self,
        key: &'static str,
        check: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let text = self.text(key)?;
        self.report.accept(&text.location, check(&text.value))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let (node, location) = self.find(key)?;
        self.report.accept(&location, as_flag(&node.value, key))
    }

    /// A list of texts that pass a check; `None` if one of them does not.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        check: impl Fn(&Text) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let (node, location) = self.find(key)?;
        let example = format!("{key} = [\"…\"]");
        let items = self.report.accept(&location, as_list(node.value, &location, &example))?;
        let checked = |(index, Node { origin, value }): (usize, Node)| {
            let location = Location { origin, key: format!("{}[{index}]", location.key) };
            let value = self.report.accept(&location, as_text(value, key))?;
            let text = Text { value, location };
            self.report.accept(&text.location, check(&text))
        };
        let items: Vec<_> = items.into_iter().enumerate().map(checked).collect();
        items.into_iter().collect()
    }

    /// A table with free keys, and texts that pass a check.
    pub(super) fn free_table<T>(
        &mut self,
        key: &'static str,
        check: impl Fn(&str, &str) -> Result<T, Fault>,
    ) -> Vec<(String, T)> {
        let Some((node, location)) = self.find(key) else { return Vec::new() };
        let entries = self.report.accept(&location, as_table(node.value, &location, key)).unwrap_or_default();
        let checked = |(name, Node { origin, value }): (String, Node)| {
            let shown = shortened(&name);
            let location = Location { origin, key: join(&location.key, &shown) };
            let value = as_text(value, &shown).and_then(|text| check(&name, &text));
            Some((name, self.report.accept(&location, value)?))
        };
        entries.into_iter().filter_map(checked).collect()
    }

    /// Reports the first of these keys as missing if none of them is given. `value` is an example in TOML.
    pub(super) fn require(&self, keys: &[&str], value: &str) {
        let Some(key) = keys.first().filter(|_| !self.broken && !self.has(keys)) else { return };
        let under = match self.names.path == self.names.steps {
            true => format!("under [{}]", self.names.path),
            false => "there".to_owned(),
        };
        let variable = variable_of(&join(&self.names.steps, key));
        let fix = format!("write {key} = {value} {under}, or set {variable}");
        let location = Location { origin: self.origin.clone(), key: join(&self.names.path, key) };
        let paths = keys.iter().map(|key| join(&self.names.steps, key)).collect();
        self.report.note_missing(&location, Fault::new("is missing", fix), paths);
    }

    /// The location of a key, given or not.
    pub(super) fn location(&self, key: &str) -> Location {
        let origin = self.entries.get(key).map_or(&self.origin, |node| &node.origin);
        Location { origin: origin.clone(), key: join(&self.names.path, key) }
    }

    /// Takes a key, and registers that it exists.
    fn find(&mut self, key: &'static str) -> Option<(Node, Location)> {
        self.report.know(&join(&self.names.steps, key));
        let location = self.location(key);
        self.entries.remove(key).map(|node| (node, location))
    }
}

/// Reports the remaining keys as unknown.
impl Drop for Section<'_> {
    fn drop(&mut self) {
        for (name, node) in std::mem::take(&mut self.entries) {
            self.report.leftovers.borrow_mut().push(Leftover {
                location: Location { origin: node.origin, key: join(&self.names.path, &shortened(&name)) },
                name,
                table: self.names.steps.clone(),
            });
        }
    }
}

/// The `name` of a table.
fn name_of(entries: &Table) -> Option<&str> {
    match &entries.get("name")?.value {
        Value::Text(name) | Value::Untyped(name) if !name.trim().is_empty() => Some(name),
        _ => None,
    }
}

/// Parses a text from the environment as a list or a table.
fn structured(value: Value, location: &Location) -> Result<Value, Fault> {
    match value {
        Value::Untyped(text) => parse_inline(&text, &location.origin),
        other => Ok(other),
    }
}

fn as_table(value: Value, location: &Location, key: &str) -> Result<Table, Fault> {
    match structured(value, location)? {
        Value::Table(table) => Ok(table),
        Value::List(_) => fault("is a list, not a table", format!("write [{key}] once, in single brackets")),
        other => fault(format!("is {}, not a table", other.type_name()), format!("write {key} = {{ … }}")),
    }
}

fn as_list(value: Value, location: &Location, example: &str) -> Result<Vec<Node>, Fault> {
    match structured(value, location)? {
        Value::List(items) => Ok(items),
        other => fault(format!("is {}, not a list", other.type_name()), format!("write {example}")),
    }
}

fn as_text(value: Value, key: &str) -> Result<String, Fault> {
    match value {
        Value::Text(text) | Value::Untyped(text) => Ok(text),
        other => {
            fault(format!("is {}, not text", other.type_name()), format!("write {key} = \"…\", in quotes"))
        }
    }
}

fn as_flag(value: &Value, key: &str) -> Result<bool, Fault> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Untyped(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::Untyped(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Value::Untyped(text) => {
            fault(format!("is neither true nor false ({})", quoted(text)), "set it to true or false")
        }
        other => fault(
            format!("is {}, not true or false", other.type_name()),
            format!("write {key} = true or {key} = false, without quotes"),
        ),
    }
}
