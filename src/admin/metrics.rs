//! Values read from the bot and the store at each scrape.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::{BotView, WatchedBy, status::StatusCollector};
use crate::{
    health::State,
    store::StoreError,
    telemetry::{
        BUILD_INFO, CONNECTION_STATE, DEGRADED, FRAMES_RECEIVED, FRAMES_SKIPPED, INBOX_EVENTS,
        INBOX_OLDEST_AGE, OUTBOX_DELIVERIES, OUTBOX_OLDEST_AGE, READY, STANDBY, START_TIME, STORE_UP, Sample,
        WATCHED_ROOMS,
    },
};
use rocketchat::realtime::ConnectionState;

/// Time limit for the queries of the store.
const STORE_TIMEOUT: Duration = Duration::from_secs(3);
/// Every state of the connection; the current one is 1, the others are 0.
const STATES: [&str; 4] = ["connecting", "online", "waiting", "stopped"];

/// All metrics in Prometheus' text format.
pub(super) async fn scrape(status: &StatusCollector) -> String {
    let bot = &status.bot;
    let state = status.recent_readiness().await.state;
    let mut samples = vec![
        Sample::new(&BUILD_INFO, 1.0).with("version", env!("CARGO_PKG_VERSION")),
        Sample::new(&START_TIME, bot.started_at.as_duration().as_secs_f64()),
        Sample::new(&READY, flag(state != State::Down)),
        Sample::new(&DEGRADED, flag(state == State::Degraded)),
        Sample::new(&STANDBY, flag(state == State::Standby)),
        Sample::new(&FRAMES_RECEIVED, bot.frames.received() as f64),
        Sample::new(&FRAMES_SKIPPED, bot.frames.skipped() as f64),
    ];
    samples.extend(connection(&bot.connection.borrow()));
    let watched = bot.directory.watched();
    bot.metrics.init_triggers(watched.iter().map(|watched| watched.trigger.as_str()));
    samples.extend(watched.iter().map(rooms));
    let waiting = timeout(STORE_TIMEOUT, waiting(bot, Timestamp::now())).await.ok().and_then(Result::ok);
    samples.push(Sample::new(&STORE_UP, flag(waiting.is_some())));
    samples.extend(waiting.unwrap_or_default());
    bot.metrics.render(&samples)
}

fn connection(now: &ConnectionState) -> impl Iterator<Item = Sample> {
    let now = now.name();
    STATES
        .into_iter()
        .map(move |state| Sample::new(&CONNECTION_STATE, flag(state == now)).with("state", state))
}

fn rooms(watched: &WatchedBy) -> Sample {
    Sample::new(&WATCHED_ROOMS, watched.rooms.len() as f64).with("trigger", watched.trigger.clone())
}

/// Empty queues are included, with zero.
async fn waiting(bot: &BotView, now: Timestamp) -> Result<Vec<Sample>, StoreError> {
    let (queues, inbox) = (bot.store.outbox_depth().await?, bot.store.inbox_depth().await?);
    let idle = bot.directory.queues().into_iter().map(|label| label.queue);
    let idle = idle.filter(|queue| queues.iter().all(|depth| depth.queue != *queue));
    let queue = |metric, value: f64, queue: &str| Sample::new(metric, value).with("queue", queue);
    let mut samples = vec![
        Sample::new(&INBOX_EVENTS, inbox.waiting as f64),
        Sample::new(&INBOX_OLDEST_AGE, inbox.oldest.map_or(0.0, |oldest| seconds(oldest, now))),
    ];
    for idle in idle {
        samples.push(queue(&OUTBOX_DELIVERIES, 0.0, idle.as_str()));
        samples.push(queue(&OUTBOX_OLDEST_AGE, 0.0, idle.as_str()));
    }
    for depth in &queues {
        samples.push(queue(&OUTBOX_DELIVERIES, depth.waiting as f64, depth.queue.as_str()));
        samples.push(queue(&OUTBOX_OLDEST_AGE, seconds(depth.oldest, now), depth.queue.as_str()));
    }
    Ok(samples)
}

/// Zero if the clock was set back in the meantime.
fn seconds(since: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(since).as_secs_f64().max(0.0)
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
