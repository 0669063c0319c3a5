//! Measures the bot beside other clients of Rocket.Chat and prints one table: all sides in one run on this machine, each a
//! process of its own, fed the same frames by the same feeder. `docs/performance.md` says how to run and read it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table and the progress are its output")]

mod bot;
mod chat_server;
mod generated_frames;
mod latency;
mod measure;
mod postgres;
mod process;
mod reference;
mod report;

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use regex::Regex;

use bot::Build;
use generated_frames::GeneratedFrames;
use measure::{Bench, WARM_UP};
use postgres::Postgres;

/// Why a measurement failed.
type Failure = Box<dyn Error + Send + Sync>;

/// The longest wait for anything that is going to happen.
const DEADLINE: Duration = Duration::from_secs(300);

/// Measures the bot beside other clients of Rocket.Chat.
#[derive(Debug, Parser)]
struct Args {
    /// Fewer messages and repetitions: about a minute instead of several.
    #[arg(long)]
    quick: bool,
    /// A built bot, as LABEL=PATH; each makes a column of the table. Without one the bot is built.
    #[arg(long = "bot", value_parser = build)]
    bots: Vec<Build>,
    /// Leave out the sides that need Node.js.
    #[arg(long)]
    no_node: bool,
    /// Measure nothing else.
    #[arg(long)]
    only: Option<Part>,
    #[command(subcommand)]
    side: Option<Side>,
}

/// What this program is as a child of itself.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Side {
    /// A loop that reads and drops.
    Bare { url: String },
    /// A loop with `serde_json::Value` and a regular expression.
    Value { url: String },
}

/// What can be measured alone.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Part {
    /// Resident memory.
    Memory,
    /// From a frame to its alert, and from an event to its reply.
    Latency,
    /// The instructions for one message, counted by valgrind: other work on the machine does not change them.
    Instructions,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Messages in a burst.
    messages: usize,
    /// How often each side is started; the table has the median.
    repeats: usize,
    /// Alerts that are raised one at a time.
    alerts: usize,
    /// Messages at 1,000 a second.
    stream: usize,
}

const FULL: Effort = Effort { messages: 100_000, repeats: 3, alerts: 500, stream: 60_000 };
const QUICK: Effort = Effort { messages: 50_000, repeats: 1, alerts: 100, stream: 10_000 };

fn build(text: &str) -> Result<Build, String> {
    let (label, path) = text.split_once('=').ok_or("LABEL=PATH is expected")?;
    let program = std::fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(Build { label: label.to_owned(), program })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args = Args::parse();
    match args.side {
        Some(Side::Bare { url }) => Ok(reference::bare(&url).await?),
        Some(Side::Value { url }) => Ok(reference::value(&url, &Regex::new(r"(?i)\bSIGNL4\b")?).await?),
        None => compare(&args).await,
    }
}

async fn compare(args: &Args) -> Result<(), Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let node = root.join("benches/compare/node");
    let bots = if args.bots.is_empty() { vec![built(&root)?] } else { args.bots.clone() };
    if !args.no_node && args.only.is_none() {
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&node))?;
    }
    // What its client for HTTP needs, although nothing here is encrypted.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scratch = root.join("target/compare");
    std::fs::create_dir_all(&scratch)?;
    let effort = if args.quick { QUICK } else { FULL };
    let frames = report::ROOMS.map(|rooms| (rooms, GeneratedFrames::new(WARM_UP + effort.messages, rooms)));
    let postgres = Postgres::start(&root, &scratch).await?;
    if postgres.is_none() {
        eprintln!("PostgreSQL is not measured: its programs are missing");
    }
    let frames = HashMap::from(frames);
    let mut bench = Bench { scratch, node, postgres, frames, messages: effort.messages };
    let printed = match args.only {
        None => report::print(&mut bench, &bots, effort, !args.no_node).await,
        Some(Part::Memory) => report::print_memory(&mut bench, &bots, effort).await,
        Some(Part::Latency) => report::print_latency(&mut bench, &bots, effort).await,
        Some(Part::Instructions) => report::print_instructions(&mut bench, &bots).await,
    };
    if let Some(postgres) = bench.postgres {
        postgres.stop().await?;
    }
    printed
}

/// Builds the bot as it is packaged.
fn built(root: &Path) -> Result<Build, Failure> {
    let build = ["build", "--profile", "dist", "--locked", "--package", "signl4-rocketchat"];
    run(Command::new(env!("CARGO")).args(build).current_dir(root))?;
    let program = root.join("target/dist/signl4-rocketchat");
    Ok(Build { label: "the bot".to_owned(), program })
}

fn run(command: &mut Command) -> Result<(), Failure> {
    eprintln!("{command:?}");
    match command.stdout(std::io::stderr()).status()? {
        status if status.success() => Ok(()),
        status => Err(format!("{command:?}: {status}").into()),
    }
}
