//! Questions to a person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use tokio::task::block_in_place;

use super::stopped;
use crate::command::Failure;

/// The answer to an empty line without a default.
const NOTHING: &str = "  ✗ nothing was entered";

/// Control characters are replaced: a server's texts must not control the terminal.
#[expect(clippy::print_stdout, reason = "output of the command")]
pub(super) fn print(text: &str) {
    println!("{}", text.replace(char::is_control, "\u{fffd}"));
}

/// A person at a terminal: standard input and output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal(());

impl Terminal {
    /// `None` if standard input or output is not a terminal.
    pub(super) fn of_process() -> Option<Self> {
        (io::stdin().is_terminal() && io::stdout().is_terminal()).then_some(Self(()))
    }

    /// Asks for one line. An empty line means the default; without one it is asked again.
    ///
    /// # Errors
    /// When the input ends.
    pub(super) fn ask(self, question: &str, default: Option<&str>) -> Result<String, Failure> {
        let hint =
            default.filter(|text| !text.is_empty()).map_or_else(String::new, |text| format!(" [{text}]"));
        let line = || {
            let mut stdout = io::stdout();
            write!(stdout, "{question}{hint}: ")?;
            stdout.flush()?;
            let mut line = String::new();
            match io::stdin().lock().read_line(&mut line)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(line),
            }
        };
        entered(|| line().inspect_err(|_| print("")), default)
    }

    /// Asks for one of two letters until it is one. An empty line means the first.
    ///
    /// # Errors
    /// When the input ends.
    pub(super) fn choose(self, question: &str, default: char, other: char) -> Result<char, Failure> {
        loop {
            let answer = self.ask(question, Some(&default.to_string()))?.to_lowercase();
            match [default, other].into_iter().find(|letter| answer.starts_with(*letter)) {
                Some(letter) => return Ok(letter),
                None => print(&format!("  ✗ please answer {} or {}", default.max(other), default.min(other))),
            }
        }
    }

    /// Asks for one line without echo, until there is one.
    ///
    /// # Errors
    /// When the input ends.
    pub(super) fn ask_secret(self, question: &str) -> Result<String, Failure> {
        entered(|| rpassword::prompt_password(format!("{question} (not shown): ")), None)
    }
}

/// Reads lines until there is an answer.
fn entered(line: impl Fn() -> io::Result<String>, default: Option<&str>) -> Result<String, Failure> {
    loop {
        let line = block_in_place(&line).map_err(|_| stopped())?;
        match (line.trim(), default) {
            ("", None) => print(NOTHING),
            ("", Some(default)) => return Ok(default.to_owned()),
            (text, _) => return Ok(text.to_owned()),
        }
    }
}
