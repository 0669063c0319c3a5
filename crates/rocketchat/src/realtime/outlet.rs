//! Hands events to whoever takes them, at their pace, without ever making the session wait.
//!
//! The consumer's channel is bounded, and it may be slow: a database, a queue behind it. If the session waited for it,
//! server pings would go unanswered and a slow consumer would cost the connection. So events wait here, in order, and
//! the session goes on; when too many wait, the session stops reading the socket (and keeps the server content with
//! pings of its own), which lets TCP hold the server back until there is room again. Nothing is dropped.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::RealtimeEvent;

/// How many events may wait before the socket is no longer read. One frame brings few, so this is nearly exact.
const ROOM: usize = 4_096;

/// Why the flow of events paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// There was no room, and now there is plenty again.
    Room,
    /// The consumer is gone.
    Gone,
}

/// The way out for events.
#[derive(Debug)]
pub(super) struct Outlet {
    events: mpsc::Sender<RealtimeEvent>,
    waiting: VecDeque<RealtimeEvent>,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<RealtimeEvent>) -> Self {
        Self { events, waiting: VecDeque::new() }
    }

    /// Puts an event behind those that wait.
    pub(super) fn push(&mut self, event: RealtimeEvent) {
        self.waiting.push_back(event);
    }

    /// Whether the socket may be read.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < ROOM
    }

    /// Hands over events until none is left, and then waits; returns when that changes what the session may do. May be
    /// dropped at any time without losing an event.
    pub(super) async fn flow(&mut self) -> Flow {
        let was_full = !self.has_room();
        while !self.waiting.is_empty() {
            let Ok(place) = self.events.reserve().await else {
                self.waiting.clear();
                return Flow::Gone;
            };
            if let Some(event) = self.waiting.pop_front() {
                place.send(event);
            }
            if was_full && self.waiting.len() <= ROOM / 2 {
                return Flow::Room;
            }
        }
        self.events.closed().await;
        Flow::Gone
    }

    /// Does something else while handing over events. `None` when the consumer is gone.
    pub(super) async fn flow_during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                flow = self.flow() => match flow {
                    Flow::Room => {}
                    Flow::Gone => return None,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::realtime::LostReason;

    fn event(seconds: u64) -> RealtimeEvent {
        RealtimeEvent::Lost { reason: LostReason::HalfOpen, retry_in: Duration::from_secs(seconds) }
    }

    #[tokio::test]
    async fn events_wait_for_a_slow_consumer_in_order_and_none_is_dropped() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outlet = Outlet::new(sender);
        for n in 0..ROOM as u64 {
            assert!(outlet.has_room());
            outlet.push(event(n));
        }
        assert!(!outlet.has_room());
        for n in 0..ROOM as u64 {
            // Dropping the flow half-way, as a select does, loses nothing.
            assert_eq!(outlet.flow_during(tokio::task::yield_now()).await, Some(()));
            assert_eq!(outlet.flow_during(receiver.recv()).await, Some(Some(event(n))));
        }
        assert!(outlet.has_room());
    }

    #[tokio::test]
    async fn a_consumer_that_catches_up_wakes_the_session() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outlet = Outlet::new(sender);
        (0..ROOM as u64).for_each(|n| outlet.push(event(n)));
        let consume = async { while receiver.recv().await.is_some() {} };
        tokio::select! {
            flow = outlet.flow() => assert_eq!(flow, Flow::Room),
            () = consume => panic!("nobody sends any more"),
        }
        assert!(outlet.has_room());
    }

    #[tokio::test]
    async fn a_consumer_that_is_gone_is_noticed_with_and_without_events_waiting() {
        for waiting in [0, 3] {
            let (sender, receiver) = mpsc::channel(1);
            let mut outlet = Outlet::new(sender);
            (0..waiting).for_each(|n| outlet.push(event(n)));
            drop(receiver);
            assert_eq!(outlet.flow_during(std::future::pending::<()>()).await, None);
            assert_eq!(outlet.flow_during(std::future::pending::<()>()).await, None, "and stays so");
        }
    }
}
