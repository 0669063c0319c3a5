//! What the hot queries cost: none reads what was settled long ago, and a long queue is walked once, not once a row.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jiff::Timestamp;
use sqlx::{ConnectOptions, Row, sqlite::SqliteConnectOptions};

use super::fixture::Fixture;
use crate::store::{database, inbox, intake, outbox, rows::millis, status};

/// Rows that wait in the queue; SQLite's instructions are counted, so that no clock decides.
const WAITING: usize = 5_000;

#[tokio::test]
async fn no_query_that_is_asked_all_the_time_reads_a_whole_table() {
    let fixture = Fixture::on_sqlite().await;
    for sql in [
        outbox::HEADS,
        outbox::CLAIM,
        outbox::FIRST_CALL,
        outbox::UNDER_WAY,
        outbox::SUPPRESSED_BEHIND,
        outbox::OTHER_ALERT_OF_THREAD,
        outbox::NOT_SENT_SINCE,
        intake::HAD_ALERT,
        outbox::UNANSWERED_WHEN_KILLED,
        outbox::WAITING_AGAIN,
        outbox::LATE,
        outbox::WAITING_BECAUSE,
        outbox::QUEUES_IN_USE,
        outbox::MOVE,
        inbox::WAITING,
        inbox::BY_EVENT,
        inbox::BY_LEARNED_ID,
        inbox::BY_EXTERNAL,
        inbox::UNANSWERED,
        inbox::EXPIRED,
        inbox::UNASSIGNED,
        inbox::UNASSIGNED_BEFORE,
        inbox::IS_UNASSIGNED,
        intake::PAGED_WITHIN,
        status::QUEUES,
        status::INBOX,
        status::LAST_ALERTS,
        status::DELIVERIES_OF,
        status::EVENTS_OF,
        status::LAST_ALERT_OF,
        database::PURGE_DELIVERIES,
        database::PURGE_ALERTS,
        database::PURGE_LEARNED_IDS,
        database::PURGE_EVENTS,
    ] {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let plan = sqlx::query(explain).fetch_all(&fixture.store.writer).await.unwrap();
        for step in plan {
            let step: String = step.get("detail");
            // A SCAN by an index walks a partial one: only the rows that the query is about.
            let whole =
                step.starts_with("SCAN") && !step.contains("USING") && !step.contains("VIRTUAL TABLE");
            assert!(!whole || step == "SCAN CONSTANT ROW", "{step}\n{sql}");
        }
    }
}

impl Fixture {
    /// Fills the alerts queue with rows of 5 kB, as long messages make them.
    async fn fill(&self, ordering: &str) {
        let now = millis(Timestamp::now());
        let sql = sqlx::AssertSqlSafe(format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {WAITING}) \
             INSERT INTO delivery (queue, kind, ordering, body, created_at) \
             SELECT 'signl4', 'alert', {ordering}, printf('%.5000c', 'x'), {now} FROM n"
        ));
        sqlx::query(sql).execute(&self.store.writer).await.unwrap();
    }

    /// Asks for the first rows; returns how many there are and how many instructions SQLite took, in thousands.
    async fn cost_of_heads(&self, limit: i64) -> (usize, usize) {
        let path = self.url.path().unwrap();
        let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
        let spent = Arc::new(AtomicUsize::new(0));
        let count = {
            let spent = spent.clone();
            move || {
                spent.fetch_add(1, Ordering::Relaxed);
                true
            }
        };
        connection.lock_handle().await.unwrap().set_progress_handler(1_000, count);
        let heads = sqlx::query(outbox::HEADS).bind("signl4").bind("alert").bind(limit);
        let heads = heads.fetch_all(&mut connection).await.unwrap();
        (heads.len(), spent.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_queue_behind_one_row_is_walked_once() {
    let fixture = Fixture::on_sqlite().await;
    fixture.fill("'thread'").await;
    let (heads, cost) = fixture.cost_of_heads(17).await;
    assert_eq!(heads, 1);
    assert!(cost <= WAITING * 100 / 1_000, "{cost}");
}

#[tokio::test]
async fn a_long_queue_gives_its_first_rows_at_once() {
    let fixture = Fixture::on_sqlite().await;
    fixture.fill("i").await;
    let (heads, cost) = fixture.cost_of_heads(17).await;
    assert_eq!(heads, 17);
    assert!(cost <= 1, "{cost}");
}
