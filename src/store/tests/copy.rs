//! Copying a store: whole, with its numbers, and only while no bot uses it.

use std::collections::BTreeSet;

use sqlx::Row;

use super::fixture::{Fixture, alerts_queue, delivered, new_alert, opened, outcome, reply};
use crate::store::{
    AlertState, EventOutcome, NewDelivery, Progress, RoomProgress, Store, StoreUrl, copy::TABLES,
};
use jiff::Timestamp;
use rocketchat::RoomId;
use signl4::{EventId, NotificationId};

/// Something in every table, with gaps in the numbers.
async fn fill(fixture: &Fixture) {
    let store = &fixture.store;
    fixture.alert("m1").await;
    fixture.sent(Some("e1")).await;
    let alert = fixture.alert("m2").await;
    let call = fixture.claimed(&alerts_queue()).await;
    fixture.settle(&call, delivered(None)).await;
    fixture.put(&NewDelivery { alert: Some(alert.id), ..reply("t1", "„ü\u{1f6a8}\n") }).await;
    fixture.add(&new_alert("m3"), AlertState::Suppressed).await.unwrap();
    let name = EventId::new("e2");
    let learned =
        EventOutcome { alert: Some(alert.id), learned: Some((&name, "x")), ..outcome("unanswered") };
    fixture.happened("n1", learned).await;
    store.receive_event(&NotificationId::new("n2"), &[0, 159, 255]).await.unwrap();
    let at = Timestamp::UNIX_EPOCH;
    let room = RoomProgress { since: at, cursor: at, is_behind: true };
    let facts = Progress { triggers: Some(i64::MIN), ..Progress::default() };
    store.save_progress(&[(RoomId::new("r"), Some(room))], &facts).await.unwrap();
    store.save_named_rooms(&[("ops".to_owned(), RoomId::new("r"))].into()).await.unwrap();
    store.save_login(&[1]).await.unwrap();
    store.save_login(&[0, 159, 255]).await.unwrap();
    sqlx::query("DELETE FROM alert WHERE message_id = 'm3'").execute(&store.writer).await.unwrap();
}

/// All rows of all tables, except when the store was opened.
async fn content(store: &Store) -> Vec<BTreeSet<String>> {
    let mut content = Vec::new();
    for table in TABLES {
        let all = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
        let rows = sqlx::query(all).fetch_all(&store.readers).await.unwrap();
        let rows = rows.iter().map(|row| {
            let values = (0..row.columns().len()).map(|at| {
                let number = row.try_get::<Option<i64>, _>(at).map(|value| format!("{value:?}"));
                let text = || row.try_get::<Option<String>, _>(at).map(|value| format!("{value:?}"));
                let bytes = || row.try_get::<Option<Vec<u8>>, _>(at).map(|value| format!("{value:?}"));
                number.or_else(|_| text()).or_else(|_| bytes()).unwrap()
            });
            values.collect::<Vec<_>>().join(" ")
        });
        content.push(rows.filter(|row| !row.contains("checked_at")).collect());
    }
    content
}

#[tokio::test]
async fn a_copy_of_a_copy_has_all_rows_and_continues_its_numbering() {
    let original = Fixture::on_sqlite().await;
    fill(&original).await;
    let expected = content(&original.store).await;
    assert!(expected.iter().all(|rows| !rows.is_empty()), "{expected:?}");
    let (from, _directory) = original.closed().await;
    // To PostgreSQL, if there is one, and back.
    let middle = Fixture::new().await.closed().await;
    let back = Fixture::on_sqlite().await.closed().await;
    for (from, to) in [(&from, &middle.0), (&middle.0, &back.0)] {
        let copied = Store::copy(from, to).await.unwrap();
        let store = opened(to).await;
        assert_eq!(content(&store).await, expected);
        let rows: Vec<usize> = expected.iter().map(BTreeSet::len).collect();
        let reported: Vec<usize> = copied.iter().map(|(_, rows)| usize::try_from(*rows).unwrap()).collect();
        assert_eq!(reported[..6], rows[..6]);
        store.close().await;
    }
    for to in [&middle.0, &back.0] {
        let store = opened(to).await;
        let mut intake = store.intake().await.unwrap();
        let next = intake.add_alert(&new_alert("m4"), AlertState::Queued).await.unwrap().unwrap();
        assert_eq!(next.id.0, 4, "the number of the alert that is gone is not given out again");
        drop(intake);
        store.close().await;
    }
}

/// Why it is not copied.
async fn refused(from: &StoreUrl, to: &StoreUrl) -> String {
    Store::copy(from, to).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_store_is_copied_only_if_it_exists_and_only_into_an_empty_idle_one() {
    let (running, other) = (Fixture::new().await, Fixture::on_sqlite().await);
    fill(&running).await;
    let in_use = refused(&running.url, &other.url).await;
    assert!(in_use.starts_with("from: ") && in_use.contains("already running"), "{in_use}");
    let (empty, _directory) = other.closed().await;
    let in_use = refused(&empty, &running.url).await;
    assert!(in_use.starts_with("to: ") && in_use.contains("already running"), "{in_use}");
    let (filled, directory) = running.closed().await;
    let full = refused(&empty, &filled).await;
    assert_eq!(full, format!("to: {filled} has rows in the table alert; name a new store"));
    let missing = StoreUrl::sqlite(directory.path().join("missing.db"));
    let gone = refused(&missing, &empty).await;
    assert_eq!(gone, format!("from: {missing} is not a store yet; name the one that the bot uses"));
    assert!(!missing.path().unwrap().exists());
}

#[tokio::test]
async fn every_table_is_copied() {
    let fixture = Fixture::on_sqlite().await;
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&fixture.store.readers).await.unwrap();
    assert_eq!(tables.iter().map(String::as_str).collect::<BTreeSet<_>>(), TABLES.into());
}
