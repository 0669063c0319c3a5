//! How far each room was read.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ToSpan};

use super::fixture::Fixture;
use crate::store::{ClockChange, Progress};
use rocketchat::RoomId;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn room(id: &str) -> RoomId {
    RoomId::new(id)
}

async fn cursor(fixture: &Fixture, id: &str) -> Timestamp {
    fixture.store.progress().await.unwrap()[&room(id)].cursor
}

#[tokio::test]
async fn a_room_is_watched_since_it_was_first_watched() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.store.watch_room(&room("r"), at(10)).await.unwrap(), at(10));
    assert_eq!(fixture.store.watch_room(&room("r"), at(50)).await.unwrap(), at(10));
    let fixture = fixture.restarted().await;
    let progress = fixture.store.progress().await.unwrap();
    assert_eq!(progress.len(), 1);
    assert_eq!(progress[&room("r")], Progress { since: at(10), cursor: at(10) });
}

#[tokio::test]
async fn a_cursor_moves_forward_only_and_keeps_its_milliseconds() {
    let fixture = Fixture::new().await;
    fixture.store.watch_room(&room("r"), at(0)).await.unwrap();
    let later = at(20) + 123.milliseconds();
    fixture.store.advance_cursor(&room("r"), later).await.unwrap();
    assert_eq!(cursor(&fixture, "r").await, later);
    fixture.store.advance_cursor(&room("r"), at(10)).await.unwrap();
    assert_eq!(cursor(&fixture, "r").await, later);
}

#[tokio::test]
async fn what_is_kept_by_the_servers_clock_is_set_back_with_it() {
    let fixture = Fixture::new().await;
    let note = async |seconds| {
        let tolerance = Duration::from_secs(30);
        let (ahead, ours) = (SignedDuration::from_secs(seconds), SignedDuration::ZERO);
        fixture.store.note_clock(ahead, ours, tolerance).await.unwrap()
    };
    assert_eq!(note(5).await, None, "noted for the first time");
    fixture.store.watch_room(&room("r"), at(50)).await.unwrap();
    fixture.store.set_settled_until(at(80), &[]).await.unwrap();
    assert_eq!(note(20).await, None, "clocks drift");
    assert_eq!(note(-3_595).await, Some(ClockChange::Theirs(SignedDuration::from_hours(-1))));
    let progress = fixture.store.progress().await.unwrap()[&room("r")];
    assert_eq!(progress, Progress { since: at(50 - 3_600), cursor: at(80 - 3_600) });
    assert_eq!(fixture.store.settled_until().await.unwrap(), Some(at(80 - 3_600)));
    assert_eq!(fixture.store.watched_since(&room("r")).await.unwrap(), Some(at(50 - 3_600)));
    assert_eq!(note(-3_595).await, None, "once");
    let set_back = async || fixture.store.set_back_since_settled().await.unwrap();
    assert_eq!(set_back().await, Duration::from_hours(1));
    assert_eq!(note(-3_655).await, Some(ClockChange::Theirs(SignedDuration::from_mins(-1))));
    assert_eq!(set_back().await, Duration::from_mins(61));
    fixture.store.set_settled_until(at(80 - 3_660), &[]).await.unwrap();
    assert_eq!(set_back().await, Duration::ZERO);
    assert_eq!(note(5).await, Some(ClockChange::Theirs(SignedDuration::from_mins(61))));
    assert_eq!(set_back().await, Duration::ZERO);
    let progress = fixture.store.progress().await.unwrap()[&room("r")];
    assert_eq!(
        progress.cursor,
        at(80 - 3_660),
        "set forward, a clock moves no cursor past what was not read"
    );
}

#[tokio::test]
async fn a_clock_of_ours_that_was_set_moves_nothing_that_is_kept() {
    let fixture = Fixture::new().await;
    let (hour, tolerance) = (SignedDuration::from_hours(1), Duration::from_secs(30));
    let note = async |ahead, ours| fixture.store.note_clock(ahead, ours, tolerance).await.unwrap();
    note(SignedDuration::ZERO, SignedDuration::ZERO).await;
    fixture.store.watch_room(&room("r"), at(50)).await.unwrap();
    // HTTP tells whole seconds.
    let measured = hour - SignedDuration::from_secs(1);
    assert_eq!(note(-hour, measured).await, Some(ClockChange::Ours(measured)));
    assert_eq!(cursor(&fixture, "r").await, at(50));
    assert_eq!(note(-hour, SignedDuration::ZERO).await, None, "it is noted");
    assert_eq!(note(-hour, hour * 8).await, None, "both were set forward, or this machine slept");
    // A machine that slept looks as if its clock had been set; that explains nothing of this.
    assert_eq!(note(-hour * 2, hour * 8).await, Some(ClockChange::Theirs(-hour)));
    assert_eq!(cursor(&fixture, "r").await, at(50 - 3_600));
}

