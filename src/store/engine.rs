//! What SQLite and PostgreSQL do not share, but opening them: how a transaction begins, and how long a statement may take.
//!
//! Every statement is written once for both: with `$1` for parameters, columns that are BIGINT, TEXT or BYTEA, and no
//! booleans, which SQLite does not have.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Any, AnyConnection, AnyPool, Describe, Either, Error, Execute, Executor, SqlStr, Transaction,
    any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo},
};

use super::StoreError;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// How long a statement may take. SQLite waits for the disk and for its busy timeout, and nothing else; a server may be cut off
    /// in the middle.
    fn limit(self) -> Duration {
        match self {
            Self::Sqlite => Duration::MAX,
            Self::Postgres => super::postgres::STATEMENT_LIMIT,
        }
    }

    /// A transaction that writes. SQLite takes the write lock at once: were it held by another process, a later upgrade
    /// could fail half way.
    fn write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// A transaction that reads, whose statements all see the same moment.
    fn snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// `is_full` becomes true where a statement finds the disk full.
    pub(super) async fn begin_write(
        self,
        pool: &AnyPool,
        is_full: &Arc<AtomicBool>,
    ) -> Result<Tx, StoreError> {
        Ok(Tx { is_full: Some(is_full.clone()), ..self.begin(pool, self.write()).await? })
    }

    pub(super) async fn begin_snapshot(self, pool: &AnyPool) -> Result<Tx, StoreError> {
        self.begin(pool, self.snapshot()).await
    }

    async fn begin(self, pool: &AnyPool, statement: &'static str) -> Result<Tx, StoreError> {
        let limit = self.limit();
        Ok(Tx { tx: within(limit, pool.begin_with(statement)).await?, limit, is_full: None })
    }

    pub(super) fn bounded<E>(self, executor: E) -> Bounded<E> {
        Bounded { executor, limit: self.limit(), is_full: None }
    }
}

/// A transaction, rolled back unless it is committed.
#[derive(Debug)]
pub(super) struct Tx {
    tx: Transaction<'static, Any>,
    limit: Duration,
    is_full: Option<Arc<AtomicBool>>,
}

impl Tx {
    /// Where its statements run.
    pub(super) fn run(&mut self) -> Bounded<&mut AnyConnection> {
        Bounded { executor: &mut *self.tx, limit: self.limit, is_full: self.is_full.clone() }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(within(self.limit, self.tx.commit()).await?)
    }
}

/// Runs statements that fail where the database does not answer in time. The connection of such a one is closed.
#[derive(Debug)]
pub(super) struct Bounded<E> {
    executor: E,
    limit: Duration,
    is_full: Option<Arc<AtomicBool>>,
}

/// The same as [`within`], and notes that the disk is full.
async fn noting<T>(
    limit: Duration,
    is_full: Option<Arc<AtomicBool>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    /// `disk_full` of PostgreSQL.
    const FULL: &str = "53100";
    let done = within(limit, work).await;
    if let (Err(Error::Database(error)), Some(is_full)) = (&done, is_full)
        && error.code().as_deref() == Some(FULL)
    {
        is_full.store(true, Ordering::Relaxed);
    }
    done
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

impl<'c, E: Executor<'c, Database = Any>> Executor<'c> for Bounded<E> {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, Q>(
        self,
        query: Q,
    ) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Any>,
    {
        let (limit, is_full) = (self.limit, self.is_full);
        let next = move |mut rows: BoxStream<'e, _>| {
            let is_full = is_full.clone();
            async move {
                let next = async { rows.next().await.transpose() };
                let row = noting(limit, is_full, next).await.transpose()?;
                Some((row, rows))
            }
        };
        stream::unfold(self.executor.fetch_many(query), next).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, Q>(self, query: Q) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'c: 'e,
        Q: 'q + Execute<'q, Any>,
    {
        Box::pin(noting(self.limit, self.is_full, self.executor.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [AnyTypeInfo],
    ) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'c: 'e,
    {
        Box::pin(within(self.limit, self.executor.prepare_with(sql, parameters)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, Error>>
    where
        'c: 'e,
    {
        Box::pin(within(self.limit, self.executor.describe(sql)))
    }
}
