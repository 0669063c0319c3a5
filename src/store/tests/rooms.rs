//! How far each room was read.

use jiff::{Timestamp, ToSpan};

use super::fixture::Fixture;
use crate::store::{AlertId, Progress, RoomProgress};
use rocketchat::RoomId;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn room(id: &str) -> RoomId {
    RoomId::new(id)
}

#[tokio::test]
async fn progress_survives_a_restart_to_the_millisecond() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.store.progress().await.unwrap(), Progress::default());
    let row = RoomProgress { since: at(0), cursor: at(20) + 123.milliseconds(), is_behind: true };
    let facts = Progress {
        read_until: Some(at(30)),
        listed_until: Some(at(25)),
        first_session: Some(at(0)),
        triggers: Some(i64::MIN),
        judged_since: Some(at(5)),
        judged_after: Some(AlertId(6)),
        ..Progress::default()
    };
    fixture.store.save_progress(&[(room("r"), Some(row))], &facts).await.unwrap();
    let fixture = fixture.restarted().await;
    let progress = fixture.store.progress().await.unwrap();
    assert_eq!(progress, Progress { rooms: [(room("r"), row)].into(), ..facts });
}

#[tokio::test]
async fn a_row_is_replaced() {
    let fixture = Fixture::new().await;
    let row = RoomProgress { since: at(0), cursor: at(0), is_behind: true };
    let facts = Progress { first_session: Some(at(0)), ..Progress::default() };
    fixture.store.save_progress(&[(room("r"), Some(row))], &facts).await.unwrap();
    let read = RoomProgress { cursor: at(50), is_behind: false, ..row };
    let facts = Progress { read_until: Some(at(50)), ..facts };
    fixture.store.save_progress(&[(room("r"), Some(read))], &facts).await.unwrap();
    let progress = fixture.store.progress().await.unwrap();
    assert_eq!(progress, Progress { rooms: [(room("r"), read)].into(), ..facts });
}

#[tokio::test]
async fn a_forgotten_room_is_not_watched() {
    let fixture = Fixture::new().await;
    let row = RoomProgress { since: at(0), cursor: at(0), is_behind: true };
    fixture.store.save_progress(&[(room("r"), Some(row))], &Progress::default()).await.unwrap();
    assert!(fixture.store.progress().await.unwrap().rooms.contains_key(&room("r")));
    fixture.store.save_progress(&[(room("r"), None)], &Progress::default()).await.unwrap();
    assert!(fixture.store.progress().await.unwrap().rooms.is_empty());
}

#[tokio::test]
async fn the_rooms_that_names_found_survive_a_restart_and_are_replaced_as_a_whole() {
    let fixture = Fixture::new().await;
    let named =
        |entries: &[(&str, &str)]| entries.iter().map(|(entry, id)| ((*entry).into(), room(id))).collect();
    fixture.store.save_named_rooms(&named(&[("ops", "r1"), ("ops", "r2"), ("night", "r3")])).await.unwrap();
    let new = named(&[("ops", "r2")]);
    fixture.store.save_named_rooms(&new).await.unwrap();
    assert_eq!(fixture.restarted().await.store.named_rooms().await.unwrap(), new);
}
