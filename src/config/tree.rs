//! What the file and the environment say, as one tree in which every value remembers where it stands.
//!
//! The environment is laid over the file here, value by value. Nothing is known of keys yet, nor of their types: a
//! value from the environment is a text until somebody asks for a number or a list.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Fault;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nowhere: it is missing.
    Absent,
    /// A line of the file, from 1.
    File {
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Env {
        /// Its name.
        variable: String,
    },
}

/// A value and where it comes from. No `Debug`: it may be a secret.
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// A value as its source wrote it.
pub(super) enum Value {
    Text(String),
    /// The text of an environment variable, which takes the type of its key.
    Untyped(String),
    Bool(bool),
    Number,
    Date,
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

impl Value {
    /// The type in words.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Untyped(_) => "a text",
            Self::Bool(_) => "true or false",
            Self::Number => "a number",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// A syntax error in a TOML text. It quotes nothing of the text, which may hold secrets.
pub(super) struct SyntaxError {
    /// The line, from 1.
    pub(super) line: usize,
    pub(super) why: String,
}

/// Reads a TOML file.
pub(super) fn parse_file(text: &str) -> Result<Table, SyntaxError> {
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| SyntaxError {
        line: line(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })?;
    Ok(convert_table(table.into_inner(), &|span| Origin::File { line: line(span) }))
}

/// Reads the list or table that an environment variable holds: TOML as in `["a", "b"]`, or JSON.
pub(super) fn parse_inline(text: &str, origin: &Origin) -> Result<Value, Fault> {
    let toml = match serde_json::from_str::<toml::Value>(text) {
        Ok(json) => json.to_string(),
        Err(_) => text.to_owned(),
    };
    match DeValue::parse(&toml) {
        Ok(value) => Ok(convert(value, &|_| origin.clone()).value),
        Err(error) => Err(Fault::new(
            format!("is neither TOML nor JSON ({})", error.message()),
            r#"write a list as ["a", "b"] and a table as { key = "value" }"#,
        )),
    }
}

fn convert_table(table: DeTable<'_>, origin: &impl Fn(usize) -> Origin) -> Table {
    table.into_iter().map(|(key, value)| (key.into_inner().into_owned(), convert(value, origin))).collect()
}

fn convert(value: Spanned<DeValue<'_>>, origin: &impl Fn(usize) -> Origin) -> Node {
    let start = value.span().start;
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(flag) => Value::Bool(flag),
        DeValue::Integer(_) | DeValue::Float(_) => Value::Number,
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| convert(item, origin)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, origin)),
    };
    Node { origin: origin(start), value }
}

/// One step of the path that an environment variable's name spells. Indices sort as numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Index(usize),
    Key(String),
}

/// The path that the rest of a variable's name (after `SIGNL4_BOT_`) spells: `TRIGGER__0__PATTERN`.
///
/// Keys are lower case. Only the names under `fields` are free, and so are kept as written.
pub(super) fn path_of(name: &str) -> Vec<Step> {
    let mut free = false;
    let step = |part: &str| match part.parse() {
        Ok(index) => Step::Index(index),
        Err(_) if free => Step::Key(part.to_owned()),
        Err(_) => {
            let key = part.to_lowercase();
            free = key == "fields";
            Step::Key(key)
        }
    };
    name.split("__").map(step).collect()
}

/// Lays the value of an environment variable over the tree.
///
/// Variables are to come in the order of their paths, so that a list's items come in turn.
pub(super) fn overlay(root: &mut Table, path: &[Step], variable: &str, text: String) -> Result<(), Fault> {
    let origin = Origin::Env { variable: variable.to_owned() };
    let Some((Step::Key(first), rest)) = path.split_first() else {
        return Err(Fault::new("names no key", "remove it"));
    };
    let mut node = root.entry(first.clone()).or_insert_with(|| nothing(&origin));
    for step in rest {
        node = descend(node, step, &origin)?;
    }
    *node = Node { origin, value: Value::Untyped(text) };
    Ok(())
}

/// The item or key of a node, made where it is not there yet.
fn descend<'a>(node: &'a mut Node, step: &Step, origin: &Origin) -> Result<&'a mut Node, Fault> {
    if let Value::Untyped(text) = &node.value {
        node.value = if text.is_empty() { container_for(step) } else { parse_inline(text, &node.origin)? };
    }
    match (&mut node.value, step) {
        (Value::Table(table), step) => {
            let key = match step {
                Step::Key(key) => key.clone(),
                Step::Index(index) => index.to_string(),
            };
            Ok(table.entry(key).or_insert_with(|| nothing(origin)))
        }
        (Value::List(items), Step::Index(index)) => {
            if *index == items.len() {
                items.push(nothing(origin));
            }
            let count = items.len();
            items.get_mut(*index).ok_or_else(|| {
                Fault::new(
                    format!("is number {index} of a list that has {count}"),
                    format!("use the number {count} for the next one; the first is 0"),
                )
            })
        }
        (Value::List(_), Step::Key(_)) => Err(Fault::new(
            "names a key where a list stands",
            "write the number of the item before it, as in SIGNL4_BOT_TRIGGER__0__PATTERN",
        )),
        (other, _) => Err(Fault::new(
            format!("names a part of {}", other.type_name()),
            "leave out the part of the name after the key",
        )),
    }
}

/// A value that becomes what the next step needs.
fn nothing(origin: &Origin) -> Node {
    Node { origin: origin.clone(), value: Value::Untyped(String::new()) }
}

fn container_for(step: &Step) -> Value {
    match step {
        Step::Index(_) => Value::List(Vec::new()),
        Step::Key(_) => Value::Table(Table::new()),
    }
}
