//! `completions` and `man`, generated from the definition of the command line.

use std::io::{self, Write, stdout};

use clap::Command;
use clap_complete::Shell;

use super::Failure;

/// Prints completions for a shell.
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
            let fix = "`signl4-rocketchat --help` lists them";
            found.ok_or_else(|| Failure::Usage(format!("man: there is no command \"{name}\"; {fix}")))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|error| failed(&error))?;
    print(&text)
}

/// A reader that closes the pipe early, like `head`, is not an error.
fn print(text: &[u8]) -> Result<(), Failure> {
    match stdout().write_all(text).and_then(|()| stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(&error)),
        _ => Ok(()),
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot write to standard output: {error}"))
}
