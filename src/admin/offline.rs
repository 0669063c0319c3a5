//! Since when there is no connection: its states tell since when there is one.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use rocketchat::realtime::ConnectionState;

/// When the connection was last seen to be gone; nothing while it stands.
#[derive(Clone, Debug)]
pub(super) struct Offline(Arc<Mutex<Option<Timestamp>>>);

impl Offline {
    /// Not connected since the start.
    pub(super) fn since(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Some(start))))
    }

    /// Since when there is no connection.
    pub(super) fn get(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the connection until there is nothing more to follow.
    pub(super) async fn follow(self, mut connection: watch::Receiver<ConnectionState>) {
        loop {
            let online = connection.borrow_and_update().is_online();
            self.note(online, Timestamp::now());
            if connection.changed().await.is_err() {
                return;
            }
        }
    }

    fn note(&self, online: bool, now: Timestamp) {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *since = if online { None } else { since.or(Some(now)) };
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn attempts_that_fail_do_not_make_the_absence_younger() {
        let start = Timestamp::UNIX_EPOCH;
        let offline = Offline::since(start);
        offline.note(false, start + 1.second());
        assert_eq!(offline.get(), Some(start));
        offline.note(true, start + 2.seconds());
        assert_eq!(offline.get(), None);
        for seconds in [3, 4] {
            offline.note(false, start + seconds.seconds());
        }
        assert_eq!(offline.get(), Some(start + 3.seconds()));
    }
}
