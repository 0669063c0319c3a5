//! Whether the connection is alive. Half-open sockets are real: sending goes on working long after the other end is
//! gone, so only what comes in counts.

use std::time::Duration;

use tokio::time::Instant;

use super::Timing;

/// What silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask whether anybody is there.
    Ping,
    /// Nobody is.
    Dead,
}

/// The silence so far.
#[derive(Debug)]
pub(super) struct Liveness {
    ping_after: Duration,
    dead_after: Duration,
    heard_at: Instant,
    pinged: bool,
    /// Since when the socket is not read, or was last pinged so; `None` while it is.
    unread_since: Option<Instant>,
}

impl Liveness {
    pub(super) fn new(timing: &Timing, now: Instant) -> Self {
        Self {
            ping_after: timing.ping_after,
            dead_after: timing.dead_after,
            heard_at: now,
            pinged: false,
            unread_since: None,
        }
    }

    /// A frame came in. Any DDP frame counts, read or not; pings of the WebSocket layer do not, since a proxy on the
    /// way answers those for a server that is gone.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pinged = false;
    }

    /// Whether the socket is read. While it is not, silence says nothing: nobody is called dead, and pings of our own
    /// must keep the server content, whose pings go unread (a monolith wants to hear something every 15 s).
    pub(super) fn reading(&mut self, reading: bool, now: Instant) {
        if !reading {
            self.unread_since.get_or_insert(now);
        } else if self.unread_since.take().is_some() {
            self.heard(now);
        }
    }

    /// When silence next calls for something, and for what.
    pub(super) fn next(&self) -> (Instant, Due) {
        if let Some(since) = self.unread_since {
            (since + self.ping_after / 3, Due::Ping)
        } else if self.pinged {
            (self.heard_at + self.dead_after, Due::Dead)
        } else {
            (self.heard_at + self.ping_after, Due::Ping)
        }
    }

    /// What is due now, if anything. A ping is due once a silence, and again and again while the socket is not read.
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
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_pinged_at_25_seconds_and_dead_at_45() {
        let start = Instant::now();
        let mut liveness = Liveness::new(&Timing::default(), start);
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(_, due)| *due != Due::Dead) {
            tokio::time::sleep_until(liveness.next().0).await;
            seen.extend(liveness.due(Instant::now()).map(|due| (start.elapsed().as_secs(), due)));
        }
        assert_eq!(seen, [(25, Due::Ping), (45, Due::Dead)]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_frame_starts_the_silence_anew() {
        let mut liveness = Liveness::new(&Timing::default(), Instant::now());
        for _ in 0..10 {
            tokio::time::advance(Duration::from_secs(44)).await;
            assert_eq!(liveness.due(Instant::now()), Some(Due::Ping));
            assert_eq!(liveness.due(Instant::now()), None, "pinged once a silence");
            liveness.heard(Instant::now());
        }
        tokio::time::advance(Duration::from_secs(24)).await;
        assert_eq!(liveness.due(Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_not_read_is_pinged_steadily_and_never_called_dead() {
        let mut liveness = Liveness::new(&Timing::default(), Instant::now());
        for _ in 0..20 {
            liveness.reading(false, Instant::now());
            tokio::time::sleep_until(liveness.next().0).await;
            assert_eq!(liveness.due(Instant::now()), Some(Due::Ping));
        }
        liveness.reading(true, Instant::now());
        assert_eq!(
            liveness.next(),
            (Instant::now() + Duration::from_secs(25), Due::Ping),
            "silence begins anew"
        );
    }
}
