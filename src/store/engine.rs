//! Transactions and statements for both databases. A statement that takes too long fails.
//!
//! Every statement is written once for both: with `$1` for parameters, columns that are BIGINT, TEXT or BYTEA, and no
//! booleans, which SQLite does not have.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyPool, Error, Transaction};

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
    /// Runs a statement. If it gets no answer, its connection is closed.
    pub(super) async fn run<T>(
        &self,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        /// `disk_full` of PostgreSQL.
        const FULL: &str = "53100";
        let done = within(self.limit, statement).await;
        if let Err(Error::Database(error)) = &done
            && error.code().as_deref() == Some(FULL)
        {
            self.is_full.store(true, Ordering::Relaxed);
        }
        Ok(done?)
    }
}

/// A transaction, rolled back unless it is committed.
#[derive(Debug)]
pub(super) struct Tx {
    /// What its statements run on, within [`Guard::run`].
    pub(super) connection: Transaction<'static, Any>,
    pub(super) guard: Guard,
}

impl Tx {
    pub(super) async fn begin(pool: &AnyPool, how: &'static str, guard: Guard) -> Result<Self, StoreError> {
        Ok(Self { connection: guard.run(pool.begin_with(how)).await?, guard })
    }

    /// Runs a statement. Returns how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        statement: Query<'_, Any, AnyArguments>,
    ) -> Result<u64, StoreError> {
        Ok(self.guard.run(statement.execute(&mut *self.connection)).await?.rows_affected())
    }

    /// Whether a query finds a row.
    pub(super) async fn finds(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<bool, StoreError> {
        Ok(self.guard.run(query.fetch_optional(&mut *self.connection)).await?.is_some())
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.guard.run(self.connection.commit()).await
    }
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