#[tokio::test]
async fn clocks_of_one_machine_are_set_back_together_and_what_is_kept_with_them() {
    let fixture = Fixture::new().await;
    let (hour, tolerance) = (SignedDuration::from_hours(1), Duration::from_secs(30));
    let note = async |ours| fixture.store.note_clock(SignedDuration::ZERO, ours, tolerance).await.unwrap();
    note(SignedDuration::ZERO).await;
    fixture.store.watch_room(&room("r"), at(50)).await.unwrap();
    assert_eq!(note(-hour).await, Some(ClockChange::Theirs(-hour)));
    assert_eq!(cursor(&fixture, "r").await, at(50 - 3_600));
    assert_eq!(note(hour).await, None, "set forward, nothing moves");
    assert_eq!(cursor(&fixture, "r").await, at(50 - 3_600));
}

#[tokio::test]
async fn what_lies_in_the_future_is_taken_back_and_everything_read_again() {
    let fixture = Fixture::new().await;
    let leave = async |now| {
        let tolerance = Duration::from_secs(30);
        fixture.store.leave_the_future(at(now), tolerance, at(now - 3_600)).await.unwrap()
    };
    for (name, since, cursor) in [("old", -9_000, 500), ("young", 300, 500), ("future", 490, 500)] {
        fixture.store.watch_room(&room(name), at(since)).await.unwrap();
        fixture.store.advance_cursor(&room(name), at(cursor)).await.unwrap();
    }
    fixture.store.set_settled_until(at(500), &[]).await.unwrap();
    assert!(!leave(480).await, "clocks differ");
    assert_eq!(cursor(&fixture, "old").await, at(500));
    assert!(leave(400).await);
    let progress = fixture.store.progress().await.unwrap();
    assert_eq!(progress[&room("old")], Progress { since: at(-9_000), cursor: at(400 - 3_600) });
    assert_eq!(progress[&room("young")], Progress { since: at(300), cursor: at(300) });
    assert_eq!(progress[&room("future")], Progress { since: at(400), cursor: at(400) });
    assert_eq!(fixture.store.settled_until().await.unwrap(), Some(at(400 - 3_600)));
    assert!(!leave(400).await, "once");
}

#[tokio::test]
async fn the_first_session_of_all_is_remembered_and_follows_the_clock() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.store.first_session(at(10)).await.unwrap(), at(10));
    let fixture = fixture.restarted().await;
    assert_eq!(fixture.store.first_session(at(70)).await.unwrap(), at(10));
    for seconds in [0, -60] {
        let ahead = SignedDuration::from_secs(seconds);
        fixture.store.note_clock(ahead, SignedDuration::ZERO, Duration::from_secs(30)).await.unwrap();
    }
    assert_eq!(fixture.store.first_session(at(70)).await.unwrap(), at(-50));
}

#[tokio::test]
async fn a_room_that_is_not_watched_gets_no_cursor() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.store.watched_since(&room("r")).await.unwrap(), None);
    fixture.store.advance_cursor(&room("r"), at(10)).await.unwrap();
    assert!(fixture.store.progress().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_forgotten_room_begins_anew() {
    let fixture = Fixture::new().await;
    fixture.store.watch_room(&room("r"), at(0)).await.unwrap();
    fixture.store.watch_room(&room("s"), at(0)).await.unwrap();
    fixture.store.forget_room(&room("r")).await.unwrap();
    assert_eq!(fixture.store.progress().await.unwrap().into_keys().collect::<Vec<_>>(), [room("s")]);
    assert_eq!(fixture.store.watch_room(&room("r"), at(90)).await.unwrap(), at(90));
}

#[tokio::test]
async fn what_is_settled_moves_every_cursor_but_those_of_rooms_that_could_not_be_read() {
    let fixture = Fixture::new().await;
    for (id, second) in [("behind", 0), ("ahead", 50), ("refused", 0)] {
        fixture.store.watch_room(&room(id), at(second)).await.unwrap();
    }
    assert_eq!(fixture.store.settled_until().await.unwrap(), None);
    fixture.store.set_settled_until(at(20), &[room("refused"), room("not there")]).await.unwrap();
    assert_eq!(fixture.store.settled_until().await.unwrap(), Some(at(20)));
    assert_eq!(cursor(&fixture, "behind").await, at(20));
    assert_eq!(cursor(&fixture, "ahead").await, at(50));
    assert_eq!(cursor(&fixture, "refused").await, at(0));

    fixture.store.advance_cursors(at(30), &[room("refused")]).await.unwrap();
    assert_eq!(fixture.store.settled_until().await.unwrap(), Some(at(20)), "some rooms are not known");
    assert_eq!(cursor(&fixture, "behind").await, at(30));

    fixture.store.set_settled_until(at(10), &[]).await.unwrap();
    assert_eq!(fixture.store.settled_until().await.unwrap(), Some(at(10)), "the server's clock was set back");
    assert_eq!(cursor(&fixture, "behind").await, at(30), "a cursor does not follow it");
    assert_eq!(cursor(&fixture, "refused").await, at(10));
}
