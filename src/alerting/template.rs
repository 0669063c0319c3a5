//! Templates: checked when the configuration is loaded, rendered when somebody is paged.
//!
//! A template may use only the names of its [`Vocabulary`]. That, a trial run and the limits below are checked at load,
//! so that what can be wrong is wrong on a quiet afternoon. Values are inserted as they are: nothing is escaped, and a
//! value that looks like a template is never evaluated.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

/// How many instructions one rendering may take. An ordinary template takes a few dozen.
const FUEL: u64 = 20_000;

/// How deep a template may nest.
const RECURSION_LIMIT: usize = 20;

/// How many bytes one rendering may write. Rocket.Chat's own limit for a message is 5,000 characters by default.
const OUTPUT_LIMIT: usize = 256 << 10;

/// The name every template is kept under in its own environment.
const NAME: &str = "template";

/// A text with variables in it, compiled and checked.
#[derive(Clone, Debug)]
pub struct Template {
    source: String,
    environment: Environment<'static>,
}

/// The names a template may use, dotted ones as `room.name`.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    names: BTreeSet<String>,
}

/// Why a template is refused at load.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is not a template at all, or uses a filter that does not exist.
    #[error("{why} (line {line} of the template)")]
    Invalid {
        /// What is wrong, in one line.
        why: String,
        /// The line within the template, from 1.
        line: usize,
    },
    /// It uses a name that will never be there.
    #[error("there is no variable {0:?}")]
    UnknownName(String),
}

/// Why a template could not be rendered. Carries nothing of the values, for messages do not belong into logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template for {what} failed on its line {line}: {why}")]
pub struct RenderError {
    /// What was to be rendered: the key of the template.
    pub what: String,
    /// What went wrong, in general terms.
    pub why: String,
    /// The line within the template, from 1; 0 where it is not known.
    pub line: usize,
}

impl Vocabulary {
    /// The names given.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect() }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// A value for every name. A digit, for it is a text and a number alike.
    fn sample(&self) -> Value {
        let mut plain: Vec<(&str, Value)> = Vec::new();
        let mut nested: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for name in self.names() {
            match name.split_once('.') {
                Some((object, field)) => nested.entry(object).or_default().push((field, "1")),
                None => plain.push((name, Value::from("1"))),
            }
        }
        plain.extend(nested.into_iter().map(|(object, fields)| (object, Value::from_pairs(fields))));
        Value::from_pairs(plain)
    }
}

impl Template {
    /// Compiles a template and checks it against the names it may use.
    ///
    /// # Errors
    /// When it has a mistake that no message could make good.
    pub fn compile(source: &str, vocabulary: &Vocabulary) -> Result<Self, CompileError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_recursion_limit(RECURSION_LIMIT);
        environment.set_fuel(Some(FUEL));
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| invalid(&error))?;
        let template = Self { source: source.to_owned(), environment };
        template.check_names(vocabulary)?;
        template.try_out(vocabulary)?;
        Ok(template)
    }

    /// The template as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders the template. `what` is its key, for the error.
    ///
    /// # Errors
    /// When the values do not suit it, or it runs or writes without end.
    pub fn render(&self, what: &str, values: &Value) -> Result<String, RenderError> {
        self.run(values).map_err(|error| RenderError {
            what: what.to_owned(),
            // Not the detail: it may quote a value.
            why: error.kind().to_string(),
            line: error.line().unwrap_or_default(),
        })
    }

    fn run(&self, values: &Value) -> Result<String, minijinja::Error> {
        let mut output = Bounded(Vec::new());
        self.environment.get_template(NAME)?.render_captured_to(values.clone(), &mut output)?;
        Ok(String::from_utf8_lossy(&output.0).into_owned())
    }

    fn check_names(&self, vocabulary: &Vocabulary) -> Result<(), CompileError> {
        let template = self.environment.get_template(NAME).map_err(|error| invalid(&error))?;
        let built_in: BTreeSet<&str> = self.environment.globals().map(|(name, _)| name).collect();
        let used: BTreeSet<String> = template.undeclared_variables(true).into_iter().collect();
        let known = |name: &String| vocabulary.names.contains(name) || built_in.contains(name.as_str());
        match used.into_iter().find(|name| !known(name)) {
            Some(name) => Err(CompileError::UnknownName(name)),
            None => Ok(()),
        }
    }

    /// Runs it once. Only mistakes that no value could heal are held against it.
    fn try_out(&self, vocabulary: &Vocabulary) -> Result<(), CompileError> {
        match self.run(&vocabulary.sample()) {
            Err(error) if is_hopeless(error.kind()) => Err(invalid(&error)),
            _ => Ok(()),
        }
    }
}

fn is_hopeless(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::TooManyArguments
            | ErrorKind::MissingArgument
            | ErrorKind::OutOfFuel
            | ErrorKind::WriteFailure
    )
}

fn invalid(error: &minijinja::Error) -> CompileError {
    let why = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    CompileError::Invalid { why, line: error.line().unwrap_or(1) }
}

/// A buffer that refuses more than [`OUTPUT_LIMIT`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_LIMIT {
            return Err(io::Error::other("the text grows without end"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
