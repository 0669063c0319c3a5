//! Transactions and statements for both databases. A statement that takes too long fails.
//!
//! Every statement is written once for both: with `$1` for parameters, columns that are BIGINT, TEXT or BYTEA, and no
//! booleans, which SQLite does not have.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use sqlx::any::{AnyArguments, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AnyPool, Describe, Either, Error, Execute, Executor, SqlStr, Transaction};

use super::StoreError;

/// Makes statements fail if the database does not answer in time.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// How long a statement may take.
    pub(super) limit: Duration,
    /// Whether PostgreSQL reported a full disk; until a check finds space again.
    pub(super) is_full: Arc<AtomicBool>,
}

impl Guard {
    async fn run<T>(self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        /// `disk_full` of PostgreSQL.
        const FULL: &str = "53100";
        let done = within(self.limit, work).await;
        if let Err(Error::Database(error)) = &done
            && error.code().as_deref() == Some(FULL)
        {
            self.is_full.store(true, Ordering::Relaxed);
        }
        done
    }
}

/// A transaction, rolled back unless it is committed.
#[derive(Debug)]
pub(super) struct Tx {
    tx: Transaction<'static, Any>,
    guard: Guard,
}

impl Tx {
    pub(super) async fn begin(pool: &AnyPool, how: &'static str, guard: Guard) -> Result<Self, StoreError> {
        Ok(Self { tx: guard.clone().run(pool.begin_with(how)).await?, guard })
    }

    /// Runs a statement. Returns how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        statement: Query<'_, Any, AnyArguments>,
    ) -> Result<u64, StoreError> {
        Ok(statement.execute(self.run()).await?.rows_affected())
    }

    /// The executor for its statements.
    pub(super) fn run(&mut self) -> Guarded<&mut AnyConnection> {
        Guarded { executor: &mut *self.tx, guard: self.guard.clone() }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.guard.run(self.tx.commit()).await?)
    }
}

/// Runs guarded statements. If one gets no answer, its connection is closed.
#[derive(Debug)]
pub(super) struct Guarded<E> {
    pub(super) executor: E,
    pub(super) guard: Guard,
}

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(no_answer()))
}

pub(super) fn no_answer() -> Error {
    io::Error::new(io::ErrorKind::TimedOut, "the database does not answer").into()
}

impl<'c, E: Executor<'c, Database = Any>> Executor<'c> for Guarded<E> {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, Q>(
        self,
        query: Q,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Any>,
    {
        let next = async |(mut rows, guard): (BoxStream<'e, _>, Guard)| {
            let row = guard.clone().run(async { rows.next().await.transpose() }).await.transpose()?;
            Some((row, (rows, guard)))
        };
        stream::unfold((self.executor.fetch_many(query), self.guard), next).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, query: Q) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Any>,
    {
        Box::pin(self.guard.run(self.executor.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(self.guard.run(self.executor.prepare_with(sql, parameters)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, Error>>
    where
        'c: 'e,
    {
        Box::pin(self.guard.run(self.executor.describe(sql)))
    }
}
