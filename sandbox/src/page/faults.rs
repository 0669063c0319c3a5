//! The switches for simulated failures, so that people can watch how the bot copes with them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::error::CallError;
use super::server::AppState;
use crate::rocketchat::RocketChat;
use crate::signl4::{Signl4, Times, WebhookFault};

/// How far ahead a throttling SIGNL4 says its limit is lifted.
const THROTTLED_FOR: Duration = Duration::from_secs(5);

/// A failure that the page can switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// SIGNL4 refuses every connection.
    Signl4Down,
    /// SIGNL4 answers every webhook call with 429.
    Signl4Throttles,
    /// Rocket.Chat has cut every connection and accepts no new one.
    ChatDown,
}

/// The failures that are switched on. Read from the simulators, so that the page cannot drift from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ActiveFaults {
    signl4_down: bool,
    signl4_throttles: bool,
    chat_down: bool,
}

impl ActiveFaults {
    pub(super) fn now(chat: &RocketChat, signl4: &Signl4) -> Self {
        Self {
            signl4_down: !signl4.is_listening(),
            signl4_throttles: !signl4.faults().pending_webhook().is_empty(),
            chat_down: chat.faults().switches().refuse_connections,
        }
    }

    /// Whether no alert can be raised.
    pub(super) fn keep_alerts_waiting(self) -> bool {
        self.signl4_down || self.signl4_throttles
    }
}

/// One switch and its new position.
#[derive(Deserialize)]
pub(super) struct Switch {
    fault: Fault,
    on: bool,
}

/// Starts or ends a failure.
pub(super) async fn switch(
    State(app): State<Arc<AppState>>,
    Json(switch): Json<Switch>,
) -> Result<StatusCode, CallError> {
    let _one_at_a_time = app.switching.lock().await;
    let AppState { chat, signl4, .. } = &*app;
    match (switch.fault, switch.on) {
        (Fault::Signl4Down, true) => signl4.refuse().await,
        (Fault::Signl4Down, false) => signl4.listen_again().await?,
        (Fault::Signl4Throttles, on) => {
            signl4.faults().clear();
            if on {
                signl4.faults().webhook(WebhookFault::Throttled(THROTTLED_FOR), Times::Always);
            }
        }
        (Fault::ChatDown, on) => {
            chat.faults().set(|switches| switches.refuse_connections = on);
            if on {
                chat.faults().cut_connections();
            }
        }
    }
    app.live.look_again();
    Ok(StatusCode::NO_CONTENT)
}
