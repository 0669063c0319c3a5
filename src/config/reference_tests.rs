//! `docs/configuration.md` is generated from `bot.toml.example`. To write it again:
//! `WRITE_REFERENCE=1 cargo test --lib reference`

use super::example_tests::{EXAMPLE, Line, ShownAs, lines};
use super::report::{join, variable_of};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

const INTRODUCTION: &str = "\
# Configuration

Every key of `bot.toml`, with its default and the environment variable that sets it instead. A test generates this file from
[`bot.toml.example`](../bot.toml.example), and other tests compare that file with the keys and defaults of the code.
`signl4-rocketchat init` writes a `bot.toml` with all of these explanations.

- The environment overrides the file. Lists are written as `[\"a\", \"b\"]`.
- In a list of tables, the first is number 0, the second number 1: `SIGNL4_BOT_TRIGGER__1__WORDS`.
- A key that ends in `_file` names a file that contains the secret and nothing else.
- Spaces, line ends and byte order marks around secrets, names, addresses and URLs are removed. Quotes around them are an error.
- Durations are `\"30s\"`, `\"5m\"`, `\"24h\"`, `\"90d\"`.
- Templates use [Jinja](https://docs.rs/minijinja/latest/minijinja/syntax/) syntax, without what could build up a value without bounds:
  no `{% set %}`, no `{% with %}`, no `range`, and `{% for %}` only over a variable, a slice of it or its filters.
- An unknown key is an error. The message suggests the key that was probably meant.
";

/// The tables that may occur several times.
const LISTS: [&str; 2] = ["signl4.team", "trigger"];

#[test]
fn the_reference_has_every_key_with_its_default_and_its_variable() {
    let text = reference();
    if std::env::var_os("WRITE_REFERENCE").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    let other = kept.lines().zip(text.lines()).find(|(kept, made)| kept != made);
    assert!(kept == text, "{other:?}; write it again: WRITE_REFERENCE=1 cargo test --lib reference");
    let keys =
        lines().into_iter().filter(|line| matches!(line, Line::Setting { key, .. } if !key.is_empty()));
    assert_eq!(text.matches("\n- **`").count(), keys.count());
}

fn reference() -> String {
    // The introduction replaces the text before the first table.
    let mut started = false;
    let (mut text, mut prose) = (INTRODUCTION.to_owned(), Vec::new());
    let mut of_settings = false;
    for (raw, line) in EXAMPLE.lines().zip(lines()) {
        match line {
            Line::Prose => {
                if std::mem::take(&mut of_settings) {
                    text.push('\n');
                }
                let said = raw.trim_start_matches('#');
                if !said.is_empty() || prose.last().is_some_and(|last: &&str| !last.is_empty()) {
                    prose.push(said);
                }
            }
            Line::Setting { key, table, .. } if key.is_empty() => {
                let brackets = if LISTS.contains(&&*table) { ("[[", "]]") } else { ("[", "]") };
                text.push_str(&format!("\n## `{}{table}{}`\n\n", brackets.0, brackets.1));
                if started {
                    explain(&mut text, &mut prose);
                }
                prose.clear();
                (started, of_settings) = (true, false);
            }
            Line::Setting { text: setting, key, table, shown_as } => {
                explain(&mut text, &mut prose);
                text.push_str(&entry(&setting, &key, &table, &shown_as));
                of_settings = true;
            }
        }
    }
    text.replace("\n\n\n", "\n\n")
}

fn entry(setting: &str, key: &str, table: &str, shown_as: &ShownAs) -> String {
    let value = setting.split_once(" = ").map_or("", |(_, value)| value);
    let said = match shown_as {
        ShownAs::Given if value.contains("SIGNL4\"]") => {
            format!("default `{value}` without a `[[trigger]]`")
        }
        ShownAs::Given => "required".to_owned(),
        ShownAs::Default => format!("default `{value}`"),
        ShownAs::Example => format!("no default, for example `{value}`"),
        ShownAs::InsteadOf(other) => format!("instead of `{other}`"),
    };
    let index = if LISTS.contains(&table) { ".0" } else { "" };
    let variable = variable_of(&join(&format!("{table}{index}"), key));
    format!("- **`{key}`**: {said}; `{variable}`\n")
}

/// Writes the prose before a setting. Indented lines in it are examples.
fn explain(text: &mut String, prose: &mut Vec<&str>) {
    if prose.iter().all(|line| line.is_empty()) {
        prose.clear();
        return;
    }
    let mut in_example = false;
    for line in prose.drain(..) {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.starts_with("    ") != in_example {
            in_example = !in_example;
            text.push('\n');
        }
        match in_example {
            true => text.push_str(line),
            false => text.push_str(&line.replace('*', "\\*").replace('<', "\\<")),
        }
        text.push('\n');
    }
    text.push('\n');
}
