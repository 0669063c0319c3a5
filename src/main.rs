//! The command line: reads it, runs one command, and says in one line why it did not work.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use signl4_rocketchat::{
    bot::Tempo,
    command::{self, CheckOptions, Failure, InitOptions},
    logging::{self, LogFormat},
};

/// Pages people through SIGNL4 when a Rocket.Chat message asks for it, and brings the alert's fate back into its thread.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    /// How the log is written; RUST_LOG sets how much of it.
    #[arg(long, global = true, value_enum, default_value_t, env = "SIGNL4_BOT_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration. Without it ./bot.toml is read where it is there; the environment goes before it.
    #[arg(long, env = "SIGNL4_BOT_CONFIG", value_name = "bot.toml")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a bot.toml: ask for what it needs, and try each answer.
    Init(InitOptions),
    /// Run the bot.
    Run(ConfigFile),
    /// Try everything `run` needs, without paging anybody, and say what to mend.
    Check {
        #[command(flatten)]
        options: CheckOptions,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Say which trigger a text would match and what would be sent; sends nothing.
    Test {
        /// The text of the message.
        text: String,
        /// The room it would stand in: a name, or id:… ; without it any room that a trigger watches.
        #[arg(long)]
        room: Option<String>,
        /// Who would have written it, by username; without it somebody whose messages the trigger takes.
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Ask the running bot whether it can do its work, for container health checks.
    Health(ConfigFile),
    /// Run the bot between a simulated Rocket.Chat and a simulated SIGNL4, with a web page to play with.
    Demo {
        /// The page's port on 127.0.0.1; 0 takes any that is free.
        #[arg(long, default_value_t = 8765)]
        port: u16,
    },
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page, in the format of man.
    Man {
        /// The command whose page it is; without it the program's own.
        command: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Only `run` works unattended; the others tell a person what they have to tell.
    let usual = match arguments.command {
        Command::Run(_) => "info",
        Command::Demo { .. } => "warn",
        _ => "error",
    };
    if let Err(failure) = logging::start(arguments.log_format, usual) {
        return report(&Failure::Usage(failure.to_string()));
    }
    let done = match arguments.command {
        Command::Run(file) => command::run(file.config, Tempo::default()).await,
        Command::Init(options) => command::init(options).await,
        Command::Check { options, file } => command::check(file.config, &options).await,
        Command::Test { text, room, user, file } => {
            command::test(file.config, &text, room.as_deref(), user.as_deref())
        }
        Command::Health(file) => command::health(file.config).await,
        Command::Demo { port } => command::demo(port).await,
        Command::Completions { shell } => command::completions(Arguments::command(), shell),
        Command::Man { command } => command::man(Arguments::command(), command.as_deref()),
    };
    done.map_or_else(|failure| report(&failure), |()| ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "the one place that tells a person why the program ended")]
fn report(failure: &Failure) -> ExitCode {
    let text = failure.to_string();
    if !text.is_empty() {
        eprintln!("{text}");
    }
    ExitCode::from(failure.exit_code())
}
