//! Runs one session over one socket.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message as WsMessage};

use super::frames;
use super::protocol::Protocol;
use super::supervisor::CAPACITY;
use super::transport::{Socket, broken};
use super::{ConnectionState, LostReason, MessageView, Realtime, RealtimeEvent, Timing};

/// One session over one socket.
pub(super) struct Session<'a> {
    pub(super) realtime: &'a Realtime,
    /// The events on their way to the receiver.
    pub(super) queue: &'a mpsc::Sender<RealtimeEvent>,
    pub(super) socket: Socket,
    pub(super) protocol: Protocol<'a>,
    /// When the last frame arrived. On a half-open connection sending works long after the peer is gone, so only received frames
    /// show that the connection is alive.
    pub(super) received_at: Instant,
    /// When the last ping was sent.
    pub(super) pinged_at: Instant,
}

/// Timeout of sending a frame.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How many frames that have already arrived are handled in a row.
const BURST: usize = 64;

impl Session<'_> {
    /// Runs until the session ends, and returns why.
    pub(super) async fn run(&mut self) -> LostReason {
        loop {
            if let Err(reason) = self.step().await {
                return reason;
            }
        }
    }

    async fn step(&mut self) -> Result<(), LostReason> {
        self.flush().await?;
        // Before it is online, a session emits nothing, so a queue filled by its predecessors must not stop the login.
        let reading = self.queue.capacity() > CAPACITY || self.protocol.online_since().is_none();
        if !reading {
            // Silence means nothing then.
            self.received_at = Instant::now();
        }
        let is_unanswered = self.pinged_at > self.received_at;
        let Timing { ping_after, dead_after, .. } = self.realtime.timing;
        let silent_until = match is_unanswered {
            true => self.pinged_at + dead_after.saturating_sub(ping_after),
            false if reading => self.received_at + ping_after,
            // The server's pings go unread, so more frequent ones keep it from closing (a monolith expects a frame every 15 s).
            false => self.received_at + ping_after / 3,
        };
        let due_at = self.protocol.deadline.map_or(silent_until, |(at, _)| at.min(silent_until));
        tokio::select! {
            frame = self.socket.next(), if reading => {
                let now = Instant::now();
                self.received(frame, now)?;
                self.receive_burst(now)
            }
            // Not before half of the events are delivered.
            _ = self.queue.reserve_many(CAPACITY + CAPACITY / 2), if !reading => Ok(()),
            () = sleep_until(due_at) => {
                let now = Instant::now();
                self.protocol.tick(now)?;
                if is_unanswered {
                    return Err(LostReason::HalfOpen);
                }
                // Its pong is not read otherwise.
                if reading {
                    self.pinged_at = now;
                }
                self.send(frames::ping()).await
            }
        }
    }

    /// Handles frames that have already arrived. Waiting for each separately costs more CPU than handling most of them.
    fn receive_burst(&mut self, now: Instant) -> Result<(), LostReason> {
        for _ in 1..BURST {
            // Pongs and events go out first.
            if self.protocol.has_output() {
                break;
            }
            let Some(frame) = self.socket.next().now_or_never() else { break };
            self.received(frame, now)?;
        }
        Ok(())
    }

    fn received(&mut self, frame: Option<Result<WsMessage, Error>>, now: Instant) -> Result<(), LostReason> {
        match frame {
            Some(Ok(WsMessage::Text(text))) => {
                // Even if it cannot be read. A WebSocket ping does not count: a proxy may send it for a server that is gone.
                self.received_at = now;
                if self.is_unwanted(&text) {
                    self.realtime.counts.received.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                self.protocol.receive(&text, now)
            }
            Some(Ok(WsMessage::Close(frame))) => {
                Err(LostReason::ClosedByServer(frame.map(|frame| frame.code.into())))
            }
            // DDP has only text frames.
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(broken(&error)),
            None => Err(LostReason::ClosedByServer(None)),
        }
    }

    fn is_unwanted(&self, frame: &str) -> bool {
        let Some(filter) = &self.realtime.filter else { return false };
        MessageView::of_frame(frame, self.realtime.account.server())
            .is_some_and(|message| !filter.wants(&message))
    }

    /// Sends the protocol's frames, and emits its events.
    async fn flush(&mut self) -> Result<(), LostReason> {
        while let Some(frame) = self.protocol.to_send.pop_front() {
            self.send(frame).await?;
        }
        for event in self.protocol.events() {
            if let RealtimeEvent::Ready { session, .. } = event {
                tracing::info!(session, "the realtime session is online");
                self.realtime.state.send_replace(ConnectionState::Online { since: Timestamp::now() });
            }
            // Fails if the receiver was dropped. Then this ends anyway.
            let _ = self.queue.send(event).await;
        }
        Ok(())
    }

    async fn send(&mut self, frame: Value) -> Result<(), LostReason> {
        // Not the whole frame: a login holds the token.
        tracing::trace!(msg = %frame["msg"], "sending");
        match timeout(SEND_TIMEOUT, self.socket.send(WsMessage::text(frame.to_string()))).await {
            Ok(sent) => sent.map_err(|error| broken(&error)),
            Err(_) => Err(LostReason::Timeout("sending")),
        }
    }
}
