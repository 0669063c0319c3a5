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
}

impl Liveness {
    pub(super) fn new(timing: &Timing, now: Instant) -> Self {
        Self { ping_after: timing.ping_after, dead_after: timing.dead_after, heard_at: now, pinged: false }
    }

    /// A frame came in. Any DDP frame counts, read or not; pings of the WebSocket layer do not, since a proxy on the
    /// way answers those for a server that is gone.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pinged = false;
    }

    /// When silence next calls for something, and for what.
    pub(super) fn next(&self) -> (Instant, Due) {
        if self.pinged {
            (self.heard_at + self.dead_after, Due::Dead)
        } else {
            (self.heard_at + self.ping_after, Due::Ping)
        }
    }

    /// What is due now, if anything. A ping is due once a silence.
    pub(super) fn due(&mut self, now: Instant) -> Option<Due> {
        let (at, due) = self.next();
        if now < at {
            return None;
        }
        self.pinged = true;
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
}
