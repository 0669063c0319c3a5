//! Asks the bot how it is, by its private listener: `/readyz` and `/metrics`.

use std::time::Duration;

use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two reads of the metrics. Short: a person watches for what waits.
const EVERY: Duration = Duration::from_millis(250);
/// The readiness is asked for at every so many reads, because it costs the bot a write.
const READINESS_EVERY: usize = 4;
/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Deliveries that have waited for so many seconds are held up; younger ones may be on their way.
const HELD_UP: f64 = 1.5;

/// What the bot says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct BotStatus {
    /// The address of its status page.
    url: Option<String>,
    state: BotState,
    /// Why it is not ready, as it words them.
    reasons: Vec<String>,
    #[serde(skip)]
    pub(super) waiting: Waiting,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BotState {
    /// There is no bot to ask.
    #[default]
    Unknown,
    Ready,
    Degraded,
    Down,
    /// It does not answer.
    Away,
}

/// The alerts that the bot has not delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) alerts: u64,
    /// Whether the oldest has waited longer than a call takes.
    pub(super) held_up: bool,
}

/// The part of the answer of `/readyz` that the page shows.
#[derive(Deserialize)]
struct Readiness {
    state: BotState,
    missing: Vec<String>,
    warnings: Vec<Warning>,
}

#[derive(Deserialize)]
struct Warning {
    what: String,
}

/// Watches the bot until the page is dropped.
pub(super) struct BotWatch {
    status: watch::Receiver<BotStatus>,
}

impl BotWatch {
    pub(super) fn start(url: Option<String>, shutdown: CancellationToken) -> Result<Self, reqwest::Error> {
        let Some(url) = url else {
            return Ok(Self { status: watch::Sender::default().subscribe() });
        };
        // Another part of the process may have installed a provider; any works.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Plain HTTP on the loopback needs no certificate authorities.
        let http = Client::builder().no_proxy().tls_certs_only([]).timeout(TIMEOUT).build()?;
        let first = BotStatus { url: Some(url.clone()), state: BotState::Away, ..BotStatus::default() };
        let (sender, status) = watch::channel(first);
        tokio::spawn(shutdown.run_until_cancelled_owned(async move {
            for turn in 0_usize.. {
                let readiness = if turn.is_multiple_of(READINESS_EVERY) {
                    Some(readiness(&http, &url).await)
                } else {
                    None
                };
                let waiting = waiting(&metrics(&http, &url).await.unwrap_or_default());
                sender.send_if_modified(|known| {
                    let before = known.clone();
                    if let Some((state, reasons)) = readiness {
                        (known.state, known.reasons) = (state, reasons);
                    }
                    known.waiting = waiting;
                    *known != before
                });
                tokio::time::sleep(EVERY).await;
            }
        }));
        Ok(Self { status })
    }

    pub(super) fn now(&self) -> BotStatus {
        self.status.borrow().clone()
    }

    /// Waits for the next change; forever if there is no bot.
    pub(super) async fn changed(&mut self) {
        if self.status.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn readiness(http: &Client, url: &str) -> (BotState, Vec<String>) {
    let Ok(answer) = http.get(format!("{url}readyz")).send().await else {
        return (BotState::Away, Vec::new());
    };
    match answer.json::<Readiness>().await {
        Ok(Readiness { state, mut missing, warnings }) => {
            missing.extend(warnings.into_iter().map(|warning| warning.what));
            (state, missing)
        }
        Err(_) => (BotState::Away, Vec::new()),
    }
}

async fn metrics(http: &Client, url: &str) -> Result<String, reqwest::Error> {
    http.get(format!("{url}metrics")).send().await?.text().await
}

/// What the metrics (in Prometheus' text format) say of the queues to SIGNL4.
fn waiting(metrics: &str) -> Waiting {
    let values = |name: &str| -> Vec<f64> {
        let of_signl4 = format!("{name}{{queue=\"signl4");
        let lines = metrics.lines().filter(|line| line.starts_with(&of_signl4));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect()
    };
    Waiting {
        alerts: values("signl4_bot_outbox_deliveries").iter().sum::<f64>() as u64,
        held_up: values("signl4_bot_outbox_oldest_age_seconds").iter().any(|age| *age >= HELD_UP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_alerts_are_counted() {
        let metrics = "# TYPE signl4_bot_outbox_deliveries gauge\n\
                       signl4_bot_outbox_deliveries{queue=\"rocketchat:reply\"} 7\n\
                       signl4_bot_outbox_deliveries{queue=\"signl4\"} 2\n\
                       signl4_bot_outbox_deliveries{queue=\"signl4:network\"} 1\n\
                       signl4_bot_outbox_oldest_age_seconds{queue=\"rocketchat:reply\"} 9.5\n\
                       signl4_bot_outbox_oldest_age_seconds{queue=\"signl4\"} 0.2\n";
        assert_eq!(waiting(metrics), Waiting { alerts: 3, held_up: false });
        let late = metrics.replace("0.2", "2.25");
        assert_eq!(waiting(&late), Waiting { alerts: 3, held_up: true });
        assert_eq!(waiting(""), Waiting::default());
    }
}
