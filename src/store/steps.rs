//! What a step of a write may do to itself, to its batch and to the disk.
use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::join_all};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::{Location, Store, tx::execute};
use crate::error::{Error, Kind, Result};

const INSERT: &str = "INSERT INTO organization (id, name, created_at) VALUES ($1, $2, 1)";

/// What a step does after it wrote its row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    Succeeds,
    Fails,
    Panics,
}

/// One row of `size` bytes, then what is to happen.
async fn step(store: &Store, number: u128, size: usize, then: Then) -> Result<()> {
    store
        .write((uuid::Uuid::from_u128(number), "x".repeat(size)), move |tx, (id, name)| {
            Box::pin(async move {
                execute!(tx, INSERT, *id, name)?;
                match then {
                    Then::Succeeds => Ok(()),
                    Then::Fails => Err(Error::new(Kind::Precondition, "on purpose")),
                    Then::Panics => panic!("on purpose"),
                }
            })
        })
        .await
}

async fn rows(store: &Store) -> i64 {
    super::on!(store, pool => sqlx::query_scalar("SELECT count(*) FROM organization").fetch_one(pool).await)
        .unwrap()
}

/// Steps that fail or panic leave nothing and leave the others alone.
async fn steps_are_atomic(store: Arc<Store>) {
    let then = |number: u128| [Then::Succeeds, Then::Fails, Then::Panics][(number % 3) as usize];
    let done = join_all((0..60).map(|number| step(&store, number, 1, then(number)))).await;
    for (number, done) in (0..).zip(done) {
        match then(number) {
            Then::Succeeds => done.unwrap(),
            Then::Fails => assert_eq!(done.unwrap_err().kind(), Kind::Precondition),
            Then::Panics => assert_eq!(done.unwrap_err().kind(), Kind::Internal),
        }
    }
    assert_eq!(rows(&store).await, 20);
    store.close().await;
}

async fn sqlite(directory: &TempDir) -> Store {
    Store::open(&Location::Sqlite(directory.path().join("sealink.db"))).await.unwrap()
}

/// Sets a pragma on the writer's own connection.
async fn pragma(store: &Store, sql: &'static str) -> Result<()> {
    store.write((), move |tx, ()| Box::pin(async move { execute!(tx, sql).map(|_| ()) })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_are_atomic_on_sqlite() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(sqlite(&directory).await);
    steps_are_atomic(Arc::clone(&store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn steps_are_atomic_on_postgres() {
    let server = std::env::var("TEST_POSTGRES_URL").expect("a server for tests");
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let name = format!("steps_{}", crate::clock::Clock::System.new_id().simple());
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let store = Arc::new(Store::open(&Location::Postgres(url.into())).await.unwrap());
    let done = AssertUnwindSafe(steps_are_atomic(store)).catch_unwind().await;
    let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::raw_sql(drop).execute(&mut admin).await.unwrap();
    if let Err(panic) = done {
        std::panic::resume_unwind(panic);
    }
}

/// A full disk: the caller is told so, reads go on, and once there is space everything does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_exhausted_until_there_is_space() {
    let directory = TempDir::new().unwrap();
    let store = sqlite(&directory).await;
    pragma(&store, "PRAGMA max_page_count = 100").await.unwrap();
    let big = join_all((0..60).map(|number| step(&store, number, 20_000, Then::Succeeds))).await;
    let kept = big.iter().filter(|step| step.is_ok()).count();
    for error in big.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), Kind::Exhausted, "{error}");
        assert_eq!(error.retry_delay(), None, "waiting does not help");
    }
    assert!(kept < 60, "the disk was never full");
    assert_eq!(rows(&store).await, i64::try_from(kept).unwrap(), "reads go on, and see what was answered");
    pragma(&store, "PRAGMA max_page_count = 100000").await.unwrap();
    step(&store, 100, 20_000, Then::Succeeds).await.unwrap();
    let sound: String =
        super::on!(store, pool => sqlx::query_scalar("PRAGMA integrity_check").fetch_one(pool).await)
            .unwrap();
    assert_eq!(sound, "ok");
    store.close().await;
}

/// A file that became read-only: writes are refused as unavailable, reads go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_file_is_unavailable_for_writes() {
    let directory = TempDir::new().unwrap();
    let store = sqlite(&directory).await;
    step(&store, 1, 1, Then::Succeeds).await.unwrap();
    pragma(&store, "PRAGMA query_only = 1").await.unwrap();
    for number in 2..5 {
        let error = step(&store, number, 1, Then::Succeeds).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    }
    assert_eq!(rows(&store).await, 1);
    store.close().await;
}
