//! Runs one session over one socket.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message as WsMessage};

use super::frames;
use super::liveness::{Due, Liveness};
use super::protocol::{End, Protocol};
use super::supervisor::CAPACITY;
use super::transport::{Socket, broken};
use super::{ConnectionState, LostReason, MessageView, Realtime, RealtimeEvent};

/// One session over one socket.
pub(super) struct Session<'a> {
    pub(super) realtime: &'a Realtime,
    /// The events on their way to the receiver.
    pub(super) queue: &'a mpsc::Sender<RealtimeEvent>,
    pub(super) socket: Socket,
    pub(super) protocol: Protocol<'a>,
    pub(super) liveness: Liveness<'a>,
    /// Since when the session is online.
    pub(super) ready_at: Option<Instant>,
}

/// How many frames that have already arrived are handled in a row.
const BURST: usize = 64;

impl Session<'_> {
    /// Closes the WebSocket, if that is possible within a second.
    pub(super) async fn close(&mut self) {
        // The connection is given up anyway.
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }

    /// Runs until the session ends, and returns why.
    pub(super) async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    async fn step(&mut self) -> Result<(), End> {
        self.put_out().await?;
        // Before it is online, a session emits nothing, so a queue filled by its predecessors must not stop the login.
        let reading = self.queue.capacity() > CAPACITY || self.ready_at.is_none();
        self.liveness.set_reading(reading, Instant::now());
        let due_at = self.protocol.next_tick().into_iter().fold(self.liveness.next().0, Instant::min);
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
                match self.liveness.due(now) {
                    Some(Due::Dead) => Err(LostReason::HalfOpen.into()),
                    Some(Due::Ping) => self.send(frames::ping()).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Handles frames that have already arrived. Waiting for each separately costs more CPU than handling most of them.
    fn receive_burst(&mut self, now: Instant) -> Result<(), End> {
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

    fn received(&mut self, frame: Option<Result<WsMessage, Error>>, now: Instant) -> Result<(), End> {
        match frame {
            Some(Ok(WsMessage::Text(text))) => {
                self.liveness.received(now);
                if self.is_unwanted(&text) {
                    self.realtime.counts.count_received();
                    return Ok(());
                }
                self.protocol.receive(&text, now)
            }
            Some(Ok(WsMessage::Close(frame))) => {
                Err(LostReason::ClosedByServer(frame.map(|frame| frame.code.into())).into())
            }
            // DDP has only text frames.
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(broken(&error).into()),
            None => Err(LostReason::ClosedByServer(None).into()),
        }
    }

    fn is_unwanted(&self, frame: &str) -> bool {
        let Some(filter) = &self.realtime.filter else { return false };
        MessageView::of_frame(frame, self.realtime.account.server())
            .is_some_and(|message| !filter.wants(&message))
    }

    /// Sends the protocol's frames, and emits its events.
    async fn put_out(&mut self) -> Result<(), End> {
        while let Some(frame) = self.protocol.to_send.pop_front() {
            self.send(frame).await?;
        }
        for event in self.protocol.events() {
            if let RealtimeEvent::Ready { session, .. } = event {
                tracing::info!(session, "the realtime session is online");
                self.ready_at.get_or_insert_with(Instant::now);
                self.realtime.state.send_replace(ConnectionState::Online { since: Timestamp::now() });
            }
            // Fails if the receiver was dropped. Then this ends anyway.
            let _ = self.queue.send(event).await;
        }
        Ok(())
    }

    async fn send(&mut self, frame: Value) -> Result<(), End> {
        // Not the whole frame: a login holds the token.
        tracing::trace!(msg = %frame["msg"], "sending");
        match timeout(self.realtime.timing.send, self.socket.send(WsMessage::text(frame.to_string()))).await {
            Ok(sent) => sent.map_err(|error| broken(&error).into()),
            Err(_) => Err(LostReason::Timeout("sending").into()),
        }
    }
}
