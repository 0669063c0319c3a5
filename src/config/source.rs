//! The sources of values: the file, and the environment that overrides it, as one tree in which every value knows its
//! origin.
//!
//! Keys and their types are unknown here: a value from the environment is text until a table asks for a number or a
//! list.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Fault, Location, PREFIX, Report, fault};

/// The file that is read by default. It may be absent.
const DEFAULT_FILE: &str = "bot.toml";

/// The file of the systemd service.
const INSTALLED_FILE: &str = "/etc/signl4-rocketchat/bot.toml";

/// Maximum file size in bytes. The example, which has every key, is a hundredth of it.
const MAX_FILE: u64 = 1 << 20;

/// Variables with our prefix that belong to the command line, not to the configuration.
const COMMAND_LINE: [&str; 2] = ["CONFIG", "LOG_FORMAT"];

/// The sources of a configuration.
#[derive(Clone, Default)]
pub struct Sources {
    /// The named file; `None` means `bot.toml` in the working directory, which may be absent.
    pub path: Option<PathBuf>,
    /// The environment. Variables without the prefix `SIGNL4_BOT_` are ignored.
    pub env: Vec<(String, String)>,
}

impl Sources {
    /// The named file, and the environment of this process.
    ///
    /// Variables that are not UTF-8 get replacement characters, so that they are rejected with a clear message.
    pub fn of_process(path: Option<PathBuf>) -> Self {
        let variables = env::vars_os();
        let variables = variables.filter(|(name, _)| name.to_string_lossy().starts_with(PREFIX));
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self { path, env: variables.map(|(name, value)| (text(name), text(value))).collect() }
    }

    /// The same, but if there is no `bot.toml` here and none is named, reads the file of the installed service. Not
    /// for `run`: a second bot would start beside the service.
    pub fn of_process_or_service(path: Option<PathBuf>) -> Self {
        let mut sources = Self::of_process(path);
        let has_none = sources.path.is_none() && !Path::new(DEFAULT_FILE).exists();
        if has_none && sources.sets_nothing() && Path::new(INSTALLED_FILE).exists() {
            sources.path = Some(INSTALLED_FILE.into());
        }
        sources
    }

    /// Whether the environment sets no key.
    fn sets_nothing(&self) -> bool {
        self.env.iter().all(|(name, _)| name.strip_prefix(PREFIX).is_none_or(is_foreign))
    }

    /// Says where the file was expected, if none was found.
    pub(super) fn note_missing_file(&self, report: &Report) {
        if self.path.is_some() || !self.sets_nothing() || Path::new(DEFAULT_FILE).exists() {
            return;
        }
        let location = Location { origin: Origin::Absent, key: String::new() };
        let directory = env::current_dir().unwrap_or_default();
        let why = format!("is not in {}", directory.display());
        report.note(
            &location,
            Fault::new(why, "create one with `signl4-rocketchat init`, name another file with --config, or set the environment (README.md)"),
        );
    }

    /// The file's display name.
    pub(super) fn file(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| DEFAULT_FILE.into())
    }

    /// One tree of both. `None` if the file cannot be used at all: then nothing else is reported.
    pub(super) fn read(&self, report: &Report) -> Option<Table> {
        let mut root = self.read_file(report)?;
        let ours = self.env.iter().filter_map(|(variable, value)| {
            let name = variable.strip_prefix(PREFIX)?;
            (!is_foreign(name)).then(|| (path_of(name), variable, value))
        });
        let mut variables: Vec<_> = ours.collect();
        // The items of a list come in their order, also after the ninth.
        let order = |step: &String| (step.parse().unwrap_or(usize::MAX), step.clone());
        variables.sort_by_cached_key(|(path, variable, _)| {
            (path.iter().map(order).collect::<Vec<_>>(), variable.to_owned())
        });
        for (path, variable, value) in variables {
            let location = Location { origin: Origin::Env(variable.clone()), key: String::new() };
            report.accept(&location, overlay(&mut root, &path, &location.origin, value.clone()));
        }
        Some(root)
    }

    fn read_file(&self, report: &Report) -> Option<Table> {
        let whole = Location { origin: Origin::Absent, key: String::new() };
        let text = match read_bounded(&self.file(), MAX_FILE) {
            Ok(bytes) => {
                String::from_utf8(bytes).map_err(|_| Fault::new("is not UTF-8 text", "save it as UTF-8"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.path.is_none() => Ok(String::new()),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                fault("is far too long for a configuration", "name another file with --config")
            }
            Err(error) => fault(
                format!("cannot be read ({error})"),
                "name an existing file with --config, and make sure that the bot's user can read it",
            ),
        };
        let text = report.accept(&whole, text)?;
        let note = |(origin, fault)| report.note(&Location { origin, ..whole }, fault);
        parse_file(&text).map_err(note).ok()
    }
}

/// Reads a file that has at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// Whether a variable with our prefix is not a setting.
///
/// Kubernetes gives every container variables for every service of its namespace. For a service named `signl4-bot` these
/// are `SIGNL4_BOT_SERVICE_HOST`, `SIGNL4_BOT_PORT_8080_TCP_ADDR` and so on.
fn is_foreign(name: &str) -> bool {
    if COMMAND_LINE.contains(&name) {
        return true;
    }
    let name = format!("_{name}");
    let service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| name.ends_with(end));
    let ports = ["_SERVICE_PORT_", "_PORT_"].iter().any(|part| name.contains(part));
    !name.contains("__") && (service || ports)
}

