//! Escapes and bounds what is written: IDs and error texts come from other machines, and end up on a terminal.

use std::{
    borrow::Cow,
    fmt::{self, Debug},
    io::{self, Write},
};

use serde_json::Value;
use tracing::{Metadata, field::Field};
use tracing_subscriber::{
    field::MakeExt,
    fmt::{FormatFields, MakeWriter, format},
};

use super::journal::priority;

/// A line beyond this length is shortened, in bytes.
const MAX_LINE: usize = 16 * 1024;
/// Maximum length of one value in such a line of JSON, in characters.
const MAX_VALUE: usize = 2_000;

/// Whether a character may end a line, control a terminal or change the order in which text is shown.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes the fields of a line of text. Escapes them as long as they are not mixed with the colours of the format.
pub(super) fn fields() -> impl for<'w> FormatFields<'w> {
    format::debug_fn(field).delimited(" ")
}

fn field(writer: &mut format::Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let value = escape(&format!("{value:?}"), |c, _| c.escape_default().to_string());
    let [italic, dim, off] =
        if writer.has_ansi_escapes() { ["\u{1b}[3m", "\u{1b}[2m", "\u{1b}[0m"] } else { [""; 3] };
    match field.name() {
        "message" => write!(writer, "{value}"),
        name => write!(writer, "{italic}{name}{off}{dim}={off}{value}"),
    }
}

/// Makes writers of whole lines that are escaped first.
pub(super) struct Escaped<M> {
    pub(super) writer: M,
    pub(super) is_json: bool,
    /// Whether each line begins with its priority.
    pub(super) to_journal: bool,
}

/// Writes one line in one call: otherwise lines of several threads would mix.
pub(super) struct LineWriter<W> {
    writer: W,
    is_json: bool,
    priority: &'static str,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaped<M> {
    type Writer = LineWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { writer: self.writer.make_writer(), is_json: self.is_json, priority: "" }
    }

    fn make_writer_for(&'a self, line: &Metadata<'_>) -> Self::Writer {
        let priority = if self.to_journal { priority(*line.level()) } else { "" };
        LineWriter { priority, ..self.make_writer() }
    }
}

impl<W: Write> Write for LineWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = if self.is_json { json(line) } else { plain(line) };
        self.writer.write_all([self.priority, &line, "\n"].concat().as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// JSON has no control characters below U+0080, but all others.
fn json(line: &str) -> String {
    let shortened = match line.len() > MAX_LINE {
        true => serde_json::from_str(line)
            .map_or(Cow::Borrowed(line), |value| Cow::Owned(short(value).to_string())),
        false => Cow::Borrowed(line),
    };
    escape(&shortened, |c, _| format!("\\u{:04x}", u32::from(c)))
}

fn short(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.chars().take(MAX_VALUE).collect()),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, short(value))).collect(),
        other => other,
    }
}

/// Colours, which the format begins with an escape character, remain. Those of other origin were escaped by [`fields`].
fn plain(line: &str) -> String {
    let end = line.floor_char_boundary(MAX_LINE);
    escape(&line[..end], |c, rest| match c {
        '\u{1b}' if is_colour(rest) => c.to_string(),
        c => c.escape_default().to_string(),
    })
}

fn is_colour(rest: &str) -> bool {
    let parameters =
        rest.strip_prefix('[').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    parameters.is_some_and(|rest| rest.starts_with('m'))
}

fn escape(line: &str, escaped: impl Fn(char, &str) -> String) -> String {
    let mut text = String::with_capacity(line.len() + 1);
    for (at, c) in line.char_indices() {
        if is_unsafe(c) { text.push_str(&escaped(c, &line[at + c.len_utf8()..])) } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{fs::File, sync::Arc};

    use tracing::subscriber::with_default;
    use tracing_subscriber::fmt;

    use super::*;

    fn logged(is_json: bool, value: &str) -> String {
        logged_in_colour(is_json, value, false)
    }

    fn logged_in_colour(is_json: bool, value: &str, colours: bool) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        let writer = Arc::new(File::create(file.path()).unwrap());
        let log = fmt().with_writer(Escaped { writer, is_json, to_journal: false }).with_ansi(colours);
        let write = || tracing::warn!(id = %value, quoted = value, "failed: {value}");
        match is_json {
            true => with_default(log.json().flatten_event(true).finish(), write),
            false => with_default(log.fmt_fields(fields()).finish(), write),
        }
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn foreign_text_stays_on_one_line_and_does_not_affect_a_terminal() {
        let foreign = "a\nERROR b\r\u{1b}[2J\u{9b}2J\u{202e}c\u{2028}\u{7f}\0ü";
        for is_json in [false, true] {
            let line = logged(is_json, foreign);
            assert!(line.ends_with('\n') && line.contains('ü'), "{line}");
            assert!(!line.trim_end_matches('\n').contains(is_unsafe), "{line:?}");
        }
        let line: Value = serde_json::from_str(&logged(true, foreign)).unwrap();
        assert_eq!(line["id"], foreign);
    }

    #[test]
    fn only_the_colours_of_the_format_reach_a_terminal() {
        let colours = |value| logged_in_colour(false, value, true).matches('\u{1b}').count();
        assert!(colours("red") > 0);
        assert_eq!(colours("\u{1b}[31mred\u{1b}[0m"), colours("red"));
    }

    #[test]
    fn a_long_line_is_shortened_and_remains_json() {
        let long = "ä".repeat(100_000);
        assert!(logged(false, &long).len() <= MAX_LINE + 1);
        let line: Value = serde_json::from_str(&logged(true, &long)).unwrap();
        assert_eq!(line["id"].as_str().unwrap().chars().count(), MAX_VALUE);
    }
}

/// What holds for any line.
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing {
    use super::*;

    /// A value that comes from elsewhere.
    pub fn log(bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let line = serde_json::json!({"level": "WARN", "id": text, "message": format!("failed: {text}")});
        let line = json(&line.to_string());
        assert!(!line.contains(is_unsafe), "{line:?}");
        let read: Result<Value, _> = serde_json::from_str(&line);
        let id = read.as_ref().ok().and_then(|read| read["id"].as_str()).unwrap_or_default();
        assert!(
            text.starts_with(id) && (id.len() == text.len() || id.chars().count() == MAX_VALUE),
            "{line}"
        );
        let line = plain(&text);
        assert!(line.len() <= 10 * MAX_LINE);
        // Colours remain.
        let without_colours: Vec<&str> = line.split('\u{1b}').collect();
        assert!(without_colours[1..].iter().all(|rest| is_colour(rest)), "{line:?}");
        assert!(!without_colours.concat().contains(is_unsafe), "{line:?}");
    }
}
