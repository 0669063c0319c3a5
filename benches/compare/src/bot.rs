//! The bot as a measured program: its configuration, its process, and the listener that SIGNL4 posts to.

use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::Failure;
use crate::chat_server::{TOKEN, USER_ID};
use crate::generated_frames::room_id;
use crate::process::{Process, counted};

const SECRET: &str = "a-listener-secret-of-some-length";

/// A build of the bot.
#[derive(Clone, Debug)]
pub struct Build {
    pub label: String,
    pub program: PathBuf,
}

/// What a bot has to do.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub triggers: usize,
    pub rooms: usize,
    /// Whether it watches every room, or only one in which nothing is written but the marker.
    pub watches_all: bool,
    pub store: Engine,
}

/// Where a bot has its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A running bot.
pub struct Bot {
    pub process: Process,
    /// Where SIGNL4 posts events to.
    pub callback: String,
    /// Where its store is.
    pub directory: TempDir,
}

impl Bot {
    /// Starts it in a new directory below `scratch`, with its store at that URL, or else in an empty file there. With `counts` its
    /// instructions are counted.
    pub fn start(
        build: &Build,
        setting: Setting,
        url: &str,
        store: Option<&str>,
        scratch: &Path,
        counts: Option<&Path>,
    ) -> Result<Self, Failure> {
        let directory = TempDir::new_in(scratch)?;
        let (listener, admin) = (free_port()?, free_port()?);
        let config = directory.path().join("bot.toml");
        std::fs::write(&config, bot_toml(setting, url, store, [listener, admin]))?;
        let mut command = Command::new(&build.program);
        command.args(["run", "--config", "bot.toml"]).current_dir(&directory).env("NO_PROXY", "127.0.0.1");
        if let Some(counts) = counts {
            command = counted(&command, counts);
        }
        let process = Process::start(&mut command, &directory.path().join("bot.log"))?;
        Ok(Self { process, callback: format!("http://127.0.0.1:{listener}/signl4/{SECRET}"), directory })
    }
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn bot_toml(setting: Setting, url: &str, store: Option<&str>, [listener, admin]: [u16; 2]) -> String {
    let mut toml = format!(
        "[rocketchat]\nurl = {url:?}\nuser_id = {USER_ID:?}\nauth_token = {TOKEN:?}\n\
         [signl4]\nwebhook_url = \"{url}/webhook/a1b2c3d4e5f6\"\n\
         [listener]\nbind = \"127.0.0.1:{listener}\"\nsecret = {SECRET:?}\n\
         [admin]\nbind = \"127.0.0.1:{admin}\"\n"
    );
    if let Some(store) = store {
        let _ = writeln!(toml, "[store]\nurl = {store:?}");
    }
    let rooms = if setting.watches_all { "*".to_owned() } else { format!("id:{}", room_id(0)) };
    for trigger in 0..setting.triggers {
        let _ = writeln!(toml, "[[trigger]]\nname = \"trigger {trigger}\"\nrooms = [{rooms:?}]");
        let _ = writeln!(toml, "pattern = '{}'", pattern(trigger));
    }
    toml
}

/// The first one is that of the markers; the others are as monitoring systems need them, and match nothing here.
fn pattern(trigger: usize) -> String {
    match (trigger, trigger % 3) {
        (0, _) => r"(?i)\bSIGNL4\b".to_owned(),
        (_, 0) => format!(r"(?i)^PROBLEM: .* on host-1{trigger:03}\b"),
        (_, 1) => format!(r"(?i)\bpump 1{trigger:03} (?<state>down|leaking|overheated)\b"),
        _ => format!(r"\bERR-1{trigger:03}: (?<reason>[^.]+)"),
    }
}
