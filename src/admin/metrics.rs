//! Values read from the bot and the store at each scrape.

use jiff::Timestamp;
use metrics::counter;

use super::{BotView, readiness::answer, status::StatusCollector};
use crate::{
    health::{State, WatchedBy},
    store::{InboxDepth, Queue, QueueDepth, StoreError},
    telemetry,
};

/// Every state of the connection; the current one is 1, the others are 0.
const STATES: [&str; 4] = ["connecting", "online", "waiting", "stopped"];

/// All metrics in Prometheus' text format.
pub(super) async fn scrape(status: &StatusCollector) -> String {
    let bot = &status.bot;
    let state = status.readiness.recent().await.state;
    let watched = bot.directory.watched();
    // A trigger may have been added while the bot runs.
    watched.iter().for_each(|watched| telemetry::MATCHES.add(&[("trigger", &watched.trigger)], 0));
    let waiting = answer(waiting(bot)).await.ok();
    telemetry::render(|| {
        telemetry::BUILD_INFO.set(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        telemetry::START_TIME.set(&[], bot.started_at.as_duration().as_secs_f64());
        telemetry::READY.set(&[], flag(state != State::Down));
        telemetry::DEGRADED.set(&[], flag(state == State::Degraded));
        telemetry::STANDBY.set(&[], flag(state == State::Standby));
        counter!(telemetry::FRAMES_RECEIVED.name).absolute(bot.frames.received());
        counter!(telemetry::FRAMES_SKIPPED.name).absolute(bot.frames.skipped());
        let connection = bot.connection.borrow().name();
        for state in STATES {
            telemetry::CONNECTION_STATE.set(&[("state", state)], flag(state == connection));
        }
        for WatchedBy { trigger, rooms, .. } in &watched {
            telemetry::WATCHED_ROOMS.set(&[("trigger", trigger)], rooms.len() as f64);
        }
        telemetry::STORE_UP.set(&[], flag(waiting.is_some()));
        if let Some((queues, inbox)) = &waiting {
            set_waiting(bot, queues, inbox);
        }
    })
}

async fn waiting(bot: &BotView) -> Result<(Vec<QueueDepth>, InboxDepth), StoreError> {
    Ok((bot.store.outbox_depth().await?, bot.store.inbox_depth().await?))
}

fn set_waiting(bot: &BotView, queues: &[QueueDepth], inbox: &InboxDepth) {
    let now = Timestamp::now();
    telemetry::INBOX_EVENTS.set(&[], inbox.waiting as f64);
    telemetry::INBOX_OLDEST_AGE.set(&[], inbox.oldest.map_or(0.0, |oldest| seconds(oldest, now)));
    let queue = |queue: &Queue, waiting: f64, age: f64| {
        telemetry::OUTBOX_DELIVERIES.set(&[("queue", queue.as_str())], waiting);
        telemetry::OUTBOX_OLDEST_AGE.set(&[("queue", queue.as_str())], age);
    };
    // Empty queues are included, with zero.
    for label in bot.directory.queues() {
        queue(&label.queue, 0.0, 0.0);
    }
    for depth in queues {
        queue(&depth.queue, depth.waiting as f64, seconds(depth.oldest, now));
    }
}

/// Zero if the clock was set back in the meantime.
fn seconds(since: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(since).as_secs_f64().max(0.0)
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
