//! Whether the connection is alive. On a half-open connection sending still works long after the peer is gone, so only
//! received frames count.

use tokio::time::Instant;

use super::Timing;

/// What to do about silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Send a ping.
    Ping,
    /// Give the connection up.
    Dead,
}

/// How long nothing has been received.
#[derive(Debug)]
pub(super) struct Liveness<'a> {
    timing: &'a Timing,
    received_at: Instant,
    pinged: bool,
    /// Since when the socket is not read, or when it was last pinged meanwhile; `None` while it is read.
    unread_since: Option<Instant>,
}

impl<'a> Liveness<'a> {
    pub(super) fn new(timing: &'a Timing, now: Instant) -> Self {
        Self { timing, received_at: now, pinged: false, unread_since: None }
    }

    /// A frame arrived. Any DDP frame counts, even an unreadable one. WebSocket pings do not: a proxy may answer them for a
    /// server that is gone.
    pub(super) fn received(&mut self, now: Instant) {
        self.received_at = now;
        self.pinged = false;
    }

    /// Sets whether the socket is read. While it is not, silence means nothing. The server's pings go unread then, so
    /// regular pings of our own keep it from closing (a monolith expects a frame every 15 s).
    pub(super) fn set_reading(&mut self, reading: bool, now: Instant) {
        if !reading {
            self.unread_since.get_or_insert(now);
        } else if self.unread_since.take().is_some() {
            self.received(now);
        }
    }

    /// What is due next, and when.
    pub(super) fn next(&self) -> (Instant, Due) {
        if let Some(since) = self.unread_since {
            (since + self.timing.ping_after / 3, Due::Ping)
        } else if self.pinged {
            (self.received_at + self.timing.dead_after, Due::Dead)
        } else {
            (self.received_at + self.timing.ping_after, Due::Ping)
        }
    }

    /// What is due now, if anything. A ping is due once per silence, and repeatedly while the socket is not read.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let (at, due) = self.next();
        if now < at {
            return None;
        }
        match &mut self.unread_since {
            Some(since) => *since = now,
            None => self.pinged = true,
        }
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_pinged_at_15_seconds_and_dead_at_30() {
        let start = Instant::now();
        let timing = Timing::default();
        let mut liveness = Liveness::new(&timing, start);
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(_, due)| *due != Due::Dead) {
            tokio::time::sleep_until(liveness.next().0).await;
            seen.extend(liveness.due(Instant::now()).map(|due| (start.elapsed().as_secs(), due)));
        }
        assert_eq!(seen, [(15, Due::Ping), (30, Due::Dead)]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_frame_ends_the_silence() {
        let timing = Timing::default();
        let mut liveness = Liveness::new(&timing, Instant::now());
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(29)).await;
            assert_eq!(liveness.due(Instant::now()), Some(Due::Ping));
            assert_eq!(liveness.due(Instant::now()), None, "one ping per silence");
            liveness.received(Instant::now());
        }
        tokio::time::advance(Duration::from_secs(14)).await;
        assert_eq!(liveness.due(Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_not_read_is_pinged_regularly_and_never_given_up() {
        let timing = Timing::default();
        let mut liveness = Liveness::new(&timing, Instant::now());
        for _ in 0..20 {
            liveness.set_reading(false, Instant::now());
            tokio::time::sleep_until(liveness.next().0).await;
            assert_eq!(liveness.due(Instant::now()), Some(Due::Ping));
        }
        liveness.set_reading(true, Instant::now());
        assert_eq!(
            liveness.next(),
            (Instant::now() + Duration::from_secs(15), Due::Ping),
            "the silence starts again"
        );
    }
}
