//! The report as text, for a terminal, a pipe or an email.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

use crate::count;

use super::report::{Finding, Grade, Remark, Report, TriggerRooms};

/// The width without a terminal, in columns.
const DEFAULT_WIDTH: u16 = 100;
/// Wider lines are hard to read, and a narrower table has no room for its columns.
const WIDTHS: std::ops::RangeInclusive<u16> = 60..=120;
/// Precedes a room that is one of several that an entry matches. The space is a non-breaking one.
const PART: &str = "└\u{a0}";

/// The output that the report is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: u16,
    /// Whether it shows colours.
    pub colour: bool,
}

impl Look {
    /// Standard output: the width of its terminal, and colours there unless `NO_COLOR` is set.
    pub fn of_stdout() -> Self {
        let table = Table::new();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { width: table.width().unwrap_or(DEFAULT_WIDTH), colour: table.is_tty() && !no_color }
    }

    /// The rows as a table whose columns have these paddings, left and right.
    fn table(self, paddings: &[(u16, u16)], rows: impl IntoIterator<Item = Vec<Cell>>) -> String {
        let mut table = Table::new();
        table.load_preset(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(self.width.clamp(*WIDTHS.start(), *WIDTHS.end()));
        table.add_rows(rows);
        for (column, padding) in table.column_iter_mut().zip(paddings) {
            column.set_padding(*padding);
        }
        if self.colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        table.trim_fmt() + "\n"
    }

    fn heading(self, title: &str) -> String {
        self.table(&[(0, 0)], [vec![Cell::new(title).add_attribute(Attribute::Bold)]])
    }

    fn paragraph(self, text: &str) -> String {
        self.table(&[(2, 0)], [vec![Cell::new(text)]])
    }

    fn findings(self, findings: &[Finding]) -> String {
        let rows = findings.iter().flat_map(|finding| rows(vec![text(&finding.subject)], &finding.remark));
        self.table(&[(2, 1), (0, 0), (0, 1), (0, 0)], rows)
    }

    fn rooms(self, triggers: &[TriggerRooms]) -> String {
        let head = ["", "TRIGGER", "PAGES", "ROOMS", "", ""];
        let mut table = vec![head.map(|title| Cell::new(title).add_attribute(Attribute::Dim)).to_vec()];
        for TriggerRooms { trigger, team, findings } in triggers {
            // A trigger is named once, above all its rooms.
            let names = std::iter::once([trigger.as_str(), team]).chain(std::iter::repeat(["", ""]));
            for (Finding { subject, is_part, remark }, [trigger, team]) in findings.iter().zip(names) {
                let part = if *is_part { PART } else { "" };
                table
                    .extend(rows(vec![text(trigger), text(team), text(&format!("{part}{subject}"))], remark));
            }
        }
        self.table(&[(2, 1), (0, 2), (0, 2), (0, 0), (0, 1), (0, 0)], table)
    }
}

/// The complete report.
pub fn print(report: &Report, look: Look) -> String {
    let mut output = String::new();
    for section in &report.sections {
        output += &(look.heading(section.title) + &look.findings(&section.findings) + "\n");
    }
    output += &look.heading("Triggers and rooms");
    output += &match &report.rooms {
        Some(rooms) => look.rooms(rooms),
        None => look.paragraph("not checked, because of the problem above"),
    };
    output += &("\n".to_owned() + &look.heading("SIGNL4's outbound webhook"));
    output += &look.paragraph("has to call this address, or the address of a proxy that passes it on:");
    // Not wrapped, so that it can be copied.
    output += &format!("  {}\n\n", report.webhook);
    let (verdict, colour) = verdict(report);
    output + &look.table(&[(0, 0)], [vec![Cell::new(verdict).fg(colour)]])
}

/// The row of a remark, and one for the remedy with its arrow in the gutter before the text.
fn rows(cells: Vec<Cell>, remark: &Remark) -> Vec<Vec<Cell>> {
    let (mark, colour) = match remark.grade {
        Grade::Fine => ("✓", Color::DarkGreen),
        Grade::Warning => ("!", Color::DarkYellow),
        Grade::Problem => ("✗", Color::DarkRed),
    };
    let fix = remark.fix.as_ref().map(|fix| {
        let blank = (0..=cells.len()).map(|_| Cell::new(""));
        blank.chain([Cell::new("→"), text(fix)]).collect()
    });
    let row =
        std::iter::once(Cell::new(mark).fg(colour)).chain(cells).chain([Cell::new(""), text(&remark.text)]);
    std::iter::once(row.collect()).chain(fix).collect()
}

/// Names come from outside: makes control characters visible, which could move the terminal's cursor.
fn text(text: &str) -> Cell {
    let visible = |c: char| match c {
        c if c.is_ascii_whitespace() => ' ',
        c if crate::logging::is_unsafe(c) => '\u{fffd}',
        c => c,
    };
    Cell::new(text.chars().map(visible).collect::<String>())
}

/// The last line, and its colour.
fn verdict(report: &Report) -> (String, Color) {
    let graded = [(Grade::Problem, "problem"), (Grade::Warning, "warning")];
    let counts = graded.map(|(grade, name)| (report.count(grade) as u64, name)).into_iter();
    let found: Vec<_> = counts.filter(|(many, _)| *many > 0).map(|(many, name)| count(many, name)).collect();
    let found = found.join(", ");
    match (report.works(), found.is_empty()) {
        (true, true) => ("All is well: the bot can run.".to_owned(), Color::DarkGreen),
        (true, false) => (format!("{found}; the bot can run."), Color::DarkYellow),
        (false, _) => {
            (format!("{found}: the bot would not do everything that bot.toml asks for."), Color::DarkRed)
        }
    }
}

#[cfg(test)]
mod tests;
