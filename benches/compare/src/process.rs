//! A measured program as a separate process, and its cost.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::Failure;

/// How often to check whether a process is idle, and how much CPU time it may take between two checks.
const POLL: Duration = Duration::from_millis(300);
const IDLE: Duration = Duration::from_millis(3);

/// Resident memory, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resident {
    /// All of it (`VmRSS`).
    pub all: u64,
    /// Without the pages of the program's file (`RssAnon`): heap and stacks.
    pub anonymous: u64,
}

/// A running program. It is killed when dropped.
pub struct Process {
    child: Child,
    clock: ClockId,
    pub started: Instant,
}

impl Process {
    /// Starts it, with its standard error in a file.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self, Failure> {
        let log = std::fs::File::create(log)?;
        let started = Instant::now();
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?;
        let pid = child.id().ok_or("the process is gone")?;
        let clock = nix::time::clock_getcpuclockid(Pid::from_raw(pid.try_into()?))?;
        Ok(Self { child, clock, started })
    }

    /// The CPU time that it has taken, of all its threads, in user and in kernel mode: what `utime` and `stime` of
    /// `/proc/PID/stat` add up to, to the nanosecond.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        Ok(self.clock.now()?.into())
    }

    /// Terminates it, so that it writes its counts.
    pub async fn terminate(mut self) -> Result<(), Failure> {
        let pid = self.child.id().ok_or("the process is gone")?;
        kill(Pid::from_raw(pid.try_into()?), Signal::SIGTERM)?;
        timeout(crate::DEADLINE, self.child.wait()).await??;
        Ok(())
    }

    /// Its resident memory.
    pub fn resident(&self) -> Result<Resident, Failure> {
        let pid = self.child.id().ok_or("the process is gone")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = |key: &str| -> Result<u64, Failure> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such line")?;
            Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
        };
        Ok(Resident { all: kib("VmRSS:")?, anonymous: kib("RssAnon:")? })
    }

    /// Waits until it is idle, and returns its CPU time so far.
    pub async fn rest(&self) -> Result<Duration, Failure> {
        let deadline = Instant::now() + crate::DEADLINE;
        let mut before = self.cpu()?;
        while Instant::now() < deadline {
            sleep(POLL).await;
            let now = self.cpu()?;
            if now - before < IDLE {
                return Ok(now);
            }
            before = now;
        }
        Err("the side does not come to rest".into())
    }
}

/// The same command, which counts its instructions and writes them to a file when it is terminated.
pub fn counted(command: &Command, counts: &Path) -> Command {
    let command = command.as_std();
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", counts.display()));
    valgrind.arg(command.get_program()).args(command.get_args());
    valgrind.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        valgrind.current_dir(directory);
    }
    valgrind
}

/// The instructions in such a file.
pub fn instructions(counts: &Path) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(counts)?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    Ok(total.ok_or("valgrind counted nothing")?.trim().parse()?)
}
