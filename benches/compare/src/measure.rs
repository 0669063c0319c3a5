//! CPU time, memory and start: each measurement starts one side, feeds it and returns numbers.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::process::Command;

use crate::Failure;
use crate::bot::{Bot, Build, Engine, Setting};
use crate::chat_server::{ChatServer, Seen, TOKEN, USERNAME};
use crate::generated_frames::{GeneratedFrames, matching};
use crate::postgres::Postgres;
use crate::process::{Process, Resident, counted, instructions};

/// Messages before a measurement starts, for the compilers of the Node sides, and what resident memory is read after.
pub const WARM_UP: usize = 20_000;
/// A bot that needs longer for the warm-up than this is measured with fewer messages, and once: its CPU time is long enough.
const SLOW: Duration = Duration::from_secs(5);
const FEWER: usize = 5_000;

/// A side that is not the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A loop that reads and drops.
    Bare,
    /// The same with `serde_json::Value` and a regular expression.
    Value,
    /// `@rocket.chat/ddp-client` with a regular expression.
    DdpClient,
    /// `@rocket.chat/sdk` with a regular expression.
    Sdk,
}

/// What all measurements need.
pub struct Bench {
    pub scratch: PathBuf,
    pub node: PathBuf,
    /// `None` if its programs are missing.
    pub postgres: Option<Postgres>,
    /// The frames by their number of rooms.
    pub frames: HashMap<usize, GeneratedFrames>,
    /// How many messages a burst has.
    pub messages: usize,
}

/// What one run of a bot showed.
#[derive(Clone, Copy, Debug)]
pub struct BotRun {
    /// CPU time for one message.
    pub cpu: Duration,
    /// Resident memory after the warm-up.
    pub resident: Resident,
    /// From its start until it subscribed.
    pub subscribed: Duration,
    /// Whether the warm-up took long.
    pub is_slow: bool,
}

impl Bench {
    /// CPU time of a side that is not the bot, for one message.
    pub async fn reference(&mut self, side: Reference) -> Result<Duration, Failure> {
        let mut server = ChatServer::start(2).await?;
        let mut command = self.command(side, &server.url)?;
        let process = Process::start(&mut command, &self.scratch.join("side.log"))?;
        subscribed(&mut server).await?;
        process.rest().await?;
        let rooms = *self.frames.keys().min().ok_or("no frames")?;
        let is_bare = side == Reference::Bare;
        burst(&mut server, self.frames_of(rooms)?, 0..WARM_UP, is_bare, 1).await?;
        let before = process.rest().await?;
        let measured = WARM_UP..WARM_UP + self.messages;
        burst(&mut server, self.frames_of(rooms)?, measured, is_bare, 1).await?;
        per_message(process.rest().await? - before, self.messages)
    }

    fn command(&self, side: Reference, url: &str) -> Result<Command, Failure> {
        let loop_named = |name| -> Result<Command, Failure> {
            let mut command = Command::new(std::env::current_exe()?);
            command.args([name, url]);
            Ok(command)
        };
        let script = |name, argument| {
            let mut command = Command::new("node");
            command.arg(self.node.join(name)).args([url, argument]);
            command
        };
        match side {
            Reference::Bare => loop_named("bare"),
            Reference::Value => loop_named("value"),
            Reference::DdpClient => Ok(script("ddp-client.mjs", TOKEN)),
            Reference::Sdk => Ok(script("sdk.mjs", USERNAME)),
        }
    }

    pub fn frames_of(&mut self, rooms: usize) -> Result<&mut GeneratedFrames, Failure> {
        self.frames.get_mut(&rooms).ok_or_else(|| "no frames for so many rooms".into())
    }

