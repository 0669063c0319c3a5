//! Runs one conversation over one socket, until something ends it.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt, future::OptionFuture};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message as WsMessage};

use super::frames::ClientFrame;
use super::liveness::{Due, Liveness};
use super::outlet::{Flow, Outlet};
use super::protocol::{Action, End, Protocol};
use super::transport::{Socket, broken};
use super::{ConnectionState, LostReason, MessageFilter, MessageView, RealtimeEvent};
use crate::rest::{Changes, Subscription};
use crate::{RestClient, RestError};

/// One conversation over one socket.
pub(super) struct Session<'a> {
    pub(super) socket: Socket,
    pub(super) protocol: Protocol<'a>,
    pub(super) liveness: Liveness,
    pub(super) filter: Option<&'a dyn MessageFilter>,
    pub(super) rest: &'a RestClient,
    /// Longest wait for the socket to take a frame.
    pub(super) send_within: Duration,
    pub(super) state: &'a watch::Sender<ConnectionState>,
    /// Since when the session stands.
    pub(super) ready_at: Option<Instant>,
}

/// Frames that are taken in one after the other where they are there already, before anything else has its turn.
const BURST: usize = 64;

/// What happened next.
enum Turn {
    Received(Option<Result<WsMessage, Error>>),
    Listed(Result<Changes<Subscription>, RestError>),
    Due,
    Flowed(Flow),
}

/// Why the loop is left.
enum Exit {
    End(End),
    NobodyListens,
}

impl From<LostReason> for Exit {
    fn from(reason: LostReason) -> Self {
        Self::End(reason.into())
    }
}

impl From<End> for Exit {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl Session<'_> {
    /// Runs until the session ends, and tells why; `None` when nobody takes the events any more.
    pub(super) async fn run(&mut self, outlet: &mut Outlet) -> Option<End> {
        match self.converse(outlet).await {
            Exit::End(end) => Some(end),
            Exit::NobodyListens => None,
        }
    }

    /// Says goodbye, as far as that is possible at once.
    pub(super) async fn close(&mut self) {
        let goodbye = async {
            // A connection that is being given up owes nobody an error.
            let _ = self.socket.close(None).await;
        };
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }

    async fn converse(&mut self, outlet: &mut Outlet) -> Exit {
        let rest = self.rest;
        let mut listing = OptionFuture::default();
        loop {
            match self.act(outlet).await {
                Ok(false) => {}
                Ok(true) => listing = OptionFuture::from(Some(Box::pin(rest.subscriptions(None)))),
                Err(exit) => return exit,
            }
            // Before it stands, a session hands on nothing; what waits is of those before it, and no reason to fail.
            let reading = outlet.has_room() || self.ready_at.is_none();
            self.liveness.reading(reading, Instant::now());
            let due_at = self.protocol.next_tick().into_iter().fold(self.liveness.next().0, Instant::min);
            let turn = tokio::select! {
                frame = self.socket.next(), if reading => Turn::Received(frame),
                flow = outlet.flow() => Turn::Flowed(flow),
                Some(rooms) = &mut listing => Turn::Listed(rooms),
                () = sleep_until(due_at) => Turn::Due,
            };
            if matches!(turn, Turn::Listed(_)) {
                listing = OptionFuture::default();
            }
            if let Err(exit) = self.take(turn, outlet).await {
                return exit;
            }
        }
    }

    async fn take(&mut self, turn: Turn, outlet: &mut Outlet) -> Result<(), Exit> {
        let now = Instant::now();
        match turn {
            Turn::Received(frame) => {
                self.received(frame, now)?;
                self.receive_burst(now)
            }
            Turn::Listed(rooms) => {
                let rooms = rooms.map_err(LostReason::from)?.updated;
                Ok(self.protocol.rooms_are(rooms, now)?)
            }
            Turn::Due => {
                self.protocol.tick(now)?;
                match self.liveness.due(now) {
                    Some(Due::Dead) => Err(LostReason::HalfOpen.into()),
                    Some(Due::Ping) => self.send(ClientFrame::Ping, outlet).await,
                    None => Ok(()),
                }
            }
            Turn::Flowed(Flow::Room) => Ok(()),
            Turn::Flowed(Flow::Gone) => Err(Exit::NobodyListens),
        }
    }

    /// Takes in the frames that have arrived already. Waiting for each by itself costs more than most of them are worth.
    fn receive_burst(&mut self, now: Instant) -> Result<(), Exit> {
        for _ in 1..BURST {
            // An action may be to answer a ping, or to hand on an event: both come first.
            if self.protocol.has_actions() {
                break;
            }
            let Some(frame) = self.socket.next().now_or_never() else { break };
            self.received(frame, now)?;
        }
        Ok(())
    }

    fn received(&mut self, frame: Option<Result<WsMessage, Error>>, now: Instant) -> Result<(), Exit> {
        match frame {
            Some(Ok(WsMessage::Text(text))) => {
                self.liveness.heard(now);
                if self.is_unwanted(&text) {
                    self.protocol.count_dropped();
                    return Ok(());
                }
                Ok(self.protocol.receive(&text, now)?)
            }
            // DDP is text; whatever this is, somebody is there.
            Some(Ok(WsMessage::Binary(_))) => {
                self.liveness.heard(now);
                self.protocol.skip();
                Ok(())
            }
            Some(Ok(WsMessage::Close(frame))) => {
                Err(LostReason::ClosedByServer(frame.map(|frame| frame.code.into())).into())
            }
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(broken(&error).into()),
            None => Err(LostReason::ClosedByServer(None).into()),
        }
    }

    fn is_unwanted(&self, frame: &str) -> bool {
        let Some(filter) = self.filter else { return false };
        MessageView::of_frame(frame).is_some_and(|message| !filter.wants(&message))
    }

    /// Does what the conversation asks for. Tells whether that is to list the rooms.
    async fn act(&mut self, outlet: &mut Outlet) -> Result<bool, Exit> {
        let mut list_rooms = false;
        while let Some(action) = self.protocol.next_action() {
            match action {
                Action::Send(frame) => self.send(frame, outlet).await?,
                Action::Tell(event) => {
                    self.note_ready(&event);
                    outlet.push(event);
                }
                Action::ListRooms => list_rooms = true,
            }
        }
        Ok(list_rooms)
    }

    fn note_ready(&mut self, event: &RealtimeEvent) {
        if let RealtimeEvent::Ready { session, scope, .. } = event {
            tracing::info!(session, ?scope, "the realtime session stands");
            self.ready_at.get_or_insert_with(Instant::now);
            self.state
                .send_replace(ConnectionState::Online { since: Timestamp::now(), scope: scope.clone() });
        }
    }

    async fn send(&mut self, frame: ClientFrame, outlet: &mut Outlet) -> Result<(), Exit> {
        tracing::trace!(?frame, "sending");
        let sending = timeout(self.send_within, self.socket.send(WsMessage::text(frame.encode())));
        match outlet.flow_during(sending).await {
            Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(broken(&error).into()),
            Some(Err(_)) => Err(LostReason::Timeout("sending").into()),
            None => Err(Exit::NobodyListens),
        }
    }
}
