//! What is measured in which order, and the table of it.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bot::{Build, Setting};
use crate::latency::Latencies;
use crate::measure::{Bench, BotRun, Reference};
use crate::process::Resident;
use crate::{Effort, Failure};

const FEW: usize = 100;
const MANY: usize = 10_000;
/// The numbers of rooms that there are recordings for.
pub const ROOMS: [usize; 2] = [FEW, MANY];

/// What people run.
const USUAL: Setting = Setting { triggers: 10, rooms: FEW, watches_all: true };
const LARGE: Setting = Setting { rooms: MANY, ..USUAL };

const SETTINGS: [(&str, Setting); 5] = [
    ("1 trigger, 100 rooms", Setting { triggers: 1, ..USUAL }),
    ("10 triggers, 100 rooms", USUAL),
    ("200 triggers, 100 rooms", Setting { triggers: 200, ..USUAL }),
    ("10 triggers, 10,000 rooms", LARGE),
    ("10 triggers, 100 rooms, none of them watched", Setting { watches_all: false, ..USUAL }),
];

/// One line of the table: a cell for each build of the bot, or one for all.
struct Row {
    what: String,
    cells: Vec<String>,
    goal: String,
}

/// Measures everything and prints the table.
pub async fn print(mut bench: Bench, bots: &[Build], effort: Effort, node: bool) -> Result<(), Failure> {
    let began = Instant::now();
    let references = references(&mut bench, effort, node).await?;
    let mut columns = Vec::new();
    for build in bots {
        columns.push(column(&mut bench, build, effort).await?);
    }
    let rows = rows(&references, &columns);
    println!("{}", table(&rows, bots));
    println!("{}", remarks(&bench, effort, began.elapsed()));
    Ok(())
}

/// Measures and prints resident memory alone.
pub async fn print_memory(mut bench: Bench, bots: &[Build], effort: Effort) -> Result<(), Failure> {
    for build in bots {
        for setting in [USUAL, LARGE] {
            let mut runs = Vec::new();
            for _ in 0..effort.repeats {
                let (bot, _server, ..) = bench.warm_bot(build, setting).await?;
                runs.push(bot.process.resident()?);
            }
            let median = mebibytes(at_share(&mut runs, 0.5));
            println!("{}, {} rooms: {median}", build.label, setting.rooms);
        }
    }
    Ok(())
}

/// Each side that is not the bot, and its CPU time for one message.
async fn references(
    bench: &mut Bench,
    effort: Effort,
    node: bool,
) -> Result<Vec<(Reference, Duration)>, Failure> {
    let mut measured = Vec::new();
    for side in [Reference::Bare, Reference::Value, Reference::DdpClient, Reference::Sdk] {
        if !node && matches!(side, Reference::DdpClient | Reference::Sdk) {
            continue;
        }
        let mut runs = Vec::new();
        for _ in 0..effort.repeats {
            runs.push(bench.reference(side).await?);
        }
        eprintln!("{}: {runs:?}", side.name());
        measured.push((side, at_share(&mut runs, 0.5)));
    }
    Ok(measured)
}

impl Reference {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "`tokio-tungstenite`, frames dropped",
            Self::Value => "`tokio-tungstenite`, `serde_json::Value`, one regex",
            Self::DdpClient => "Node.js, `@rocket.chat/ddp-client`, one regex",
            Self::Sdk => "Node.js, `@rocket.chat/sdk`, one regex",
        }
    }
}

/// What was measured of one build of the bot.
struct Column {
    /// The runs of each of [`SETTINGS`].
    runs: Vec<Vec<BotRun>>,
    idle: Latencies,
    busy: Latencies,
    bytes: u64,
}

async fn column(bench: &mut Bench, build: &Build, effort: Effort) -> Result<Column, Failure> {
    let mut runs = Vec::new();
    for (name, setting) in SETTINGS {
        let mut of_setting: Vec<BotRun> = Vec::new();
        while of_setting.len() < effort.repeats && of_setting.iter().all(|run| !run.is_slow) {
            of_setting.push(bench.bot(build, setting).await?);
        }
        eprintln!("{}, {name}: {of_setting:?}", build.label);
        runs.push(of_setting);
    }
    let idle = bench.idle(build, USUAL, effort.alerts).await?;
    eprintln!("{}, one at a time: {}, {}", build.label, three(&idle.to_page), three(&idle.to_reply));
    let busy = bench.busy(build, USUAL, effort.stream).await?;
    eprintln!("{}, in a stream: {}", build.label, three(&busy.to_page));
    Ok(Column { runs, idle, busy, bytes: std::fs::metadata(&build.program)?.len() })
}

impl Column {
    fn cpu(&self, setting: usize) -> Duration {
        at_share(&mut self.runs[setting].iter().map(|run| run.cpu).collect::<Vec<_>>(), 0.5)
    }

    /// The runs with so many rooms.
    fn with(&self, rooms: usize) -> impl Iterator<Item = &BotRun> {
        let runs = SETTINGS.iter().zip(&self.runs);
        runs.filter(move |((_, setting), _)| setting.rooms == rooms).flat_map(|(_, runs)| runs)
    }

    fn resident(&self, rooms: usize) -> Resident {
        at_share(&mut self.with(rooms).map(|run| run.resident).collect::<Vec<_>>(), 0.5)
    }

    fn subscribed(&self, rooms: usize) -> Duration {
        at_share(&mut self.with(rooms).map(|run| run.subscribed).collect::<Vec<_>>(), 0.5)
    }
}

