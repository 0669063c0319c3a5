//! `completions` and `man`: what a shell and `man` want to know of the command line, made from its own definition.

use std::io::{self, Write, stdout};

use clap::Command;
use clap_complete::Shell;

use super::Failure;

/// Prints the completions of a shell.
///
/// # Errors
/// When they cannot be written.
pub fn completions(mut program: Command, shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(shell, &mut program, name, &mut text);
    print(&text)
}

/// Prints the manual page of the program, or of one of its commands.
///
/// # Errors
/// When there is no such command, or it cannot be written.
pub fn man(mut program: Command, command: Option<&str>) -> Result<(), Failure> {
    program.build();
    let page = match command {
        None => program,
        Some(name) => {
            let found = program.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::Usage(format!("man: there is no command \"{name}\"")))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|error| failed(&error))?;
    print(&text)
}

/// A reader that goes away early, as `head` does, has what it wanted.
fn print(text: &[u8]) -> Result<(), Failure> {
    match stdout().write_all(text).and_then(|()| stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(&error)),
        _ => Ok(()),
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::Output(error.to_string())
}
