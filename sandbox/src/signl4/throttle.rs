//! SIGNL4's throttling: a number of calls per period. A caller that exceeds a limit is blocked for the same period.

use std::time::Duration;

use tokio::time::Instant;

use super::Plan;

/// Limits that apply together; the strictest one decides.
#[derive(Debug)]
pub(super) struct Throttle {
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    limit: u32,
    period: Duration,
    ends: Option<Instant>,
    count: u32,
}

/// What the limits say to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether the call may pass.
    pub passes: bool,
    /// `X-RateLimit-Limit`.
    pub limit: u32,
    /// `X-RateLimit-Remaining`.
    pub remaining: u32,
    /// Until the limit is lifted; `X-RateLimit-Reset` is now plus this.
    pub reset_in: Duration,
}

impl Throttle {
    /// Limits as (calls, seconds).
    fn new(limits: &[(u32, u64)]) -> Self {
        let window =
            |&(limit, seconds)| Window { limit, period: Duration::from_secs(seconds), ends: None, count: 0 };
        Self { windows: limits.iter().map(window).collect() }
    }

    /// Calls of the inbound webhook.
    pub(super) fn webhook(plan: Plan) -> Self {
        Self::new(match plan {
            Plan::Free => &[(10, 15), (240, 60), (1_200, 3_600)],
            Plan::Commercial => &[(150, 15), (600, 60), (36_000, 3_600)],
            Plan::Brisk => &[(50, 5)],
            Plan::Unlimited => &[],
        })
    }

    /// Calls with a wrong secret or an invalid payload.
    pub(super) fn mistakes(plan: Plan) -> Self {
        Self::new(if plan == Plan::Unlimited { &[] } else { &[(10, 60)] })
    }

    /// Calls of the REST API.
    pub(super) fn rest(plan: Plan) -> Self {
        Self::new(match plan {
            Plan::Free => &[(10, 15)],
            Plan::Commercial => &[(150, 15)],
            Plan::Brisk => &[(50, 5)],
            Plan::Unlimited => &[],
        })
    }

    /// Counts a call. `None` if there is no limit.
    pub(super) fn count(&mut self, now: Instant) -> Option<Verdict> {
        self.windows.iter_mut().map(|window| window.count(now)).min_by_key(|v| (v.passes, v.remaining))
    }
}

impl Window {
    fn count(&mut self, now: Instant) -> Verdict {
        if self.ends.is_none_or(|ends| ends <= now) {
            self.ends = Some(now + self.period);
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        if self.count == self.limit.saturating_add(1) {
            self.ends = Some(now + self.period);
        }
        Verdict {
            passes: self.count <= self.limit,
            limit: self.limit,
            remaining: self.limit.saturating_sub(self.count),
            reset_in: self.ends.map_or(Duration::ZERO, |ends| ends - now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passing_a_limit_blocks_for_its_whole_period_from_then() {
        let mut throttle = Throttle::webhook(Plan::Free);
        let start = Instant::now();
        for _ in 0..10 {
            assert!(throttle.count(start).unwrap().passes);
        }
        let later = start + Duration::from_secs(14);
        let blocked = throttle.count(later).unwrap();
        assert!(!blocked.passes);
        assert_eq!(blocked.reset_in, Duration::from_secs(15));
        assert!(!throttle.count(later + Duration::from_secs(14)).unwrap().passes);
        assert!(throttle.count(later + Duration::from_secs(15)).unwrap().passes);
    }

    #[test]
    fn the_plan_without_limits_has_no_verdict() {
        assert_eq!(Throttle::webhook(Plan::Unlimited).count(Instant::now()), None);
    }
}
