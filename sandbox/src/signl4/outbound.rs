//! The outbound side: a bounded queue of notifications and the one worker that posts them, in order, with retries.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::sync::mpsc;

use super::server::Core;
use super::state::State;
use super::{Notification, OutboundFault, Outcome};

/// How many notifications may wait.
pub(super) const QUEUE_LENGTH: usize = 16_384;

impl Core {
    /// Logs a notification and lets the worker send it, unless a fault says otherwise. Returns its index in the log.
    pub(super) fn notify(self: &Arc<Self>, alert_id: Option<String>, body: Value) -> usize {
        let fault = self.change(|state| state.outbound_faults.draw());
        let index = self.log(alert_id.clone(), body);
        match fault {
            None => self.enqueue(index),
            Some(OutboundFault::Drop) => self.settle(index, Outcome::Dropped),
            Some(OutboundFault::Reshape(reshape)) => {
                self.change(|state| reshape.apply(&mut state.notifications[index].body));
                self.enqueue(index);
            }
            Some(OutboundFault::Duplicate) => {
                let copy = self.look(|state| state.notifications[index].body.clone());
                self.enqueue(index);
                let second = self.log(alert_id, copy);
                self.enqueue(second);
            }
            Some(OutboundFault::AfterNext) => {
                self.change(|state| state.held.push(index));
                return index;
            }
            Some(OutboundFault::Delay(pause)) => {
                let core = Arc::clone(self);
                self.runtime.spawn(async move {
                    tokio::select! {
                        () = core.shutdown.cancelled() => {}
                        () = tokio::time::sleep(pause) => core.enqueue(index),
                    }
                });
            }
        }
        self.release_held();
        index
    }

    /// Sends what waited for another notification to pass.
    pub(super) fn release_held(&self) {
        let held = self.change(|state| std::mem::take(&mut state.held));
        held.into_iter().for_each(|index| self.enqueue(index));
    }

    fn log(&self, alert_id: Option<String>, body: Value) -> usize {
        let event_type = body["eventType"].as_u64().unwrap_or_default();
        let notification = Notification {
            event_type,
            alert_id,
            body,
            attempts: 0,
            outcome: Outcome::Waiting,
            settled_at: None,
        };
        self.change(|state| {
            state.notifications.push(notification);
            state.notifications.len() - 1
        })
    }

    fn enqueue(&self, index: usize) {
        if self.outbox.try_send(index).is_err() {
            self.settle(index, Outcome::GivenUp("the queue is full".into()));
        }
    }

    fn settle(&self, index: usize, outcome: Outcome) {
        self.change(|state| {
            let notification = &mut state.notifications[index];
            (notification.outcome, notification.settled_at) = (outcome, Some(Timestamp::now()));
        });
    }

    /// Whether a notification has come to its end.
    pub(super) fn is_settled(state: &State, index: usize) -> bool {
        state.notifications.get(index).is_some_and(|notification| notification.outcome.is_settled())
    }
}

/// Sends notifications, one at a time, until the simulator is dropped.
pub(super) async fn work(core: Arc<Core>, mut queue: mpsc::Receiver<usize>) {
    loop {
        tokio::select! {
            () = core.shutdown.cancelled() => return,
            next = queue.recv() => match next {
                Some(index) => {
                    let outcome = tokio::select! {
                        () = core.shutdown.cancelled() => return,
                        outcome = deliver(&core, index) => outcome,
                    };
                    core.settle(index, outcome);
                }
                None => return,
            }
        }
    }
}

async fn deliver(core: &Core, index: usize) -> Outcome {
    let policy = core.options.outbound;
    let mut pause = policy.first_pause;
    let mut reason = String::from("no attempt was allowed");
    for attempt in 1..=policy.attempts {
        if attempt > 1 {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(policy.longest_pause);
        }
        // Read anew each time: the receiver may have moved meanwhile.
        let (url, body) =
            core.look(|state| (state.outbound_url.clone(), state.notifications[index].body.clone()));
        let Some(url) = url else {
            return Outcome::NoReceiver;
        };
        core.change(|state| state.notifications[index].attempts = attempt);
        match post(core, &url, &body, policy.timeout).await {
            Ok(status) if status.is_success() => return Outcome::Delivered(status.as_u16()),
            Ok(status) if is_final(status) => return Outcome::Refused(status.as_u16()),
            Ok(status) => reason = status.to_string(),
            // The URL contains the bot's secret.
            Err(error) => reason = error.without_url().to_string(),
        }
    }
    Outcome::GivenUp(reason)
}

async fn post(core: &Core, url: &str, body: &Value, timeout: Duration) -> Result<StatusCode, reqwest::Error> {
    let answer = core.http.post(url).timeout(timeout).json(body).send().await?;
    Ok(answer.status())
}

/// Whether the same body would only be refused again.
fn is_final(status: StatusCode) -> bool {
    status.is_client_error()
        && status != StatusCode::REQUEST_TIMEOUT
        && status != StatusCode::TOO_MANY_REQUESTS
}
