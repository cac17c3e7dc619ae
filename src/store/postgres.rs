//! PostgreSQL: a pool, and writes that retry what the database asks to be retried.
use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions, Connection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    Database, Store, StoredSeed,
    account_lists::AccountLists,
    combine::Combiner,
    configuration::PostgresConfigurations,
    failure::{Fault, failure},
    integration_pages::PostgresRunnerPages,
    keyring::postgres_seeds,
    migrate,
    signals::Signals,
    token_lookup::PostgresTokens,
    tx::{On, Tx},
    writability::LastWrite,
};
use crate::error::{Error, Kind, Result};

/// How often a write is run before its conflict is the caller's.
const ATTEMPTS: u32 = 3;
const CONNECTIONS: u32 = 16;
/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(2);

pub(super) async fn open(url: &str, fits: impl FnOnce(Vec<StoredSeed>) -> Result<()>) -> Result<Store> {
    // No cause: it may quote the password.
    let bad_url = |_: sqlx::Error| Error::new(Kind::Invalid, "database.url is not a PostgreSQL URL");
    let options: PgConnectOptions = url.parse().map_err(bad_url)?;
    // A pool would try again until its time is up, and then not say why.
    let first = options.clone().connect().await.map_err(unreachable)?;
    first.close().await.map_err(failure)?;
    let options = options.application_name("sealink").disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE)
        .connect_with(options.clone())
        .await
        .map_err(failure)?;
    fits(postgres_seeds(&pool).await?)?;
    migrate::postgres(&pool).await?;
    Ok(Store {
        last_write: LastWrite::default(),
        signals: Arc::new(Signals::shared(options).await?),
        tokens: Combiner::start(PostgresTokens(pool.clone())),
        runner_pages: Combiner::start(PostgresRunnerPages(pool.clone())),
        configurations: Combiner::start(PostgresConfigurations(pool.clone())),
        account_lists: Combiner::start(AccountLists::Postgres(pool.clone())),
        database: Database::Postgres(pool),
    })
}

/// Why the database cannot be had at the start, with a cure.
fn unreachable(error: sqlx::Error) -> Error {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let (kind, message) = match code.as_deref() {
        Some("3D000") => (Kind::Precondition, "the PostgreSQL database does not exist: create it first"),
        Some(code) if code.starts_with("28") => {
            (Kind::Precondition, "PostgreSQL refuses the user: check the user and password in database.url")
        }
        _ => (Kind::Unavailable, "PostgreSQL cannot be reached: check the host and port in database.url"),
    };
    Error::new(kind, message).caused_by(Fault::from(error))
}

/// Runs one step in a transaction, in a task of its own so that a caller who goes away cannot stop it
/// half-way.
pub(super) async fn write<I, T, F>(pool: &PgPool, signals: &Arc<Signals>, input: I, step: F) -> Result<T>
where
    I: Send + Sync + 'static,
    T: Send + 'static,
    F: for<'t> Fn(&'t mut Tx, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
{
    let (pool, signals) = (pool.clone(), Arc::clone(signals));
    let task = tokio::spawn(async move {
        let job = Arc::new((input, step));
        let mut attempt = 1;
        loop {
            match run(&pool, &signals, &job.0, &job.1).await {
                Err(error)
                    if error.kind() == Kind::Conflict && attempt < ATTEMPTS && from_database(&error) =>
                {
                    attempt += 1;
                }
                done => return done,
            }
        }
    });
    task.await.map_err(Error::internal)?
}

/// Whether the database, and not a step's own check, reports the conflict: only then a retry can help.
fn from_database(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<Fault>)
}

async fn run<I, T, F>(pool: &PgPool, signals: &Signals, input: &I, step: &F) -> Result<T>
where
    F: for<'t> Fn(&'t mut Tx, &'t I) -> BoxFuture<'t, Result<T>>,
{
    let mut tx = Tx::new(On::Postgres(pool.begin().await.map_err(failure)?));
    let value = step(&mut tx, input).await?;
    let On::Postgres(transaction) = tx.on else {
        return Err(Error::internal("the transaction changed its kind"));
    };
    transaction.commit().await.map_err(commit_failure)?;
    signals.send(tx.signals);
    Ok(value)
}

/// A connection that breaks during COMMIT leaves the outcome open, and the answer says so.
fn commit_failure(error: sqlx::Error) -> Error {
    let mapped = failure(error);
    match mapped.kind() {
        Kind::Unavailable => Error::new(
            Kind::Unavailable,
            "the connection to the database broke while committing: the outcome is unknown, read before retrying",
        )
        .retry_after(Duration::from_secs(1))
        .caused_by(mapped),
        _ => mapped,
    }
}
