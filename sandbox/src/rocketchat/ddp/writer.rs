//! Sends a session's frames, and applies the faults: later, in another order, or never.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use futures_util::stream::SplitSink;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::registry::{Outgoing, Queued};
use crate::rocketchat::faults::Switches;

/// Messages that come within this time of each other may be reversed.
const REVERSAL: Duration = Duration::from_millis(50);

/// Writes until the session is closed or its connection is gone.
pub(super) async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Queued>,
    switches: watch::Receiver<Switches>,
) {
    let mut stalled = false;
    while let Some(first) = queue.recv().await {
        let now = switches.borrow().clone();
        for Queued { since, outgoing } in batch(first, &mut queue, &now).await {
            stalled |= now.stall || matches!(outgoing, Outgoing::Stall);
            if stalled {
                continue;
            }
            sleep_until(since + now.delay_frames).await;
            if send(&mut sink, outgoing).await.is_none() {
                return;
            }
        }
    }
}

/// One frame; or, if messages are reversed, all frames of that time: the messages in reverse order, then the rest.
async fn batch(first: Queued, queue: &mut mpsc::Receiver<Queued>, switches: &Switches) -> Vec<Queued> {
    if !switches.reverse_messages || !is_message(&first) {
        return vec![first];
    }
    let until = Instant::now() + REVERSAL;
    let mut all = vec![first];
    while let Ok(Some(next)) = timeout_at(until, queue.recv()).await {
        all.push(next);
    }
    let (messages, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(is_message);
    messages.into_iter().rev().chain(rest).collect()
}

fn is_message(queued: &Queued) -> bool {
    matches!(queued.outgoing, Outgoing::Frame { message: true, .. })
}

/// `None` when the connection is closed.
async fn send(sink: &mut SplitSink<WebSocket, Message>, outgoing: Outgoing) -> Option<()> {
    match outgoing {
        Outgoing::Frame { text, .. } => sink.send(Message::Text(text.into())).await.ok(),
        Outgoing::Close { code, reason } => {
            // The client may be gone already; the session ends either way.
            let _ = sink.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
            None
        }
        Outgoing::Stall => Some(()),
    }
}
