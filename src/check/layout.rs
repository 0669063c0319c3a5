//! Lines of a table that fit a terminal: every cell is wrapped, none is cut off.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What goes before a remedy.
const ARROW: &str = "→ ";
/// Spaces between two columns.
const GAP: usize = 2;
/// What the marks take, with the spaces before and behind.
const MARGIN: usize = 4;
/// A column is never made narrower than this.
const NARROWEST: usize = 8;

/// One row before it is laid out.
#[derive(Clone, Debug)]
pub(super) struct Row<'a> {
    /// The cells before the last one.
    pub(super) cells: Vec<&'a str>,
    /// The last cell.
    pub(super) text: &'a str,
    /// What stands below the last cell.
    pub(super) mend: Option<&'a str>,
}

/// Lays rows of equally many cells out in columns. Returns the lines of each row, without the margin for marks, which is
/// part of `width`.
pub(super) fn lay_out(rows: &[Row<'_>], width: usize) -> Vec<Vec<String>> {
    let columns = rows.iter().map(|row| row.cells.len()).max().unwrap_or_default();
    let natural: Vec<usize> = (0..columns)
        .map(|at| rows.iter().filter_map(|row| row.cells.get(at)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    let widths = shrink(natural, width);
    let left = widths.iter().map(|column| column + GAP).sum::<usize>() + MARGIN;
    let last = width.saturating_sub(left).max(NARROWEST);
    rows.iter().map(|row| lines(row, &widths, last)).collect()
}

/// Takes from the widest columns until the last one has at least half of the width.
fn shrink(mut widths: Vec<usize>, width: usize) -> Vec<usize> {
    loop {
        let taken: usize = MARGIN + widths.iter().map(|column| column + GAP).sum::<usize>();
        match widths.iter_mut().max() {
            Some(widest) if taken > width / 2 && *widest > NARROWEST => *widest -= 1,
            _ => return widths,
        }
    }
}

fn lines(row: &Row<'_>, widths: &[usize], last: usize) -> Vec<String> {
    let cells: Vec<Vec<String>> =
        row.cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let mut texts = wrap(row.text, last);
    if let Some(mend) = row.mend {
        let indented = wrap(mend, last.saturating_sub(ARROW.width()));
        texts.extend(indented.iter().enumerate().map(|(at, line)| match at {
            0 => format!("{ARROW}{line}"),
            _ => format!("{}{line}", " ".repeat(ARROW.width())),
        }));
    }
    let height = cells.iter().map(Vec::len).chain([texts.len()]).max().unwrap_or_default();
    let line = |at: usize| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            pad(&mut line, cell.get(at).map_or("", String::as_str), width + GAP);
        }
        line.push_str(texts.get(at).map_or("", String::as_str));
        line.truncate(line.trim_end().len());
        line
    };
    (0..height).map(line).collect()
}

fn pad(line: &mut String, cell: &str, width: usize) {
    line.push_str(cell);
    line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
}

/// Breaks a text into lines between words, and within a word that is too long for any line; never at a non-breaking
/// space. What could move the
/// terminal's cursor is made visible: names come from outside.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    let words = text.split(|c: char| c.is_ascii_whitespace()).filter(|word| !word.is_empty());
    for word in words {
        let word: String = word.chars().map(|c| if c.width().is_none() { '\u{fffd}' } else { c }).collect();
        if used > 0 && used + 1 + word.width() > width {
            lines.push(String::new());
            used = 0;
        }
        if used > 0 {
            push(&mut lines, ' ');
            used += 1;
        }
        for letter in word.chars() {
            let wide = letter.width().unwrap_or(1);
            if used > 0 && used + wide > width {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, letter);
            used += wide;
        }
    }
    lines
}

fn push(lines: &mut [String], letter: char) {
    if let Some(line) = lines.last_mut() {
        line.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_breaks_between_words_and_only_else_within_one() {
        assert_eq!(wrap("the pump is down", 8), ["the pump", "is down"]);
        assert_eq!(wrap("a verylongword here", 6), ["a", "verylo", "ngword", "here"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn wide_letters_count_as_the_terminal_shows_them() {
        assert_eq!(wrap("ポンプ故障", 6), ["ポンプ", "故障"]);
        assert_eq!(wrap("e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}"]);
    }

    #[test]
    fn nothing_in_a_name_reaches_the_terminal_as_a_command() {
        assert_eq!(wrap("ops\u{1b}[2J", 40), ["ops\u{fffd}[2J"]);
        assert_eq!(wrap("ops\u{7}\u{9b}", 40), ["ops\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_however_long_the_cells() {
        let long = "word ".repeat(40);
        let name = "a-room-with-a-name-that-is-far-too-long-for-any-table-of-this-world";
        for width in [60, 80, 100, 120] {
            let rows = [
                Row { cells: vec![name, "team", name], text: &long, mend: Some(&long) },
                Row { cells: vec!["t", name, "#ops"], text: "fine", mend: None },
            ];
            for line in lay_out(&rows, width).concat() {
                assert!(line.width() + MARGIN <= width, "{width}: {line}");
            }
        }
    }
}
