//! A person to ask.

use std::io::{self, BufRead, IsTerminal, Write};

use tokio::task::block_in_place;

use super::SetupError;

/// Standard input and output, where both are a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal(());

impl Terminal {
    /// `None` where nobody sits in front of this process.
    pub(crate) fn of_process() -> Option<Self> {
        (io::stdin().is_terminal() && io::stdout().is_terminal()).then_some(Self(()))
    }

    /// Asks for one line. An empty one is the default, where there is one.
    ///
    /// # Errors
    /// When the input ends.
    pub(super) fn ask(self, question: &str, default: Option<&str>) -> Result<String, SetupError> {
        let hint =
            default.filter(|text| !text.is_empty()).map_or_else(String::new, |text| format!(" [{text}]"));
        let answer = block_in_place(|| {
            let mut stdout = io::stdout();
            write!(stdout, "{question}{hint}: ")?;
            stdout.flush()?;
            let mut line = String::new();
            match io::stdin().lock().read_line(&mut line)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(line),
            }
        });
        let answer = answer.map_err(|_: io::Error| SetupError::Stopped)?;
        Ok(match answer.trim() {
            "" => default.unwrap_or_default().to_owned(),
            text => text.to_owned(),
        })
    }

    /// Asks for a line that is not shown while it is typed.
    ///
    /// # Errors
    /// When the input ends.
    pub(super) fn ask_secret(self, question: &str) -> Result<String, SetupError> {
        let prompt = format!("{question} (not shown): ");
        let answer = block_in_place(|| rpassword::prompt_password(prompt));
        answer.map(|text| text.trim().to_owned()).map_err(|_| SetupError::Stopped)
    }
}