/// The value below which that share of all values lies: 0.5 for the median.
fn at_share<T: Ord + Copy + Default>(values: &mut [T], share: f64) -> T {
    values.sort_unstable();
    let last = values.len().saturating_sub(1) as f64;
    values.get((last * share).round() as usize).copied().unwrap_or_default()
}

fn rows(references: &[(Reference, Duration)], columns: &[Column]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |what: &str, goal: &str, cell: &dyn Fn(&Column) -> String| {
        let cells = columns.iter().map(cell).collect();
        rows.push(Row { what: what.to_owned(), cells, goal: goal.to_owned() });
    };
    for (side, cpu) in references {
        row(&format!("CPU a message: {}", side.name()), "", &|_| microseconds(*cpu));
    }
    for (number, (name, _)) in SETTINGS.iter().enumerate() {
        row(&format!("CPU a message: the bot, {name}"), "", &|column| microseconds(column.cpu(number)));
    }
    for (side, of, goal) in
        [(Reference::Value, "`serde_json::Value`", "≤ 1"), (Reference::DdpClient, "`ddp-client`", "< 0.5")]
    {
        if let Some((_, cpu)) = references.iter().find(|(one, _)| *one == side) {
            row(&format!("the bot, 10 triggers, 100 rooms ÷ {of}"), goal, &|column| {
                ratio(column.cpu(1), *cpu)
            });
        }
    }
    row("`fsync` of 4 KiB on this disk, median, p99", "", &|column| {
        let mut fsync = column.fsync();
        format!("{}, {}", milliseconds(at_share(&mut fsync, 0.5)), milliseconds(at_share(&mut fsync, 0.99)))
    });
    row("frame → alert, one at a time: p50, p99, p99.9", "", &|column| three(&column.idle.to_page));
    row("frame → alert, 1,000 messages a second, 1 % match: p50, p99, p99.9", "p99 ≤ 5 ms", &|column| {
        three(&column.busy.to_page)
    });
    row("that p99 ÷ median `fsync`", "or ≤ 12", &|column| {
        let p99 = at_share(&mut column.busy.to_page.clone(), 0.99);
        ratio(p99, at_share(&mut column.fsync(), 0.5))
    });
    row("event → reply, one at a time: p50, p99, p99.9", "", &|column| three(&column.idle.to_reply));
    row("resident after 20,000 messages, 100 rooms: all, heap and stacks", "", &|column| {
        mebibytes(column.resident(FEW))
    });
    row("resident after 20,000 messages, 10,000 rooms: all, heap and stacks", "< 24 MiB", &|column| {
        mebibytes(column.resident(MANY))
    });
    row("start → subscribed, 100 rooms", "", &|column| milliseconds(column.subscribed(FEW)));
    row("start → subscribed, 10,000 rooms", "", &|column| milliseconds(column.subscribed(MANY)));
    row("program", "< 14 MB", &|column| format!("{:.1} MB", column.bytes as f64 / 1e6));
    rows
}

impl Column {
    fn fsync(&self) -> Vec<Duration> {
        [self.idle.fsync.as_slice(), &self.busy.fsync].concat()
    }
}

fn three(latencies: &[Duration]) -> String {
    let mut all = latencies.to_vec();
    let shares = [0.5, 0.99, 0.999].map(|share| milliseconds(at_share(&mut all, share)));
    shares.join(", ")
}

fn microseconds(duration: Duration) -> String {
    let value = duration.as_secs_f64() * 1e6;
    if value < 100.0 { format!("{value:.2} µs") } else { format!("{value:.0} µs") }
}

fn milliseconds(duration: Duration) -> String {
    let value = duration.as_secs_f64() * 1e3;
    if value < 10.0 { format!("{value:.2} ms") } else { format!("{value:.0} ms") }
}

fn mebibytes(resident: Resident) -> String {
    let [all, anonymous] = [resident.all, resident.anonymous].map(|kib| kib as f64 / 1024.0);
    format!("{all:.1} MiB, {anonymous:.1} MiB")
}

fn ratio(of: Duration, to: Duration) -> String {
    format!("{:.2}", of.as_secs_f64() / to.as_secs_f64())
}

fn table(rows: &[Row], bots: &[Build]) -> String {
    let labels: Vec<&str> = bots.iter().map(|build| build.label.as_str()).collect();
    let mut text = format!("| what | {} | goal |\n", labels.join(" | "));
    let _ = writeln!(text, "| --- |{} --- |", " ---: |".repeat(labels.len()));
    for Row { what, cells, goal } in rows {
        let _ = writeln!(text, "| {what} | {} | {goal} |", cells.join(" | "));
    }
    text
}

/// What the table was measured on and with.
fn remarks(bench: &Bench, effort: Effort, took: Duration) -> String {
    let processor = first_value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let size = bench.recordings.get(&FEW).map_or(0, |recording| recording.mean_size());
    let Effort { messages, repeats, alerts, stream } = effort;
    format!(
        "{cores} cores of {processor}, Linux {}, {size} bytes a message on average. {messages} messages a blast after \
         20000 to warm up, median of {repeats} runs; {alerts} alerts and events one at a time; {} alerts in a stream of \
         {stream} messages. Measured in {} s.",
        kernel.trim(),
        stream / 100,
        took.as_secs(),
    )
}

fn first_value(path: impl AsRef<Path>, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}
