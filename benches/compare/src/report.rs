//! Measures everything in order, and prints the table.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bot::{Build, Engine, Setting};
use crate::latency::Latencies;
use crate::measure::{Bench, BotRun, Reference};
use crate::process::Resident;
use crate::{Effort, Failure};

const FEW: usize = 100;
const MANY: usize = 10_000;
/// The numbers of rooms that there are frames for.
pub const ROOMS: [usize; 2] = [FEW, MANY];

/// What people run.
const USUAL: Setting = Setting { triggers: 10, rooms: FEW, watches_all: true, store: Engine::Sqlite };
const LARGE: Setting = Setting { rooms: MANY, ..USUAL };

/// What is measured with every store.
const STORED: [Setting; 2] = [USUAL, LARGE];

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
pub async fn print(bench: &mut Bench, bots: &[Build], effort: Effort, node: bool) -> Result<(), Failure> {
    let began = Instant::now();
    let references = references(bench, effort, node).await?;
    let mut columns = Vec::new();
    for build in bots {
        columns.push(column(bench, build, effort).await?);
    }
    let rows = rows(&references, &columns);
    println!("{}", table(&rows, bots));
    println!("{}", remarks(bench, effort, began.elapsed()));
    Ok(())
}

/// Measures and prints resident memory alone.
pub async fn print_memory(bench: &mut Bench, bots: &[Build], effort: Effort) -> Result<(), Failure> {
    for build in bots {
        for setting in bench.engines().flat_map(|store| STORED.map(|setting| Setting { store, ..setting })) {
            let mut runs = Vec::new();
            for _ in 0..effort.repeats {
                let (bot, _server, ..) = bench.warm_bot(build, setting).await?;
                runs.push(bot.process.resident()?);
            }
            let median = mebibytes(at_share(&mut runs, 0.5));
            println!("{}, {}, {} rooms: {median}", build.label, setting.store.name(), setting.rooms);
        }
    }
    Ok(())
}

/// Measures and prints the latency alone.
pub async fn print_latency(bench: &mut Bench, bots: &[Build], effort: Effort) -> Result<(), Failure> {
    for engine in bench.engines() {
        for build in bots {
            let stored = stored(bench, build, engine, vec![], effort).await?;
            let fsync = at_share(&mut stored.busy.fsync.clone(), 0.5);
            println!("{}, {}; fsync {}", build.label, stored.latency(), milliseconds(fsync));
        }
    }
    Ok(())
}

