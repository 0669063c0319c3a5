//! The latency of an alert and a reply, compared with the time that the store's disk needs for one write.

use std::collections::HashMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::Failure;
use crate::bot::{Bot, Build, Setting};
use crate::chat_server::{ChatServer, Seen};
use crate::generated_frames::matching;
use crate::measure::{Bench, WARM_UP, now};

/// The pause between two messages, or events, that are measured one at a time.
const PAUSE: Duration = Duration::from_millis(20);

/// One message in so many matches, and one comes each millisecond.
const ONE_IN: usize = 100;
const EVERY: Duration = Duration::from_millis(1);

/// Each measured value, in no order.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// From a message's frame to its alert's call of SIGNL4, which comes after the commit.
    pub to_page: Vec<Duration>,
    /// From an event's call to its reply's call of Rocket.Chat.
    pub to_reply: Vec<Duration>,
    /// `fsync` after a write of 4 KiB, beside the store, before and after the messages.
    pub fsync: Vec<Duration>,
}

impl Bench {
    /// One message at a time, then one event at a time.
    pub async fn idle(
        &mut self,
        build: &Build,
        setting: Setting,
        count: usize,
    ) -> Result<Latencies, Failure> {
        let (bot, mut server, ..) = self.warm_bot(build, setting).await?;
        let mut latencies = Latencies { fsync: fsync(bot.directory.path())?, ..Latencies::default() };
        let mut alerts = Vec::new();
        for number in 0..count {
            let text = alert_text(number);
            let (thread, frame) = matching(some_room(setting), &text, now());
            let sent = Instant::now();
            server.send(frame);
            let (at, event_id) = paged(&mut server).await?;
            latencies.to_page.push(at - sent);
            alerts.push((thread, event_id));
            sleep(PAUSE).await;
        }
        latencies.to_reply = replies(&bot, &mut server, &alerts).await?;
        latencies.fsync.extend(fsync(bot.directory.path())?);
        Ok(latencies)
    }

    /// 1,000 messages a second of which one in a hundred matches.
    pub async fn busy(
        &mut self,
        build: &Build,
        setting: Setting,
        count: usize,
    ) -> Result<Latencies, Failure> {
        let (bot, mut server, ..) = self.warm_bot(build, setting).await?;
        let mut latencies = Latencies { fsync: fsync(bot.directory.path())?, ..Latencies::default() };
        let generated = self.frames_of(setting.rooms)?;
        let mut waiting: HashMap<usize, Instant> = HashMap::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..count {
            ticks.tick().await;
            if number % ONE_IN == ONE_IN / 2 {
                let (_, frame) = matching(some_room(setting), &alert_text(number), now());
                waiting.insert(number, Instant::now());
                server.send(frame);
            } else {
                let at = WARM_UP + number;
                generated.set_time(at..at + 1, now());
                server.send(generated.frames(at..at + 1).to_vec());
            }
            while let Some((at, seen)) = server.try_next() {
                latencies.to_page.extend(arrived(&mut waiting, at, &seen)?);
            }
        }
        while !waiting.is_empty() {
            let (at, seen) = server.next().await?;
            latencies.to_page.extend(arrived(&mut waiting, at, &seen)?);
        }
        latencies.fsync.extend(fsync(bot.directory.path())?);
        Ok(latencies)
    }
}

fn alert_text(number: usize) -> String {
    format!("SIGNL4 pump {number} is down, pressure below four bar, please have a look")
}

fn some_room(setting: Setting) -> usize {
    rand::rng().random_range(1..setting.rooms)
}

/// How long the alert took that was just seen, if that is what was seen.
fn arrived(
    waiting: &mut HashMap<usize, Instant>,
    at: Instant,
    seen: &Seen,
) -> Result<Option<Duration>, Failure> {
    let Seen::Paged { text, .. } = seen else { return Ok(None) };
    // The text of an attachment comes after that of the message.
    let number = text.split_whitespace().nth(2).and_then(|number| number.parse().ok());
    let sent = number.and_then(|number: usize| waiting.remove(&number));
    let sent = sent.ok_or_else(|| format!("raised twice, or never asked for: {text}"))?;
    Ok(Some(at - sent))
}

async fn paged(server: &mut ChatServer) -> Result<(Instant, String), Failure> {
    loop {
        if let (at, Seen::Paged { event_id, .. }) = server.next().await? {
            return Ok((at, event_id));
        }
    }
}

/// Posts an acknowledgement of each alert, given as its thread and its `eventId`, and waits for the reply.
async fn replies(
    bot: &Bot,
    server: &mut ChatServer,
    alerts: &[(String, String)],
) -> Result<Vec<Duration>, Failure> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut latencies = Vec::new();
    for (number, (expected, event_id)) in alerts.iter().enumerate() {
        let event = json!({
            "eventType": 201, "id": format!("dd209a2d-e037-41ee-b37d-{number:012}"),
            "eventRaisedUtc": "2026-09-01T08:11:37.4815663Z",
            "user": { "username": "Rene", "mailaddress": "rene@example.com" },
            "alert": { "statusCode": 2, "eventId": event_id, "id": format!("alert{number}") },
        });
        let sent = Instant::now();
        http.post(&bot.callback).json(&event).send().await?.error_for_status()?;
        loop {
            if let (at, Seen::Posted { thread }) = server.next().await? {
                if thread != *expected {
                    return Err("a reply in the wrong thread".into());
                }
                latencies.push(at - sent);
                break;
            }
        }
        sleep(PAUSE).await;
    }
    Ok(latencies)
}

/// Writes 4 KiB over and over into a file of its own in that directory, as SQLite does into its log once that has grown,
/// and measures `fsync`, which SQLite calls at each commit.
fn fsync(directory: &Path) -> Result<Vec<Duration>, Failure> {
    const BLOCK: usize = 4096;
    const BLOCKS: u64 = 64;
    const TIMES: u64 = 100;
    let mut file = std::fs::File::create(directory.join("fsync"))?;
    for _ in 0..BLOCKS {
        file.write_all(&[1; BLOCK])?;
    }
    file.sync_all()?;
    let mut taken = Vec::new();
    for number in 0..TIMES {
        file.seek(SeekFrom::Start(number % BLOCKS * BLOCK as u64))?;
        let began = Instant::now();
        file.write_all(&[2; BLOCK])?;
        file.sync_all()?;
        taken.push(began.elapsed());
    }
    Ok(taken)
}
