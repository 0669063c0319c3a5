//! Values read from the bot and the store at each scrape.

use jiff::Timestamp;
use metrics::{counter, gauge};

use super::{BotView, WatchedBy, readiness::answer, status::StatusCollector};
use crate::{
    health::State,
    store::{InboxDepth, Queue, QueueDepth, StoreError},
    telemetry::{
        self, BUILD_INFO, CONNECTION_STATE, DEGRADED, FRAMES_RECEIVED, FRAMES_SKIPPED, INBOX_EVENTS,
        INBOX_OLDEST_AGE, OUTBOX_DELIVERIES, OUTBOX_OLDEST_AGE, READY, STANDBY, START_TIME, STORE_UP,
        WATCHED_ROOMS,
    },
};

/// Every state of the connection; the current one is 1, the others are 0.
const STATES: [&str; 4] = ["connecting", "online", "waiting", "stopped"];

/// All metrics in Prometheus' text format.
pub(super) async fn scrape(status: &StatusCollector) -> String {
    let bot = &status.bot;
    let state = status.readiness.recent().await.state;
    let watched = bot.directory.watched();
    watched.iter().for_each(|watched| telemetry::expect_matches(&watched.trigger));
    let waiting = answer(waiting(bot)).await.ok();
    telemetry::render(|| {
        gauge!(BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        gauge!(START_TIME.name).set(bot.started_at.as_duration().as_secs_f64());
        gauge!(READY.name).set(flag(state != State::Down));
        gauge!(DEGRADED.name).set(flag(state == State::Degraded));
        gauge!(STANDBY.name).set(flag(state == State::Standby));
        counter!(FRAMES_RECEIVED.name).absolute(bot.frames.received());
        counter!(FRAMES_SKIPPED.name).absolute(bot.frames.skipped());
        let connection = bot.connection.borrow().name();
        for state in STATES {
            gauge!(CONNECTION_STATE.name, "state" => state).set(flag(state == connection));
        }
        for WatchedBy { trigger, rooms, .. } in &watched {
            gauge!(WATCHED_ROOMS.name, "trigger" => trigger.clone()).set(rooms.len() as f64);
        }
        gauge!(STORE_UP.name).set(flag(waiting.is_some()));
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
    gauge!(INBOX_EVENTS.name).set(inbox.waiting as f64);
    gauge!(INBOX_OLDEST_AGE.name).set(inbox.oldest.map_or(0.0, |oldest| seconds(oldest, now)));
    let queue = |queue: &Queue, waiting: f64, age: f64| {
        gauge!(OUTBOX_DELIVERIES.name, "queue" => queue.to_string()).set(waiting);
        gauge!(OUTBOX_OLDEST_AGE.name, "queue" => queue.to_string()).set(age);
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
