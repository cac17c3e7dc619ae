//! The schema and its history: the same numbers and names for both databases. No migration ever had the numbers 0019 and
//! 0020.
use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, PgPool, SqliteConnection,
    migrate::{Migrate, Migration, MigrationType, Migrator},
};

use super::{failure::failure, sqlite::number};
use crate::error::{Error, Kind, Result};

macro_rules! migrations {
    ($directory:literal) => {
        migrations!($directory: "0001_server", "0002_organizations", "0003_runners", "0004_tokens",
            "0005_runner_keys", "0006_scm_integrations", "0007_changes", "0008_host_tokens",
            "0009_llm_integrations", "0010_environment_classes", "0011_groups", "0012_runner_policies",
            "0013_audit_chain", "0014_idempotency", "0015_agent_liveness", "0016_live_calls",
            "0017_oauth_tickets", "0018_host_token_refresh", "0021_ssh_keys", "0022_scm_accounts",
            "0023_keyring_rotation", "0024_scm_account_profiles", "0025_oauth_bindings_probe_revocations",
            "0026_host_token_asked")
    };
    ($directory:literal: $($name:literal),*) => {
        [$(($name, include_str!(concat!("../../migrations/", $directory, "/", $name, ".sql")))),*]
    };
}

fn migrator<const N: usize>(files: [(&'static str, &'static str); N]) -> Migrator {
    let migrations = files.map(|(name, sql)| {
        let (number, name) = name.split_once('_').unwrap_or(("0", name));
        Migration::new(
            number.parse().unwrap_or_default(),
            Cow::Borrowed(name),
            MigrationType::Simple,
            sqlx::SqlStr::from_static(sql),
            false,
        )
    });
    Migrator::with_migrations(migrations.into())
}

/// Brings an SQLite file, which is empty or ours, to this release's schema. Writes nothing if it is there.
pub(super) async fn sqlite(connection: &mut SqliteConnection, application_id: i32) -> Result<()> {
    let mark = i64::from(application_id);
    // First of all: a crash half-way through must leave a file that the next start knows for ours.
    if number(connection, "PRAGMA application_id").await? != mark {
        set(connection, format!("PRAGMA application_id = {mark}")).await?;
    }
    connection.ensure_migrations_table("_sqlx_migrations").await.map_err(refused)?;
    migrator(migrations!("sqlite")).run_direct(None, connection, false).await.map_err(refused)?;
    let version = migrations!("sqlite").len();
    if usize::try_from(number(connection, "PRAGMA user_version").await?) != Ok(version) {
        set(connection, format!("PRAGMA user_version = {version}")).await?;
    }
    Ok(())
}

async fn set(connection: &mut SqliteConnection, pragma: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(pragma)).execute(connection).await.map(|_| ()).map_err(failure)
}

/// Brings a PostgreSQL database to this release's schema. Replicas that start together take turns.
pub(super) async fn postgres(pool: &PgPool) -> Result<()> {
    migrator(migrations!("postgres")).run(pool).await.map_err(refused)
}

fn refused(error: sqlx::migrate::MigrateError) -> Error {
    use sqlx::migrate::MigrateError;
    match error {
        MigrateError::VersionMissing(_)
        | MigrateError::VersionTooNew(..)
        | MigrateError::VersionMismatch(_) => {
            Error::new(Kind::Precondition, "the database was written by another release of Sealink")
                .caused_by(error)
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failure(error),
        other => Error::internal(other),
    }
}
