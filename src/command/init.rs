//! `init`: creates a `bot.toml` by asking, tries every answer, and says what to do next.
//!
//! | file | subject |
//! | --- | --- |
//! | `answers` | what was given, and the complete answers |
//! | `interview` | asks for missing values, and tries each answer |
//! | `terminal` | questions to a person |
//! | `rooms_answer` | the rooms in an answer |
//! | `draft` | the text of the file, made from `bot.toml.example` |
//! | `secrets` | the secrets in it, or the files that contain them instead |
//! | `file` | writes all files, readable only as far as needed, completely or not at all |

#![expect(clippy::print_stdout, reason = "output of the command")]

mod answers;
mod draft;
mod file;
mod interview;
mod rooms_answer;
mod secrets;
mod terminal;

use std::io::{IsTerminal, stdout};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use secrecy::ExposeSecret;

use self::answers::Given;
use self::file::{Target, Written};
use self::interview::interview;
use self::terminal::Terminal;
use super::{Failure, dry_run::page};
use crate::check::{PublicUrl, webhook_base};

/// The options of `init`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Secrets also come from SIGNL4_BOT_ROCKETCHAT__AUTH_TOKEN, SIGNL4_BOT_ROCKETCHAT__PASSWORD and \
                        SIGNL4_BOT_SIGNL4__WEBHOOK_URL.\nWithout a terminal, init asks nothing, and missing answers are an error."
)]
pub struct InitOptions {
    #[command(flatten)]
    given: Given,
    /// The file to write.
    #[arg(long, default_value = "bot.toml", value_name = "bot.toml")]
    output: PathBuf,
    /// Write each secret to its own file in this directory, for systemd and containers, and only its path to bot.toml.
    #[arg(long, value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
    /// Replace existing files.
    #[arg(long)]
    force: bool,
    /// Ask no questions, even on a terminal.
    #[arg(long)]
    yes: bool,
}

/// Writes the file. Secrets are readable by this user only.
///
/// # Errors
/// Why no `bot.toml` was written. [`Failure::Reported`] if the test failed.
pub async fn init(options: InitOptions) -> Result<(), Failure> {
    let target = Target::new(options.output, options.secrets_dir, options.force)?;
    let terminal = if options.yes { None } else { Terminal::of_process() };
    let answers = interview(options.given, terminal).await?;
    let written = target.write(&answers)?;
    report(target.output(), &written, answers.public_url.as_ref());
    let tested = match terminal {
        Some(person) => offer_test(person, target.output()).await,
        None => Ok(()),
    };
    // With the secrets in files a service or a container runs the bot.
    if let Some(person) = terminal.filter(|_| written.secrets.is_empty()) {
        offer_run(person, target.output())?;
    }
    if terminal.is_some() {
        println!();
    }
    say_what_is_next(target.output(), written.secrets.is_empty());
    tested
}

/// Whether a person says yes. The file is already written, so ending the input is no failure.
fn agrees(person: Terminal, question: &str) -> bool {
    person.choose(question, 'n', 'y').is_ok_and(|answer| answer == 'y')
}

/// Pages the person on duty, if requested, to test both directions.
async fn offer_test(person: Terminal, output: &Path) -> Result<(), Failure> {
    let question = "After you have entered the URL in SIGNL4: page the person on duty now, to test both directions? (y/n)";
    if !agrees(person, question) {
        return Ok(());
    }
    println!();
    let tested = page(output.to_owned(), "SIGNL4 test").await;
    // Printed now, because the bot may run next.
    tested.map_err(|failure| {
        println!("{failure}");
        Failure::Reported
    })
}

/// Becomes `run`, if that is wanted: the same process, with the log and the signals of that command.
fn offer_run(person: Terminal, output: &Path) -> Result<(), Failure> {
    if !agrees(person, "Run the bot now, in this terminal? (y/n)") {
        return Ok(());
    }
    println!(
        "\nCtrl+C stops the bot. To keep it running, set it up as a service or in a container (docs/operations.md, \"Running\").\n"
    );
    let started = std::env::current_exe()
        .map(|program| Command::new(program).arg("run").arg("--config").arg(output).exec());
    let why = started.unwrap_or_else(|why| why);
    Err(wrong_usage(format!("cannot start the bot: {why}")))
}

/// The only place that shows a secret, and only on a terminal.
fn report(output: &Path, Written { config, secrets }: &Written, public: Option<&PublicUrl>) {
    let base = webhook_base(config, public);
    let secret =
        if stdout().is_terminal() { config.listener.secret.expose_secret() } else { "<listener.secret>" };
    let written = output.display();
    if secrets.is_empty() {
        println!("\nWrote {written}. It contains secrets, and only you can read it.");
    } else {
        println!("\nWrote {written}, and its secrets, which only you can read:\n");
        for file in secrets {
            println!("  {}", file.display());
        }
    }
    println!("\nIn the SIGNL4 portal, create an outbound webhook with this URL. It is a secret too:");
    println!("\n  {base}/signl4/{secret}\n");
    if base.contains('<') {
        println!(
            "Replace <this machine> with the host name at which SIGNL4 reaches this machine or its proxy.\n"
        );
    }
}

fn say_what_is_next(output: &Path, by_hand: bool) {
    let named = match output == Path::new("bot.toml") {
        true => String::new(),
        false => format!(" --config {}", output.display()),
    };
    println!("Next:\n\n  signl4-rocketchat check{named}");
    match by_hand {
        true => println!("  signl4-rocketchat run{named}"),
        false => println!("\nThen start the service or the container (docs/operations.md, \"Running\")."),
    }
}

/// The command line is wrong, or names a file that must not be overwritten.
fn wrong_usage(why: String) -> Failure {
    Failure::Usage(format!("init: {why}"))
}

/// An answer was tried and does not work, or a file cannot be written.
fn failed(why: String) -> Failure {
    Failure::Failed(format!("init: {why}"))
}

/// The input ended.
fn stopped() -> Failure {
    failed("stopped; nothing was written".to_owned())
}
