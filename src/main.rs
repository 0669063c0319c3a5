//! The command line: parses it, runs one command, and reports its error in one line.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use signl4_rocketchat::{
    bot::Tempo,
    command::{self, CheckOptions, ConfigFile, CopyOptions, Failure, InitOptions, TestOptions},
    logging::{self, LogFormat},
};

/// Pages people through SIGNL4 when a Rocket.Chat message asks for it, and posts what happens to the alert in the message's thread.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    /// The format of the log. RUST_LOG sets its level.
    #[arg(long, global = true, value_enum, default_value_t, env = "SIGNL4_BOT_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create a bot.toml: ask for what it needs, and try each answer.
    Init(Box<InitOptions>),
    /// Run the bot.
    Run(ConfigFile),
    /// Try everything that `run` needs, without paging anybody, and say how to fix what does not work.
    Check(CheckOptions),
    /// Show which trigger a text would match and what would be sent. Sends nothing without --send.
    Test(TestOptions),
    /// Manage the store.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Ask the running bot whether it is ready, for container health checks.
    Health(ConfigFile),
    /// Run the bot between a simulated Rocket.Chat and a simulated SIGNL4, with a web page to try it.
    Demo {
        /// The page's port on 127.0.0.1; 0 for any free one.
        #[arg(long, default_value_t = 8765)]
        port: u16,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print a manual page, in the format of man.
    Man {
        /// The command. By default the page of the program.
        command: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Copy a store into an empty one, to move an installation between SQLite and PostgreSQL. No bot may run on either.
    Copy(CopyOptions),
}

// Two threads are plenty, and each one more of a large machine costs memory.
#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Only `run` works unattended; the other commands report to a person.
    let default_level = match arguments.command {
        Command::Run(_) => "info",
        Command::Demo { .. } => "warn",
        _ => "error",
    };
    if let Err(failure) = logging::start(arguments.log_format, default_level) {
        return report(&Failure::Usage(failure.to_string()));
    }
    logging::log_panics();
    let result = match arguments.command {
        Command::Run(file) => command::run(file.config, Tempo::default()).await,
        Command::Init(options) => command::init(*options).await,
        Command::Check(options) => command::check(options).await,
        Command::Test(options) => command::test(options).await,
        Command::Store(StoreCommand::Copy(options)) => command::copy_store(options).await,
        Command::Health(file) => command::health(file.config).await,
        Command::Demo { port } => command::demo(port).await,
        Command::Completions { shell } => command::completions(Arguments::command(), shell),
        Command::Man { command } => command::man(Arguments::command(), command.as_deref()),
    };
    result.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "the only place that prints errors")]
fn report(failure: &Failure) -> ExitCode {
    let text = failure.to_string();
    if !text.is_empty() {
        eprintln!("{text}");
    }
    ExitCode::from(failure.exit_code())
}
