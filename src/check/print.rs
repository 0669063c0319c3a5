//! The report as a text for a terminal, a pipe or a mail: a function of the report and of how it is looked at.

use std::fmt::Write as _;
use std::io::IsTerminal;

use super::layout::{Row, lay_out, wrap};
use super::report::{Grade, Remark, Report, RoomFinding, Section};

/// The width where there is no terminal.
const PLAIN_WIDTH: usize = 100;
/// Narrower than this nothing can be read, wider than this neither.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;
/// What stands before a room that is one of many; the space does not break.
const PART: &str = "└\u{a0}";

/// Codes of SGR escape sequences (ECMA-48).
const BOLD: &str = "1";
const FAINT: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// How the report is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether it shows colours.
    pub colour: bool,
}

impl Look {
    /// As standard output is: a terminal, whose width is taken and whose colours are used unless `NO_COLOR` is set, or
    /// something else.
    pub fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let width = terminal.then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0.into());
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: width.unwrap_or(PLAIN_WIDTH), colour: terminal && !refused }
    }
}

/// The whole report.
pub fn print(report: &Report, look: Look) -> String {
    let look = Look { width: look.width.clamp(*WIDTHS.start(), *WIDTHS.end()), ..look };
    let mut text = String::new();
    for section in &report.sections {
        section_of(&mut text, section, look);
    }
    heading(&mut text, "Triggers and rooms", look);
    match &report.rooms {
        Some(rooms) => table(&mut text, rooms, look),
        None => paragraph(&mut text, "not looked at, for the bot cannot log in", look),
    }
    heading(&mut text, "SIGNL4's outbound webhook", look);
    paragraph(&mut text, "has to call this address, or the one under which a proxy passes it on:", look);
    // Not wrapped: it is there to be copied.
    let _ = writeln!(text, "  {}\n", report.webhook);
    let (verdict, colour) = verdict(report);
    for line in wrap(&verdict, look.width) {
        let _ = writeln!(text, "{}", paint(&line, colour, look));
    }
    text
}

fn section_of(text: &mut String, section: &Section, look: Look) {
    heading(text, section.title, look);
    let rows: Vec<Row<'_>> =
        section.findings.iter().map(|finding| row(vec![&finding.subject], &finding.remark)).collect();
    let grades = section.findings.iter().map(|finding| finding.remark.grade);
    marked(text, &lay_out(&rows, look.width), grades, look);
}

fn table(text: &mut String, rooms: &[RoomFinding], look: Look) {
    let parts: Vec<String> =
        rooms.iter().map(|room| format!("{}{}", if room.is_part { PART } else { "" }, room.rooms)).collect();
    let mut rows = vec![Row { cells: vec!["TRIGGER", "PAGES", "ROOMS"], text: "", mend: None }];
    let mut before: Option<&RoomFinding> = None;
    for (room, part) in rooms.iter().zip(&parts) {
        // A trigger is named once, above all its rooms.
        let again = before.replace(room).is_some_and(|before| before.trigger == room.trigger);
        let (trigger, team) = if again { ("", "") } else { (room.trigger.as_str(), room.team.as_str()) };
        rows.push(row(vec![trigger, team, part], &room.remark));
    }
    let laid_out = lay_out(&rows, look.width);
    if let Some((head, body)) = laid_out.split_first() {
        for line in head {
            let _ = writeln!(text, "    {}", paint(line, FAINT, look));
        }
        marked(text, body, rooms.iter().map(|room| room.remark.grade), look);
    }
}

fn row<'a>(cells: Vec<&'a str>, remark: &'a Remark) -> Row<'a> {
    Row { cells, text: &remark.text, mend: remark.mend.as_deref() }
}

fn marked(text: &mut String, rows: &[Vec<String>], grades: impl Iterator<Item = Grade>, look: Look) {
    for (lines, grade) in rows.iter().zip(grades) {
        for (at, line) in lines.iter().enumerate() {
            let mark = if at == 0 { mark(grade, look) } else { " ".to_owned() };
            let _ = writeln!(text, "  {mark} {line}");
        }
    }
}

fn heading(text: &mut String, title: &str, look: Look) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&paint(title, BOLD, look));
    text.push('\n');
}

fn paragraph(text: &mut String, content: &str, look: Look) {
    for line in wrap(content, look.width - 2) {
        let _ = writeln!(text, "  {line}");
    }
}

/// The last word, and the code of its colour.
fn verdict(report: &Report) -> (String, &'static str) {
    let counted = |grade, name: &str| match report.count(grade) {
        0 => None,
        1 => Some(format!("1 {name}")),
        many => Some(format!("{many} {name}s")),
    };
    let found: Vec<String> = [counted(Grade::Problem, "problem"), counted(Grade::Warning, "warning")]
        .into_iter()
        .flatten()
        .collect();
    match (report.works(), found.is_empty()) {
        (true, true) => ("All is well: the bot can run.".to_owned(), GREEN),
        (true, false) => (format!("{}; the bot can run.", found.join(", ")), YELLOW),
        (false, _) => {
            (format!("{}: the bot would not do all that bot.toml asks for.", found.join(", ")), RED)
        }
    }
}

fn mark(grade: Grade, look: Look) -> String {
    match grade {
        Grade::Fine => paint("✓", GREEN, look),
        Grade::Warning => paint("!", YELLOW, look),
        Grade::Problem => paint("✗", RED, look),
    }
}

/// Wraps a text in the escape sequence of a colour or weight.
fn paint(text: &str, code: &str, look: Look) -> String {
    if look.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests;
