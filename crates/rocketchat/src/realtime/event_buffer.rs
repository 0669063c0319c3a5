//! Delivers events to a slow receiver without blocking the session.
//!
//! The receiver's channel is bounded. If the session waited for it, server pings would go unanswered and the connection
//! would be lost. So events are queued here, in order. When the queue is full, the session stops reading the socket, and
//! sends pings of its own meanwhile; TCP backpressure then slows the server down. No event is dropped.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::RealtimeEvent;

/// How many events may be queued before the socket is no longer read. A frame may exceed it by its few events.
const CAPACITY: usize = 4_096;

/// Events on their way to the receiver.
#[derive(Debug)]
pub(super) struct EventBuffer {
    events: mpsc::Sender<RealtimeEvent>,
    queued: VecDeque<RealtimeEvent>,
}

impl EventBuffer {
    pub(super) fn new(events: mpsc::Sender<RealtimeEvent>) -> Self {
        Self { events, queued: VecDeque::new() }
    }

    /// Queues an event.
    pub(super) fn push(&mut self, event: RealtimeEvent) {
        self.queued.push_back(event);
    }

    /// Whether the socket may be read.
    pub(super) fn has_room(&self) -> bool {
        self.queued.len() < CAPACITY
    }

    /// Delivers events, then waits. Returns when a full queue is half empty again; `None` if the receiver was dropped.
    /// Cancel safe: no event is lost if the future is dropped.
    pub(super) async fn deliver(&mut self) -> Option<()> {
        let was_full = !self.has_room();
        while !self.queued.is_empty() {
            let Ok(permit) = self.events.reserve().await else {
                self.queued.clear();
                return None;
            };
            if let Some(event) = self.queued.pop_front() {
                permit.send(event);
            }
            if was_full && self.queued.len() <= CAPACITY / 2 {
                return Some(());
            }
        }
        self.events.closed().await;
        None
    }

    /// Delivers events while `work` runs. `None` if the receiver was dropped.
    pub(super) async fn deliver_while<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Some(done),
                has_room = self.deliver() => has_room?,
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
    async fn events_for_a_slow_receiver_are_queued_in_order_and_none_is_dropped() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut buffer = EventBuffer::new(sender);
        for n in 0..CAPACITY as u64 {
            assert!(buffer.has_room());
            buffer.push(event(n));
        }
        assert!(!buffer.has_room());
        for n in 0..CAPACITY as u64 {
            // Cancelling the delivery, as a select does, loses nothing.
            assert_eq!(buffer.deliver_while(tokio::task::yield_now()).await, Some(()));
            assert_eq!(buffer.deliver_while(receiver.recv()).await, Some(Some(event(n))));
        }
        assert!(buffer.has_room());
    }

    #[tokio::test]
    async fn a_receiver_that_catches_up_wakes_the_session() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut buffer = EventBuffer::new(sender);
        (0..CAPACITY as u64).for_each(|n| buffer.push(event(n)));
        let consume = async { while receiver.recv().await.is_some() {} };
        tokio::select! {
            has_room = buffer.deliver() => assert_eq!(has_room, Some(())),
            () = consume => panic!("the sender was dropped"),
        }
        assert!(buffer.has_room());
    }

    #[tokio::test]
    async fn a_dropped_receiver_is_noticed_with_and_without_queued_events() {
        for queued in [0, 3] {
            let (sender, receiver) = mpsc::channel(1);
            let mut buffer = EventBuffer::new(sender);
            (0..queued).for_each(|n| buffer.push(event(n)));
            drop(receiver);
            assert_eq!(buffer.deliver_while(std::future::pending::<()>()).await, None);
            assert_eq!(buffer.deliver_while(std::future::pending::<()>()).await, None, "and stays so");
        }
    }
}
