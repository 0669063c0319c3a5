//! What holds for one realtime session: who the bot is, and what time it is at the server.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::rocketchat::{Account, UserId};

/// How far the server's clock may be from what was measured: HTTP tells whole seconds.
const SKEW: Duration = Duration::from_secs(2);
/// How long a message may travel.
const TRAVEL: Duration = Duration::from_secs(60);
/// How far the clocks of the server and its database, and ours as far as it is known, may be apart.
const CLOCKS: Duration = Duration::from_secs(30);

/// One session, from `Ready` until the connection is lost.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) me: UserId,
    /// When it began, by the server's clock; rather a little too early than too late.
    pub(super) begun: Timestamp,
    account: Arc<Account>,
    /// How far back messages missed while away still alert; zero for never.
    catch_up: Duration,
}

impl Session {
    pub(super) fn new(me: UserId, account: Arc<Account>, catch_up: Duration) -> Self {
        let begun = server_now(&account) - SKEW;
        Self { me, begun, account, catch_up }
    }

    /// Now, by the server's clock. Measured anew by every REST call: a server's clock may be set while we listen.
    pub(super) fn server_now(&self) -> Timestamp {
        server_now(&self.account)
    }

    /// What was written before has surely arrived wherever messages are read from.
    pub(super) fn arrived(&self) -> Timestamp {
        self.server_now() - CLOCKS
    }

    /// Whether something that just happened at this time says that the server's clock was set back since it was last
    /// measured. A server that tells an old message again, exactly as it was, looks the same.
    pub(super) fn is_doubted_by(&self, just_now: Timestamp) -> bool {
        just_now < self.server_now() - TRAVEL
    }

    /// Since when a room is watched that was first heard of by something of this time: since then, unless that is long
    /// ago, as it is where a reaction brings back an old message.
    pub(super) fn watching_since(&self, heard: Timestamp) -> Timestamp {
        heard.max(self.server_now() - TRAVEL).max(self.begun)
    }

    /// What was written before never alerts in a room that is watched since `since`.
    pub(super) fn oldest(&self, since: Timestamp) -> Timestamp {
        let now = self.server_now();
        // The server's clock was set back meanwhile: what is written now is new all the same.
        let since = if since > now + SKEW { now - TRAVEL } else { since };
        since.max(self.horizon())
    }

    /// From when on a room is to be read whose cursor stands at `cursor`.
    pub(super) fn read_from(&self, cursor: Timestamp) -> ReadFrom {
        let horizon = self.horizon();
        match cursor {
            ahead if ahead > self.server_now() + CLOCKS => ReadFrom::ClockSetBack { from: horizon },
            late if late < horizon => ReadFrom::TooLongAway { from: horizon },
            cursor => ReadFrom::Cursor(cursor),
        }
    }

    /// The time before which nothing alerts, however long a room is watched: `catch_up` ago, or the start of the
    /// session where the past is never looked at.
    fn horizon(&self) -> Timestamp {
        match self.catch_up {
            Duration::ZERO => self.begun,
            _ => self.server_now() - self.catch_up,
        }
    }
}

/// Where the reading of a room begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadFrom {
    /// Where it ended.
    Cursor(Timestamp),
    /// The cursor is older than may alert.
    TooLongAway { from: Timestamp },
    /// The cursor is in the future, so it tells nothing: everything that may alert is looked at again.
    ClockSetBack { from: Timestamp },
}

fn server_now(account: &Account) -> Timestamp {
    Timestamp::now() + account.clock_offset().unwrap_or(SignedDuration::ZERO)
}