    /// Starts a bot and feeds it the warm-up. Returns how long that took as well.
    pub async fn warm_bot(
        &mut self,
        build: &Build,
        setting: Setting,
    ) -> Result<(Bot, ChatServer, Duration, Duration), Failure> {
        let mut server = ChatServer::start(setting.rooms).await?;
        let store = match setting.store {
            Engine::Sqlite => None,
            Engine::Postgres => Some(self.postgres.as_mut().ok_or("no PostgreSQL")?.database().await?),
        };
        let bot = Bot::start(build, setting, &server.url, store.as_deref(), &self.scratch, None)?;
        let subscribed = subscribed(&mut server).await? - bot.process.started;
        bot.process.rest().await?;
        let room = marker_room(setting);
        let took = burst(&mut server, self.frames_of(setting.rooms)?, 0..WARM_UP, false, room).await?;
        bot.process.rest().await?;
        Ok((bot, server, subscribed, took))
    }

    /// A bot's CPU time for one message that sets off nothing, its memory, and how fast it subscribed.
    pub async fn bot(&mut self, build: &Build, setting: Setting) -> Result<BotRun, Failure> {
        let (bot, mut server, subscribed, took) = self.warm_bot(build, setting).await?;
        let resident = bot.process.resident()?;
        let is_slow = took > SLOW;
        let messages = if is_slow { FEWER } else { self.messages };
        let before = bot.process.rest().await?;
        let measured = WARM_UP..WARM_UP + messages;
        let room = marker_room(setting);
        burst(&mut server, self.frames_of(setting.rooms)?, measured, false, room).await?;
        let cpu = per_message(bot.process.rest().await? - before, messages)?;
        Ok(BotRun { cpu, resident, subscribed, is_slow })
    }
}

/// How many messages the runs have whose instructions are counted: the difference leaves out all but the messages.
const COUNTED: [usize; 2] = [5_000, 15_000];

impl Bench {
    /// The instructions in user space for one message: of `serde_json::Value`, or of a bot. Other work on the machine does not
    /// change them.
    pub async fn instructions(&mut self, build: Option<&Build>, setting: Setting) -> Result<u64, Failure> {
        let counts = self.scratch.join("callgrind.out");
        let mut totals = Vec::new();
        for messages in COUNTED {
            let mut server = ChatServer::start(setting.rooms).await?;
            let (process, _bot_directory) = match build {
                Some(build) => {
                    let bot = Bot::start(build, setting, &server.url, None, &self.scratch, Some(&counts))?;
                    (bot.process, Some(bot.directory))
                }
                None => {
                    let mut command = counted(&self.command(Reference::Value, &server.url)?, &counts);
                    (Process::start(&mut command, &self.scratch.join("side.log"))?, None)
                }
            };
            subscribed(&mut server).await?;
            process.rest().await?;
            let room = marker_room(setting);
            burst(&mut server, self.frames_of(setting.rooms)?, 0..messages, false, room).await?;
            process.rest().await?;
            process.terminate().await?;
            totals.push(instructions(&counts)?);
        }
        let [few, many] = COUNTED;
        Ok((totals[1] - totals[0]) / (many - few) as u64)
    }
}

/// The room that the marker is written in: the only one that is watched, unless all are.
fn marker_room(setting: Setting) -> usize {
    usize::from(setting.watches_all)
}

async fn subscribed(server: &mut ChatServer) -> Result<Instant, Failure> {
    loop {
        if let (at, Seen::Subscribed) = server.next().await? {
            return Ok(at);
        }
    }
}

/// Sends these messages as fast as they are taken, and waits until the side has read them: until it has done what a last
/// message, the marker, asks for. Returns how long that took.
async fn burst(
    server: &mut ChatServer,
    generated: &mut GeneratedFrames,
    range: Range<usize>,
    is_bare: bool,
    room: usize,
) -> Result<Duration, Failure> {
    generated.set_time(range.clone(), now());
    let frames = generated.frames(range).to_vec();
    let (_, marker) = matching(room, "SIGNL4 this is the marker", now());
    let began = Instant::now();
    server.send(frames);
    server.send(marker);
    if is_bare {
        server.ping();
    }
    loop {
        if let (at, Seen::Pong | Seen::Called | Seen::Paged { .. }) = server.next().await? {
            return Ok(at - began);
        }
    }
}

fn per_message(cpu: Duration, messages: usize) -> Result<Duration, Failure> {
    Ok(cpu / u32::try_from(messages)?)
}

/// This moment, as Rocket.Chat writes it.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
