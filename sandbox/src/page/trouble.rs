//! The switches that make trouble, so that one can watch what the bot does about it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::refused::Refused;
use super::server::Stage;
use crate::rocketchat::RocketChat;
use crate::signl4::{Signl4, Times, WebhookFault};

/// How far ahead a throttling SIGNL4 says its limit is lifted.
const THROTTLED_FOR: Duration = Duration::from_secs(5);

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// SIGNL4 refuses every connection.
    Signl4Down,
    /// SIGNL4 answers every webhook call with 429.
    Signl4Throttles,
    /// Rocket.Chat has cut every connection and accepts no new one.
    ChatDown,
}

/// Which trouble there is now. Read from the simulators themselves, so that it is always the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Trouble {
    signl4_down: bool,
    signl4_throttles: bool,
    chat_down: bool,
}

impl Trouble {
    pub(super) fn now(chat: &RocketChat, signl4: &Signl4) -> Self {
        Self {
            signl4_down: !signl4.is_listening(),
            signl4_throttles: !signl4.faults().pending_webhook().is_empty(),
            chat_down: chat.faults().switches().refuse_connections,
        }
    }
}

/// One switch and where it shall stand.
#[derive(Deserialize)]
pub(super) struct Switch {
    trouble: Kind,
    on: bool,
}

/// Makes a trouble or ends it.
pub(super) async fn switch(
    State(stage): State<Arc<Stage>>,
    Json(switch): Json<Switch>,
) -> Result<StatusCode, Refused> {
    let _one_at_a_time = stage.trouble.lock().await;
    let Stage { chat, signl4, .. } = &*stage;
    match (switch.trouble, switch.on) {
        (Kind::Signl4Down, true) => signl4.refuse().await,
        (Kind::Signl4Down, false) => signl4.listen_again().await?,
        (Kind::Signl4Throttles, on) => {
            signl4.faults().clear();
            if on {
                signl4.faults().webhook(WebhookFault::Throttled(THROTTLED_FOR), Times::Always);
            }
        }
        (Kind::ChatDown, on) => {
            chat.faults().set(|switches| switches.refuse_connections = on);
            if on {
                chat.faults().cut_connections();
            }
        }
    }
    stage.live.look_again();
    Ok(StatusCode::NO_CONTENT)
}
