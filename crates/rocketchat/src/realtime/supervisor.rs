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
use super::protocol::{Protocol, STEP};
use super::session::Session;
use super::{ConnectionState, FrameCounts, LostReason, RealtimeEvent, Timing, transport};
use crate::Account;
use crate::account::LoginRequest;

/// How many events may be queued before the socket is no longer read. The queue has room for as many others: those of a session
/// that was not online yet, and the ends of sessions.
pub(super) const CAPACITY: usize = 4_096;

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
        let (queue, queued) = mpsc::channel(2 * CAPACITY);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            // First: a session that always has something to read would use up the task's budget.
            () = deliver(queued, &events) => {}
            () = events.closed() => {}
            () = self.keep_running(&queue) => {}
        }
        self.state.send_replace(ConnectionState::Stopped);
    }

    async fn keep_running(&self, queue: &mpsc::Sender<RealtimeEvent>) {
        let mut backoff = Backoff::new(&self.timing);
        loop {
            self.state.send_replace(ConnectionState::Connecting { attempt: backoff.attempt });
            let (reason, lived) = self.attempt(queue).await;
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
            // Fails if the receiver was dropped. Then this ends anyway.
            let _ = queue.send(RealtimeEvent::Lost { reason, retry_in: wait }).await;
            sleep(wait).await;
        }
    }

    /// One session, from the login to its end: why it ended, and how long it was online, if it was.
    async fn attempt(&self, queue: &mpsc::Sender<RealtimeEvent>) -> (LostReason, Option<Duration>) {
        let (login, socket) = match self.open().await {
            Err(reason) => return (reason, None),
            Ok(opened) => opened,
        };
        let now = Instant::now();
        let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
        let mut session = Session {
            realtime: self,
            queue,
            socket,
            protocol: Protocol::new(self, number, login, now),
            received_at: now,
            pinged_at: now,
        };
        let reason = session.run().await;
        // If that is possible; the connection is given up anyway.
        let _ = timeout(Duration::from_secs(1), session.socket.close(None)).await;
        if let LostReason::Account(fatal) = &reason {
            self.account.refuse(fatal.clone().into());
        }
        (reason, session.protocol.online_since().map(|since| since.elapsed()))
    }

    /// What to log in with, and an open socket.
    async fn open(&self) -> Result<(LoginRequest, transport::Socket), LostReason> {
        let login = self.account.login_request().await?;
        let opening = transport::open(&self.account.http.connector, self.account.server());
        let opened = timeout(STEP, opening).await;
        Ok((login, opened.unwrap_or(Err(LostReason::Timeout("connecting")))?))
    }
}

/// Delivers events to a receiver, which may be slow, until it is dropped.
///
/// Its channel is bounded. If a session waited for it, server pings would go unanswered and the connection would be lost. So events
/// are queued, in order. When too many are, the session stops reading the socket, and sends pings of its own meanwhile; TCP
/// backpressure then slows the server down. No event is dropped.
async fn deliver(mut queued: mpsc::Receiver<RealtimeEvent>, events: &mpsc::Sender<RealtimeEvent>) {
    while let Some(event) = queued.recv().await
        && events.send(event).await.is_ok()
    {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seconds: u64) -> RealtimeEvent {
        RealtimeEvent::Lost { reason: LostReason::HalfOpen, retry_in: Duration::from_secs(seconds) }
    }

    #[tokio::test]
    async fn events_for_a_slow_receiver_are_queued_in_order_and_none_is_dropped() {
        let (queue, queued) = mpsc::channel(CAPACITY);
        (0..CAPACITY as u64).for_each(|n| queue.try_send(event(n)).unwrap());
        drop(queue);
        let (sender, mut receiver) = mpsc::channel(1);
        let receive = async {
            for n in 0..CAPACITY as u64 {
                assert_eq!(receiver.recv().await, Some(event(n)));
            }
            assert_eq!(receiver.recv().await, None);
        };
        let deliver = async {
            deliver(queued, &sender).await;
            drop(sender);
        };
        tokio::join!(deliver, receive);
    }
}
