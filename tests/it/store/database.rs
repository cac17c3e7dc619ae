//! A database of its own for each test, on SQLite or on PostgreSQL, and a look past the store.
use std::{env, future::Future, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use sealink::store::{Location, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlitePool, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use uuid::Uuid;

use super::world::World;

/// A second way into the same database.
pub(crate) enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs one expression on either pool.
macro_rules! either {
    ($raw:expr, $pool:ident => $run:expr) => {
        match $raw {
            Raw::Sqlite($pool) => $run,
            Raw::Postgres($pool) => $run,
        }
    };
}

impl Raw {
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        either!(self, pool => sqlx::raw_sql(sql).execute(pool).await.map(|_| ())).expect("raw SQL");
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        either!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await).expect("a number")
    }

    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        either!(self, pool => sqlx::query_scalar(sql).fetch_all(pool).await).expect("texts")
    }

    /// An id as a literal.
    pub(crate) fn id(&self, id: Uuid) -> String {
        match self {
            Self::Sqlite(_) => format!("x'{}'", id.simple()),
            Self::Postgres(_) => format!("'{id}'"),
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    async fn close(&self) {
        either!(self, pool => pool.close().await);
    }
}

/// Runs one behaviour on a fresh SQLite file.
pub(crate) async fn on_sqlite<F: Future<Output = ()>>(behaviour: impl FnOnce(Arc<World>) -> F) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sealink.db");
    let store = Store::open(&Location::Sqlite(path.clone())).await.unwrap();
    let raw = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let world = World::new(store, Raw::Sqlite(raw)).await;
    run(&world, behaviour).await;
    close(&world).await;
}

/// Runs one behaviour in a fresh database of the server at `TEST_POSTGRES_URL`, and drops it afterwards.
pub(crate) async fn on_postgres<F: Future<Output = ()>>(behaviour: impl FnOnce(Arc<World>) -> F) {
    let server = env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL names a server for tests");
    let name = format!("it_{}", sealink::clock::Clock::System.new_id().simple());
    let (host, _) = server.rsplit_once('/').expect("the URL ends with a database");
    let url = format!("{host}/{name}");
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&mut admin).await.unwrap();
    let behaved = AssertUnwindSafe(async {
        let store = Store::open(&Location::Postgres(url.clone().into())).await.unwrap();
        let world = World::new(store, Raw::Postgres(PgPool::connect(&url).await.unwrap())).await;
        run(&world, behaviour).await;
        close(&world).await;
    });
    let behaved = behaved.catch_unwind().await;
    let drop = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    sqlx::raw_sql(drop).execute(&mut admin).await.unwrap();
    if let Err(panic) = behaved {
        std::panic::resume_unwind(panic);
    }
}

async fn run<F: Future<Output = ()>>(world: &Arc<World>, behaviour: impl FnOnce(Arc<World>) -> F) {
    behaviour(Arc::clone(world)).await;
    // Whatever a test did, this holds.
    world.revisions_have_no_gaps().await;
}

async fn close(world: &World) {
    world.store.close().await;
    world.raw.close().await;
}
