//! Copies a store, from one engine to the other or between two stores of one.

use std::fmt::Display;

use futures_util::TryStreamExt;
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{Column, Executor, Row, ValueRef};

use super::{Condition, Store, StoreError, StoreUrl, engine::Tx};

/// Every table, each after those that it references.
pub(super) const TABLES: [&str; 7] =
    ["alert", "learned_event_id", "delivery", "event", "room", "login", "fact"];
/// The tables whose rows have numbers, with the column.
const NUMBERED: [(&str, &str); 3] = [("alert", "id"), ("delivery", "id"), ("event", "seq")];

/// The source cannot be used.
fn from_source(error: impl Display) -> StoreError {
    StoreError::Known(format!("from: {error}"))
}

/// The target cannot be used.
fn to_target(error: impl Display) -> StoreError {
    StoreError::Known(format!("to: {error}"))
}

impl Store {
    /// Copies a whole store into an empty one, with all row numbers, in one transaction. No bot may be running on
    /// either. Returns the number of rows in each table.
    ///
    /// # Errors
    /// Why nothing was copied.
    pub async fn copy(from: &StoreUrl, to: &StoreUrl) -> Result<Vec<(&'static str, u64)>, StoreError> {
        // Opening it would create it.
        if Self::inspect(from).await.map_err(from_source)? == Condition::New {
            return Err(from_source(format!("{from} is not a store yet; name the one that the bot uses")));
        }
        let source = Self::open(from).await.map_err(from_source)?;
        let target = Self::open(to).await.map_err(to_target)?;
        let copied = copy(&source, &target, to).await;
        target.close().await;
        source.close().await;
        copied
    }
}

async fn copy(source: &Store, target: &Store, to: &StoreUrl) -> Result<Vec<(&'static str, u64)>, StoreError> {
    let mut reading = source.snapshot().await.map_err(from_source)?;
    let mut writing = target.write().await.map_err(to_target)?;
    take_long(source, &mut reading).await.map_err(from_source)?;
    take_long(target, &mut writing).await.map_err(to_target)?;
    // Written when a store is opened.
    let opened = writing.execute(sqlx::query("DELETE FROM fact WHERE name = 'checked_at'"));
    opened.await.map_err(to_target)?;
    for table in TABLES {
        let any = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT 1 FROM {table} LIMIT 1")));
        if writing.finds(any).await.map_err(to_target)? {
            return Err(to_target(format!("{to} has rows in the table {table}; name a new store")));
        }
    }
    let mut counts = Vec::new();
    for table in TABLES {
        counts.push((table, copy_table(table, &mut reading, &mut writing).await?));
    }
    for (table, column) in NUMBERED {
        let last = last_number(source, &mut reading, table, column).await.map_err(from_source)?;
        number_after(target, &mut writing, table, column, last).await.map_err(to_target)?;
    }
    writing.commit().await.map_err(to_target)?;
    Ok(counts)
}

/// Removes the time limits of statements, because a large table takes long.
async fn take_long(store: &Store, tx: &mut Tx) -> Result<(), StoreError> {
    if store.replica().is_some() {
        const NO_LIMITS: &str =
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        store.run(tx.connection.execute(sqlx::raw_sql(NO_LIMITS))).await?;
    }
    Ok(())
}

/// Returns the number of rows.
async fn copy_table(table: &'static str, reading: &mut Tx, writing: &mut Tx) -> Result<u64, StoreError> {
    let all = sqlx::AssertSqlSafe(format!("SELECT * FROM {table}"));
    let mut rows = sqlx::query(all).fetch(&mut *reading.connection);
    let mut copied = 0;
    while let Some(row) = reading.guard.run(rows.try_next()).await.map_err(from_source)? {
        insert(table, &row, writing).await.map_err(to_target)?;
        copied += 1;
    }
    Ok(copied)
}

/// Inserts a row unchanged. NULL columns are left out, because `Any` does not know their type.
async fn insert(table: &'static str, row: &AnyRow, writing: &mut Tx) -> Result<(), StoreError> {
    let mut columns = Vec::new();
    for (at, column) in row.columns().iter().enumerate() {
        let value = row.try_get_raw(at)?;
        if !value.is_null() {
            columns.push((at, column.name().to_owned(), value.type_info().kind()));
        }
    }
    let names: Vec<&str> = columns.iter().map(|(_, name, _)| name.as_str()).collect();
    let placeholders: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), placeholders.join(", "));
    let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
    for (at, _, kind) in &columns {
        insert = match kind {
            AnyTypeInfoKind::Text => insert.bind(row.try_get::<String, _>(*at)?),
            AnyTypeInfoKind::Blob => insert.bind(row.try_get::<Vec<u8>, _>(*at)?),
            _ => insert.bind(row.try_get::<i64, _>(*at)?),
        };
    }
    writing.execute(insert).await.map(drop)
}

/// The last row number that was assigned, even if its row was deleted: people see alerts' numbers.
async fn last_number(store: &Store, tx: &mut Tx, table: &str, column: &str) -> Result<i64, StoreError> {
    let sql = match store.replica() {
        None => format!("SELECT seq FROM sqlite_sequence WHERE name = '{table}'"),
        Some(_) => {
            format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_{column}_seq")
        }
    };
    let last = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut *tx.connection);
    Ok(store.run(last).await?.unwrap_or_default())
}

async fn number_after(
    store: &Store,
    tx: &mut Tx,
    table: &str,
    column: &str,
    last: i64,
) -> Result<(), StoreError> {
    let sql = match store.replica() {
        None => format!(
            "DELETE FROM sqlite_sequence WHERE name = '{table}'; \
             INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {last})"
        ),
        Some(_) => format!("SELECT setval('{table}_{column}_seq', greatest({last}, 1), {last} > 0)"),
    };
    store.run(tx.connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)))).await.map(drop)
}
