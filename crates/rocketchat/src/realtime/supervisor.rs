//! Keeps a session running: log in, connect, run the session, wait, and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::MessageFilter;
use super::backoff::Backoff;
use super::event_buffer::EventBuffer;
use super::liveness::Liveness;
use super::protocol::{End, Protocol};
use super::session::Session;
use super::{ConnectionState, FrameCounts, LostReason, RealtimeEvent, Timing, transport};
use crate::Account;
use crate::account::LoginRequest;

/// The realtime session of an account, kept running.
#[derive(Debug)]
pub struct Realtime {
    pub(super) account: Arc<Account>,
    pub(super) filter: Option<Arc<dyn MessageFilter>>,
    pub(super) timing: Timing,
    pub(super) state: watch::Sender<ConnectionState>,
    pub(super) counts: Arc<FrameCounts>,
    sessions: AtomicU64,
}

impl Realtime {
    /// The realtime session of `account`, not running yet.
    pub fn new(account: Arc<Account>) -> Self {
        Self {
            account,
            filter: None,
            timing: Timing::default(),
            state: watch::Sender::new(ConnectionState::Connecting { attempt: 1 }),
            counts: Arc::default(),
            sessions: AtomicU64::new(0),
        }
    }

    /// Replaces the default timing.
    #[must_use]
    pub fn with_timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// Sets a filter that sees each message before it is decoded in full.
    #[must_use]
    pub fn with_filter(self, filter: Arc<dyn MessageFilter>) -> Self {
        Self { filter: Some(filter), ..self }
    }

    /// The state of the session; the receiver is notified of each change.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.subscribe()
    }

    /// Counters of received frames.
    pub fn counts(&self) -> Arc<FrameCounts> {
        Arc::clone(&self.counts)
    }

    /// Runs until `cancel` is cancelled or the receiver of `events` is dropped. Whatever else ends a session, the next one
    /// follows, also if a person has to fix the account first ([`LostReason::Account`]).
    ///
    /// If the receiver is slow, no event is lost and the connection stays alive.
    pub async fn run(&self, events: mpsc::Sender<RealtimeEvent>, cancel: CancellationToken) {
        let mut buffer = EventBuffer::new(events);
        cancel.run_until_cancelled(self.keep_running(&mut buffer)).await;
        self.state.send_replace(ConnectionState::Stopped);
    }

    async fn keep_running(&self, buffer: &mut EventBuffer) {
        let mut backoff = Backoff::new(&self.timing);
        loop {
            self.state.send_replace(ConnectionState::Connecting { attempt: backoff.attempt });
            let (end, lived) = self.attempt(buffer).await;
            let reason = match end {
                End::ReceiverDropped => return,
                End::Fatal(fatal) => LostReason::Account(fatal),
                End::TokenRefused(reason) if self.account.token_refused(&reason) => LostReason::TokenExpired,
                End::TokenRefused(reason) => LostReason::Login(reason),
                End::Lost(reason) => reason,
            };
            let asked = match &reason {
                // That is when the account is tried again.
                LostReason::Account(_) => self.account.refused_for(),
                LostReason::RateLimited { wait } => *wait,
                _ => None,
            };
            let wait = backoff.next(lived, asked);
            tracing::warn!(%reason, name = reason.name(), retry_in = ?wait, "no realtime session");
            let retry_at = Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX);
            self.state.send_replace(ConnectionState::Waiting { reason: reason.clone(), retry_at });
            buffer.push(RealtimeEvent::Lost { reason, retry_in: wait });
            if buffer.deliver_while(sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// One session, from the login to its end: why it ended, and how long it was online, if it was.
    async fn attempt(&self, buffer: &mut EventBuffer) -> (End, Option<Duration>) {
        let (login, socket) = match buffer.deliver_while(self.open()).await {
            None => return (End::ReceiverDropped, None),
            Some(Err(end)) => return (end, None),
            Some(Ok(opened)) => opened,
        };
        let now = Instant::now();
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let mut session = Session {
            realtime: self,
            socket,
            protocol: Protocol::new(self, number, login, now),
            liveness: Liveness::new(&self.timing, now),
            ready_at: None,
        };
        let end = session.run(buffer).await;
        session.close().await;
        if let End::Fatal(fatal) = &end {
            self.account.refuse(fatal.clone().into());
        }
        (end, session.ready_at.map(|since| since.elapsed()))
    }

    /// What to log in with, and an open socket.
    async fn open(&self) -> Result<(LoginRequest, transport::Socket), End> {
        let login = self.account.login_request().await?;
        let opening = transport::open(&self.account.http.connector, self.account.server());
        let opened = timeout(self.timing.step, opening).await;
        Ok((login, opened.unwrap_or(Err(LostReason::Timeout("connecting")))?))
    }
}