/// The origin of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// None: the value is missing.
    Absent,
    /// A line of the file, from 1.
    File(usize),
    /// The environment variable of this name.
    Env(String),
}

/// A value and its origin. No `Debug`: it may be a secret.
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// A value as it was written.
pub(super) enum Value {
    Text(String),
    /// The text of an environment variable, whose type depends on the key.
    Untyped(String),
    Bool(bool),
    /// No key has a value of this type.
    Other(&'static str),
    List(Vec<Node>),
    Table(Table),
}

pub(super) type Table = BTreeMap<String, Node>;

impl Value {
    /// The type in words.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Untyped(_) => "text",
            Self::Bool(_) => "true or false",
            Self::Other(name) => name,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Reads a TOML file. The fault of a syntax error quotes none of the text, which may contain secrets.
pub(super) fn parse_file(text: &str) -> Result<Table, (Origin, Fault)> {
    let line = |at: usize| Origin::File(1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count());
    let table = DeTable::parse(text).map_err(|error| {
        let fix = match error.message() {
            message if message.contains("escape") => {
                r"in double quotes \ begins an escape: write this text in single quotes, as in '\d+'"
            }
            "duplicate key" => {
                "keep one of the two: a key, and a table such as [signl4], may appear only once"
            }
            _ => r#"correct this line; text needs quotes, as in key = "text""#,
        };
        let fault = Fault::new(format!("is not TOML ({})", error.message()), fix);
        (line(error.span().map_or(0, |span| span.start)), fault)
    })?;
    Ok(convert_table(table.into_inner(), &line))
}

/// Reads the list or table that an environment variable contains: TOML as in `["a", "b"]`, or JSON.
pub(super) fn parse_inline(text: &str, origin: &Origin) -> Result<Value, Fault> {
    let toml = match serde_json::from_str::<toml::Value>(text) {
        Ok(json) => json.to_string(),
        Err(_) => text.to_owned(),
    };
    match DeValue::parse(&toml) {
        Ok(value) => Ok(convert(value, &|_| origin.clone()).value),
        Err(error) => fault(
            format!("is neither TOML nor JSON ({})", error.message()),
            r#"write a list as ["a", "b"] and a table as { key = "value" }"#,
        ),
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
        DeValue::Integer(_) | DeValue::Float(_) => Value::Other("a number"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| convert(item, origin)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, origin)),
    };
    Node { origin: origin(start), value }
}

/// The path in a variable's name without its prefix, as in `TRIGGER__0__PATTERN`.
///
/// Keys become lower case. Names under `fields` are free and stay as written.
fn path_of(name: &str) -> Vec<String> {
    let mut free = false;
    let step = |part: &str| {
        let step = if free { part.to_owned() } else { part.to_lowercase() };
        free |= step == "fields";
        step
    };
    name.split("__").map(step).collect()
}

/// Adds the value of an environment variable to the tree. Expects variables in the order of their paths, so that the
/// items of a list come in order.
fn overlay(root: &mut Table, path: &[String], origin: &Origin, text: String) -> Result<(), Fault> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    let mut node = root.entry(first.clone()).or_insert_with(|| nothing(origin));
    for step in rest {
        node = descend(node, step, origin)?;
    }
    *node = Node { origin: origin.clone(), value: Value::Untyped(text) };
    Ok(())
}

/// The item or key of a node, created if it does not exist yet.
fn descend<'a>(node: &'a mut Node, step: &str, origin: &Origin) -> Result<&'a mut Node, Fault> {
    let index = step.parse::<usize>().ok();
    if let Value::Untyped(text) = &node.value {
        node.value = match index {
            _ if !text.is_empty() => parse_inline(text, &node.origin)?,
            Some(_) => Value::List(Vec::new()),
            None => Value::Table(Table::new()),
        };
    }
    match (&mut node.value, index) {
        (Value::Table(table), _) => Ok(table.entry(step.to_owned()).or_insert_with(|| nothing(origin))),
        (Value::List(items), Some(index)) => {
            if index == items.len() {
                items.push(nothing(origin));
            }
            let count = items.len();
            items.get_mut(index).ok_or_else(|| {
                Fault::new(
                    format!("is number {index} of a list that has {count}"),
                    format!("use the number {count} for the next one; the first is 0"),
                )
            })
        }
        (Value::List(_), None) => fault(
            "names a key of a list",
            "write the number of the item before it, as in SIGNL4_BOT_TRIGGER__0__PATTERN",
        ),
        (other, _) => fault(
            format!("names a part of {}", other.type_name()),
            "leave out the part of the name after the key",
        ),
    }
}

/// A placeholder that becomes what the next step needs.
fn nothing(origin: &Origin) -> Node {
    Node { origin: origin.clone(), value: Value::Untyped(String::new()) }
}
