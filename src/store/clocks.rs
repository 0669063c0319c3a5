//! The server's clock and ours: what is kept by them when one of them is set.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Store, StoreError, rows::millis};

/// How far the measured distance of two clocks may be off that did not change: HTTP tells whole seconds, and a call's way
/// there may take longer than its way back.
const MEASURED_TO: Duration = Duration::from_secs(4);

/// Which clock was set, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// The server's, as far as anybody can tell.
    Theirs(SignedDuration),
    /// That of this machine.
    Ours(SignedDuration),
}

impl Store {
    /// How far the server's clock was set back since everything was last settled. By so much may what it stamped since then
    /// be ahead.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn set_back_since_settled(&self) -> Result<Duration, StoreError> {
        let row: Option<(i64,)> = sqlx::query_as("SELECT value FROM fact WHERE name = 'set_back'")
            .fetch_optional(&self.readers)
            .await?;
        Ok(Duration::from_millis(row.map_or(0, |(back,)| back.unsigned_abs())))
    }

    /// Notes how far the server's clock is ahead of ours, which was set by `ours` since that was noted, as far as that is
    /// known. Where the server's was set back by more than `tolerance`, all that is kept by it is set back too, or messages
    /// written from now on would pass for old ones. Where it was set forward, only that is noted: what is kept stays, and
    /// more is read than must be. `None` where nothing changed.
    ///
    /// # Errors
    /// When the store fails; then nothing holds.
    pub async fn note_clock(
        &self,
        ahead: SignedDuration,
        ours: SignedDuration,
        tolerance: Duration,
    ) -> Result<Option<ClockChange>, StoreError> {
        let ahead = i64::try_from(ahead.as_millis()).unwrap_or_default();
        let mut tx = self.write().await?;
        let noted: Option<(i64,)> = sqlx::query_as("SELECT value FROM fact WHERE name = 'clock_ahead'")
            .fetch_optional(&mut *tx)
            .await?;
        let moved = SignedDuration::from_millis(noted.map_or(0, |(noted,)| ahead.saturating_sub(noted)));
        let change = change_of(moved, ours, tolerance);
        if noted.is_some() && change.is_none() {
            return Ok(None);
        }
        let back = match change {
            Some(ClockChange::Theirs(by)) => i64::try_from(by.as_millis()).unwrap_or_default().min(0),
            Some(ClockChange::Ours(_)) | None => 0,
        };
        sqlx::query("UPDATE room SET since = since + ?1, cursor = cursor + ?1")
            .bind(back)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE fact SET value = value + ? WHERE name IN ('settled_until', 'first_session')")
            .bind(back)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO fact (name, value) VALUES ('set_back', -?1) \
             ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        )
        .bind(back)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO fact (name, value) VALUES ('clock_ahead', ?) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(ahead)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(change)
    }

    /// Takes back what lies later than `now` by more than `tolerance`: the server's clock was set back while nobody saw it,
    /// and nobody knows by how much. Every room is then read again from `again_from` on. Returns whether it was so.
    ///
    /// # Errors
    /// When the store fails; then nothing is changed.
    pub async fn leave_the_future(
        &self,
        now: Timestamp,
        tolerance: Duration,
        again_from: Timestamp,
    ) -> Result<bool, StoreError> {
        let (is_there,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM room WHERE since > ?1 OR cursor > ?1) \
             OR EXISTS (SELECT 1 FROM fact WHERE name = 'settled_until' AND value > ?1)",
        )
        .bind(millis(now + tolerance))
        .fetch_one(&self.readers)
        .await?;
        if !is_there {
            return Ok(false);
        }
        let mut tx = self.write().await?;
        let (now, again_from) = (millis(now), millis(again_from));
        sqlx::query("UPDATE room SET since = min(since, ?1), cursor = min(cursor, max(min(since, ?1), ?2))")
            .bind(now)
            .bind(again_from)
            .execute(&mut *tx)
            .await?;
        for (fact, latest) in [("first_session", now), ("settled_until", again_from)] {
            sqlx::query("UPDATE fact SET value = min(value, ?) WHERE name = ?")
                .bind(latest)
                .bind(fact)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Which clock was set, where the server's is `moved` ahead of ours more than it was. A machine that slept looks as if its
/// clock had been set forward, so what that explains is believed only where it explains all; otherwise the worse is taken.
fn change_of(moved: SignedDuration, ours: SignedDuration, tolerance: Duration) -> Option<ClockChange> {
    let beyond = |by: SignedDuration| by.unsigned_abs() > tolerance;
    let theirs = moved.saturating_add(ours);
    if theirs.unsigned_abs() <= MEASURED_TO {
        return beyond(moved).then_some(ClockChange::Ours(ours));
    }
    let worse = moved.min(theirs);
    if worse.is_negative() && beyond(worse) {
        return Some(ClockChange::Theirs(worse));
    }
    beyond(moved).then_some(ClockChange::Theirs(moved))
}
