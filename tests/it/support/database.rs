//! The server's database behind its back: to see what is stored, and to make what no RPC makes.
use std::path::Path;

use super::new_id;
use rand_core::{OsRng, RngCore};
use sealink::domain::token::{NewToken, TokenKind};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgPool, SqlitePool, sqlite::SqliteConnectOptions};

/// A second, small pool of connections to it.
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres { pool: PgPool, name: String },
}

/// Evaluates an expression on whichever pool it is.
macro_rules! each {
    ($database:expr, $pool:ident => $($body:tt)*) => {
        match $database {
            Database::Sqlite($pool) => $($body)*,
            Database::Postgres { pool: $pool, .. } => $($body)*,
        }
    };
}

impl Database {
    pub(crate) async fn sqlite(path: &Path) -> Self {
        let options =
            SqliteConnectOptions::new().filename(path).foreign_keys(true).disable_statement_logging();
        Self::Sqlite(SqlitePool::connect_with(options).await.expect("the server's database"))
    }

    /// Makes an empty database beside the one `url` names; the new one's URL.
    pub(crate) async fn create_postgres(url: &str, name: &str) -> String {
        let mut connection = sqlx::PgConnection::connect(url).await.expect("TEST_POSTGRES_URL");
        let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(sql).execute(&mut connection).await.expect("a new database");
        let (server, _) = url.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{name}")
    }

    pub(crate) async fn postgres(url: &str, name: String) -> Self {
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(url).await;
        Self::Postgres { pool: pool.expect("the server's database"), name }
    }

    /// Closes the pool and drops what [`create_postgres`](Self::create_postgres) made.
    pub(crate) async fn remove(self) {
        each!(&self, pool => pool.close().await);
        if let Self::Postgres { name, .. } = self {
            let mut connection = sqlx::PgConnection::connect(&super::postgres_url()).await.expect("a server");
            let sql = AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
            sqlx::query(sql).execute(&mut connection).await.expect("dropped");
        }
    }

    /// The pool of a PostgreSQL database.
    pub(crate) fn pool(&self) -> &PgPool {
        match self {
            Self::Postgres { pool, .. } => pool,
            Self::Sqlite(_) => panic!("not on PostgreSQL"),
        }
    }

    /// Everything in the tables of PostgreSQL; of SQLite the file says it all.
    pub(crate) async fn dump(&self) -> Vec<(String, Vec<u8>)> {
        const TABLES: &str = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        let Self::Postgres { pool, .. } = self else { return Vec::new() };
        let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(pool).await.expect("tables");
        let mut dump = Vec::new();
        for table in tables {
            let sql = AssertSqlSafe(format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t"));
            let text: String = sqlx::query_scalar(sql).fetch_one(pool).await.expect("rows");
            dump.push((table, text.into_bytes()));
        }
        dump
    }

    /// The number that a query without parameters answers.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        each!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await).expect("a number")
    }

    /// The same for a query that is put together.
    pub(crate) async fn count_of(&self, sql: String) -> i64 {
        let sql = AssertSqlSafe(sql);
        each!(self, pool => sqlx::query_scalar(sql).fetch_one(pool).await).expect("a number")
    }

    /// Runs a statement without parameters; how many rows it changed.
    pub(crate) async fn execute(&self, sql: &'static str) -> u64 {
        each!(self, pool => sqlx::query(sql).execute(pool).await.expect("a statement").rows_affected())
    }

    /// The same with one text parameter.
    pub(crate) async fn execute_for(&self, sql: &'static str, parameter: &str) -> u64 {
        each!(self, pool => sqlx::query(sql).bind(parameter).execute(pool).await.expect("a statement").rows_affected())
    }

    /// Runs statements behind the server's back, in the words of either database.
    pub(crate) async fn run(&self, sqlite: &str, postgres: &str) {
        let sql = if matches!(self, Self::Sqlite(_)) { sqlite } else { postgres };
        let sql = AssertSqlSafe(sql.to_owned());
        each!(self, pool => sqlx::raw_sql(sql).execute(pool).await.map(|_| ())).expect("statements");
    }

    /// A ciphertext of the object `sub`, and the key it is sealed with.
    pub(crate) async fn sealed(&self, sub: &str, field: &str) -> Option<(Vec<u8>, String)> {
        const SQL: &str = "SELECT sealed, kid FROM sealed_secret WHERE sub = $1 AND field = $2";
        let sub = uuid::Uuid::try_parse(sub).expect("an id");
        each!(self, pool => sqlx::query_as(SQL).bind(sub).bind(field).fetch_optional(pool).await)
            .expect("a row")
    }

    /// The rows of the keyring: number, state, wrapped seed, fingerprint of its root key.
    pub(crate) async fn keyring(&self) -> Vec<(i64, String, Vec<u8>, String)> {
        const SQL: &str = "SELECT key_id, state, wrapped_seed, root_fingerprint FROM keyring ORDER BY key_id";
        each!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await).expect("rows")
    }

    /// The ids and bytes that a query answers.
    pub(crate) async fn records(&self, sql: &'static str) -> Vec<(uuid::Uuid, Vec<u8>)> {
        each!(self, pool => sqlx::query_as(sql).fetch_all(pool).await).expect("rows")
    }

    /// Runs a statement about bytes, which are `$1`; how many rows it changed.
    pub(crate) async fn execute_bytes(&self, sql: &'static str, bytes: &[u8]) -> u64 {
        each!(self, pool => sqlx::query(sql).bind(bytes).execute(pool).await.expect("a statement").rows_affected())
    }

    /// Another organization with an administrator, whose token this is.
    pub(crate) async fn insert_organization(&self) -> String {
        const ORGANIZATION: &str = "INSERT INTO organization (id, name, created_at) VALUES ($1, 'other', 1)";
        const MEMBER: &str = "INSERT INTO member (id, organization_id, name, email, fullname, role, created_at) \
            VALUES ($1, $2, 'other', 'other@example.com', '', 'ADMIN', 1)";
        const TOKEN: &str = "INSERT INTO token (token_id, id, organization_id, kind, member_id, secret_hash, \
            description, read_only, created_at) VALUES ($1, $2, $3, 'ADMIN', $4, $5, '', $6, 1)";
        let (organization, member) = (new_id(), new_id());
        let mut random = [0; 44];
        OsRng.fill_bytes(&mut random);
        let token = NewToken::new(TokenKind::Admin, &random);
        each!(self, pool => {
            sqlx::query(ORGANIZATION).bind(organization).execute(pool).await.expect("an organization");
            sqlx::query(MEMBER).bind(member).bind(organization).execute(pool).await.expect("a member");
            sqlx::query(TOKEN)
                .bind(&token.id).bind(new_id()).bind(organization).bind(member)
                .bind(token.hash.as_slice()).bind(false)
                .execute(pool).await.expect("a token");
        });
        token.text.to_string()
    }
}
