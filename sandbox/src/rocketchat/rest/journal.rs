//! Records the REST calls, so that a test can count them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::rocketchat::time::Millis;

/// How many calls are kept; the oldest go first.
const KEPT: usize = 16_384;

/// A REST call that was made, answered or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The route without its prefix, such as `chat.sendMessage`; `info` for `/api/info`.
    pub route: String,
    /// `GET` or `POST`.
    pub method: String,
    /// When it arrived, by the server's clock, in ms since the epoch.
    pub at: Millis,
    /// The `_id` of the user, if the headers authenticate one.
    pub user: Option<String>,
    /// The HTTP status of the answer; `None` without an answer.
    pub status: Option<u16>,
}

#[derive(Debug, Default)]
struct Kept {
    calls: VecDeque<Call>,
    /// Number of dropped calls, which is the number of the oldest one kept.
    gone: u64,
}

/// The calls so far.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Kept>);

impl Journal {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.iter().cloned().collect()
    }

    /// Records a call; returns its number for [`Journal::answered`].
    pub(super) fn came(&self, call: Call) -> u64 {
        let mut kept = self.lock();
        kept.calls.push_back(call);
        if kept.calls.len() > KEPT {
            kept.calls.pop_front();
            kept.gone += 1;
        }
        kept.gone + kept.calls.len() as u64 - 1
    }

    pub(super) fn answered(&self, number: u64, status: u16) {
        let mut kept = self.lock();
        let at = number.checked_sub(kept.gone).and_then(|at| usize::try_from(at).ok());
        if let Some(call) = at.and_then(|at| kept.calls.get_mut(at)) {
            call.status = Some(status);
        }
    }
}