/// Counts and prints only the instructions per message.
pub async fn print_instructions(bench: &mut Bench, bots: &[Build]) -> Result<(), Failure> {
    println!("{}: {}", Reference::Value.name(), bench.instructions(None, USUAL).await?);
    for build in bots {
        println!("{}: {}", build.label, bench.instructions(Some(build), USUAL).await?);
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
    /// CPU time for one message, of each of [`SETTINGS`].
    cpu: Vec<Duration>,
    stores: Vec<Stored>,
    bytes: u64,
}

/// What was measured of a bot with one kind of store.
struct Stored {
    engine: Engine,
    /// The runs with each number of rooms.
    runs: Vec<(usize, BotRun)>,
    idle: Latencies,
    busy: Latencies,
}

async fn column(bench: &mut Bench, build: &Build, effort: Effort) -> Result<Column, Failure> {
    let (mut cpu, mut stores, mut sqlite) = (Vec::new(), Vec::new(), Vec::new());
    for (name, setting) in SETTINGS {
        let runs = runs(bench, build, setting, effort).await?;
        eprintln!("{}, {name}: {runs:?}", build.label);
        cpu.push(at_share(&mut runs.iter().map(|run| run.cpu).collect::<Vec<_>>(), 0.5));
        sqlite.extend(runs.into_iter().map(|run| (setting.rooms, run)));
    }
    for engine in bench.engines() {
        let mut of_engine = std::mem::take(&mut sqlite);
        if engine != Engine::Sqlite {
            for setting in STORED {
                let runs = runs(bench, build, Setting { store: engine, ..setting }, effort).await?;
                eprintln!("{}, {}: {runs:?}", build.label, engine.name());
                of_engine.extend(runs.into_iter().map(|run| (setting.rooms, run)));
            }
        }
        stores.push(stored(bench, build, engine, of_engine, effort).await?);
        eprintln!("{}, {}", build.label, stores[stores.len() - 1].latency());
    }
    Ok(Column { cpu, stores, bytes: std::fs::metadata(&build.program)?.len() })
}

async fn stored(
    bench: &mut Bench,
    build: &Build,
    engine: Engine,
    runs: Vec<(usize, BotRun)>,
    effort: Effort,
) -> Result<Stored, Failure> {
    let usual = Setting { store: engine, ..USUAL };
    let idle = bench.idle(build, usual, effort.alerts).await?;
    let busy = bench.busy(build, usual, effort.stream).await?;
    Ok(Stored { engine, runs, idle, busy })
}

/// Starts the bot as often as the effort says, or once if it is slow.
async fn runs(
    bench: &mut Bench,
    build: &Build,
    setting: Setting,
    effort: Effort,
) -> Result<Vec<BotRun>, Failure> {
    let mut runs: Vec<BotRun> = Vec::new();
    while runs.len() < effort.repeats && runs.iter().all(|run| !run.is_slow) {
        runs.push(bench.bot(build, setting).await?);
    }
    Ok(runs)
}

impl Bench {
    /// The stores that can be measured.
    fn engines(&self) -> impl Iterator<Item = Engine> + use<> {
        [Some(Engine::Sqlite), self.postgres.as_ref().map(|_| Engine::Postgres)].into_iter().flatten()
    }
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

impl Stored {
    fn median<T: Ord + Copy + Default>(&self, rooms: usize, of: impl Fn(&BotRun) -> T) -> T {
        let runs = self.runs.iter().filter(|(number, _)| *number == rooms);
        at_share(&mut runs.map(|(_, run)| of(run)).collect::<Vec<_>>(), 0.5)
    }

    fn latency(&self) -> String {
        let [alert, reply, stream] =
            [&self.idle.to_page, &self.idle.to_reply, &self.busy.to_page].map(|some| three(some));
        format!("{}: alert {alert}; reply {reply}; alert in the stream {stream}", self.engine.name())
    }

    fn fsync(&self) -> Vec<Duration> {
        [self.idle.fsync.as_slice(), &self.busy.fsync].concat()
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
        row(&format!("CPU per message: {}", side.name()), "", &|_| microseconds(*cpu));
    }
    for (number, (name, _)) in SETTINGS.iter().enumerate() {
        row(&format!("CPU per message: the bot, {name}"), "", &|column| microseconds(column.cpu[number]));
    }
    for (side, of, goal) in
        [(Reference::Value, "`serde_json::Value`", "≤ 1"), (Reference::DdpClient, "`ddp-client`", "< 0.5")]
    {
        if let Some((_, cpu)) = references.iter().find(|(one, _)| *one == side) {
            row(&format!("the bot, 10 triggers, 100 rooms ÷ {of}"), goal, &|column| {
                ratio(column.cpu[1], *cpu)
            });
        }
    }
    let engines = columns.first().map_or(0, |column| column.stores.len());
    let fsync = |column: &Column| column.stores.iter().flat_map(Stored::fsync).collect::<Vec<_>>();
    row("`fsync` of 4 KiB on this disk, median, p99", "", &|column| {
        let [median, p99] = [0.5, 0.99].map(|share| milliseconds(at_share(&mut fsync(column), share)));
        format!("{median}, {p99}")
    });
    for engine in 0..engines {
        let name = columns[0].stores[engine].engine.name();
        let is_goal = |goal: &'static str| if engine == 0 { goal } else { "" };
        let mut row = |what: &str, goal: &'static str, cell: &dyn Fn(&Stored) -> String| {
            row(&format!("{name}: {what}"), is_goal(goal), &|column| cell(&column.stores[engine]));
        };
        row("frame → alert, one at a time: p50, p99, p99.9", "", &|stored| three(&stored.idle.to_page));
        row("frame → alert, 1,000 messages a second, 1 % match: the same", "p99 ≤ 5 ms", &|stored| {
            three(&stored.busy.to_page)
        });
        row("that p99 ÷ median `fsync` in the same minute", "or ≤ 12", &|stored| {
            let p99 = at_share(&mut stored.busy.to_page.clone(), 0.99);
            ratio(p99, at_share(&mut stored.busy.fsync.clone(), 0.5))
        });
        row("event → reply, one at a time: p50, p99, p99.9", "", &|stored| three(&stored.idle.to_reply));
        for (rooms, goal) in [(FEW, ""), (MANY, "< 24 MiB")] {
            let what =
                format!("resident after 20,000 messages, {} rooms: all, heap and stacks", grouped(rooms));
            row(&what, goal, &|stored| mebibytes(stored.median(rooms, |run| run.resident)));
        }
        for rooms in ROOMS {
            let what = format!("start → subscribed, {} rooms", grouped(rooms));
            row(&what, "", &|stored| milliseconds(stored.median(rooms, |run| run.subscribed)));
        }
    }
    row("program", "< 14 MB", &|column| format!("{:.1} MB", column.bytes as f64 / 1e6));
    rows
}

/// With a comma between thousands.
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", number / 1000, number % 1000),
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
    let size = bench.frames.get(&FEW).map_or(0, |frames| frames.mean_size());
    let Effort { messages, repeats, alerts, stream } = effort;
    format!(
        "{cores} cores of {processor}, Linux {}, {size} bytes per message on average. {messages} messages per burst after \
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
