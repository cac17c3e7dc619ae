//! One write in progress.
use futures_util::future::BoxFuture;
use sqlx::{Postgres, SqliteConnection, Transaction};

use super::{Database, Store, postgres, signals::Signal};
use crate::error::{Error, Kind, Result};

/// The transaction a step runs in, and what is to be told once it is committed.
pub(crate) struct Tx {
    pub(crate) on: On,
    pub(crate) signals: Vec<Signal>,
}

/// What a transaction runs on.
pub(crate) enum On {
    /// The writer's connection, inside a savepoint.
    Sqlite(SqliteConnection),
    /// A transaction of its own.
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Nothing is to be told yet.
    pub(crate) fn new(on: On) -> Self {
        Self { on, signals: Vec::new() }
    }
}

/// Runs one expression on whichever transaction is open.
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $run:expr) => {
        match &mut $tx.on {
            $crate::store::tx::On::Sqlite(connection) => {
                let $conn = &mut *connection;
                $run
            }
            $crate::store::tx::On::Postgres(transaction) => {
                let $conn = &mut **transaction;
                $run
            }
        }
        .map_err($crate::store::failure::failure)
    };
}
pub(crate) use on_tx;

/// Executes one statement with its binds; the number of rows it touched.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        $crate::store::tx::on_tx!($tx, conn => sqlx::query($sql)
            $(.bind($bind))*
            .execute(conn)
            .await
            .map(|done| done.rows_affected()))
    };
}
pub(crate) use execute;

/// The text for the database at hand, where the two need different ones: to lock a row that was read to be
/// changed, which SQLite's one writer need not, or to save an exchange with the database.
pub(crate) fn dialect(tx: &Tx, sqlite: &'static str, postgres: &'static str) -> &'static str {
    match tx.on {
        On::Sqlite(_) => sqlite,
        On::Postgres(_) => postgres,
    }
}

/// A version as it is stored. Versions count from 1 and never come near the end of the type.
pub(crate) fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Somebody else was faster than a compare-and-swap.
pub(crate) fn changed_meanwhile() -> Error {
    Error::new(Kind::Conflict, "changed by somebody else meanwhile; read it again and retry")
}

impl Store {
    /// Runs `step` as one atomic change and answers once it is durable. A step that fails leaves no trace.
    /// It may run more than once: PostgreSQL retries serialisation failures. The caller going away does not
    /// stop it.
    pub(crate) async fn write<I, T, F>(&self, input: I, step: F) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let written = match &self.database {
            Database::Sqlite(lanes) => lanes.write.submit(input, step).await,
            Database::Postgres(pool) => postgres::write(pool, &self.signals, input, step).await,
        };
        self.last_write.note(&written);
        written
    }
}
