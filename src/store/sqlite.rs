//! Opening SQLite so that what is acknowledged is durable.
use std::{
    fs::{File, TryLockError},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use sqlx::{
    ConnectOptions, Connection, Row, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{
        SqliteArguments, SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteRow, SqliteSynchronous,
    },
};

use super::{
    Database, Lanes, Store, StoredSeed, account_lists::AccountLists, combine::Combiner,
    configuration::SqliteConfigurations, failure::failure, integration_pages::SqliteRunnerPages,
    keyring::sqlite_seeds, migrate, signals::Signals, token_lookup::SqliteTokens, writability::LastWrite,
    writer::Writer,
};
use crate::error::{Error, Kind, Result};

/// Marks the file as Sealink's ("Seal"), so that another program's database is never taken for one.
const APPLICATION_ID: i32 = 0x5365_616c;
/// Readers besides those that answer combined reads.
const READERS: u32 = 2;
/// Bytes of a page in a new file: most rows with their ciphertext fit several times, so that a page of a list is a
/// few reads.
const PAGE: u32 = 8_192;
/// Pages of one connection's cache: 512 KiB.
const CACHE: &str = "-512";

/// What must hold on every connection, and how SQLite spells it when asked.
const REQUIRED: [(&str, &str); 11] = [
    ("journal_mode", "wal"),
    ("synchronous", "2"),
    ("foreign_keys", "1"),
    ("busy_timeout", "5000"),
    ("secure_delete", "1"),
    ("wal_autocheckpoint", "1000"),
    ("journal_size_limit", "67108864"),
    ("trusted_schema", "0"),
    ("cell_size_check", "1"),
    ("mmap_size", "0"),
    ("temp_store", "2"),
];

pub(super) async fn open(path: &Path, fits: impl FnOnce(Vec<StoredSeed>) -> Result<()>) -> Result<Store> {
    refuse_network_file_system(path)?;
    refuse_foreign(path).await?;
    let lock = lock(path)?;
    create_private(path)?;
    let options = options(path);
    let mut writer = options.connect().await.map_err(failure)?;
    verify(&mut writer).await?;
    fits(sqlite_seeds(&mut writer).await?)?;
    migrate::sqlite(&mut writer, APPLICATION_ID).await?;

    let reading = options.pragma("query_only", "1");
    let read = SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                verify_reader(connection).await.map_err(|error| sqlx::Error::Configuration(error.into()))
            })
        })
        .connect_lazy_with(reading.clone());
    let (tokens, pages) = (reader(&reading).await?, reader(&reading).await?);
    let signals = Arc::new(Signals::alone());
    let account_lists = Combiner::start(AccountLists::Sqlite(read.clone()));
    Ok(Store {
        last_write: LastWrite::default(),
        database: Database::Sqlite(Lanes { read, write: Writer::start(writer, Arc::clone(&signals)), lock }),
        signals,
        tokens: Combiner::start(SqliteTokens(tokens)),
        runner_pages: Combiner::start(SqliteRunnerPages(pages)),
        configurations: Combiner::start(SqliteConfigurations::new(reading)),
        account_lists,
    })
}

/// A connection that only reads, outside of the pool.
pub(super) async fn reader(options: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let mut connection = options.connect().await.map_err(failure)?;
    verify_reader(&mut connection).await?;
    Ok(connection)
}

/// Looks at a file before anything is set on it: switching another program's database to WAL would change
/// that file.
async fn refuse_foreign(path: &Path) -> Result<()> {
    if !path.metadata().is_ok_and(|file| file.len() > 0) {
        return Ok(());
    }
    let looking = SqliteConnectOptions::new().filename(path).disable_statement_logging();
    let (mark, tables) = match look(&looking.clone().read_only(true)).await {
        // A crash left a journal, which any reader has to roll back first.
        Err(error) if error.kind() == Kind::Unavailable => look(&looking).await?,
        looked => looked?,
    };
    if mark == i64::from(APPLICATION_ID) || (mark == 0 && tables == 0) {
        return Ok(());
    }
    Err(Error::new(Kind::Precondition, "the database file belongs to another program"))
}

/// The file's application id, and how many tables and indexes it has.
async fn look(options: &SqliteConnectOptions) -> Result<(i64, i64)> {
    let mut connection = options.connect().await.map_err(failure)?;
    let mark = number(&mut connection, "PRAGMA application_id").await?;
    let tables = number(&mut connection, "SELECT count(*) FROM sqlite_schema").await?;
    drop(connection.close().await);
    Ok((mark, tables))
}

/// The rows of a combined query, one per question. A lone one is taken without waiting for the end of the
/// statement, which would wake this thread once more.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    query: Query<'_, Sqlite, SqliteArguments>,
    questions: usize,
) -> Result<Vec<SqliteRow>> {
    let found = match questions {
        1 => query.fetch_optional(connection).await.map(|row| row.into_iter().collect()),
        _ => query.fetch_all(connection).await,
    };
    found.map_err(failure)
}

/// One number from one row.
pub(super) async fn number(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64> {
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(failure)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(PAGE)
        .auto_vacuum(SqliteAutoVacuum::None)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(std::time::Duration::from_secs(5))
        .pragma("secure_delete", "ON")
        .pragma("wal_autocheckpoint", "1000")
        .pragma("journal_size_limit", "67108864")
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("mmap_size", "0")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", CACHE)
        // A page and more: the reader's thread need not wait in the middle of one until its rows are taken.
        .row_buffer_size(256)
        .disable_statement_logging()
}

/// Two servers would each think to be the only writer; the data directory's lock does not help where
/// `database.url` names a file elsewhere. A file of its own, because closing any handle of the database
/// would drop SQLite's own locks.
fn lock(path: &Path) -> Result<File> {
    let name = path.with_added_extension("lock");
    let describe = |error| {
        let message = format!("cannot lock the database {}: does its directory exist?", path.display());
        Error::new(Kind::Unavailable, message).caused_by(error)
    };
    let file = File::options().create(true).append(true).mode(0o600).open(name).map_err(describe)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            let message = format!("another server is running on the database {}", path.display());
            Error::new(Kind::Precondition, message)
        }
        TryLockError::Error(error) => describe(error),
    })?;
    Ok(file)
}

/// The file holds ciphertexts and token hashes: nobody else on the machine needs it.
fn create_private(path: &Path) -> Result<()> {
    let describe = |error| {
        Error::new(
            Kind::Unavailable,
            "cannot create the database file: check the data directory's owner and space",
        )
        .caused_by(error)
    };
    let file = File::options().create(true).append(true).mode(0o600).open(path).map_err(describe)?;
    // One that was there, or was made by a copy, is narrowed too.
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(describe)
}

/// SQLite's locks do not hold on network file systems; two machines would corrupt the file.
fn refuse_network_file_system(path: &Path) -> Result<()> {
    /// NFS, SMB, CIFS, SMB2, Ceph, 9P, FUSE (sshfs and the like), AFS: see statfs(2).
    const NETWORK: [i64; 8] =
        [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400, 0x0102_1997, 0x6573_5546, 0x5346_414f];
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(found) = rustix::fs::statfs(directory) else { return Ok(()) };
    if NETWORK.contains(&(found.f_type & 0xffff_ffff)) {
        let message = "the database must not be on a network file system: SQLite's locks do not hold there; \
                       use a local disk, or PostgreSQL";
        return Err(Error::new(Kind::Precondition, message));
    }
    Ok(())
}

/// Reads every pragma back: a driver that overrides one silently would cost acknowledged writes.
async fn verify(connection: &mut SqliteConnection) -> Result<()> {
    for (pragma, wanted) in REQUIRED {
        check(connection, pragma, wanted).await?;
    }
    Ok(())
}

/// The same, and that it cannot write: there is one writer.
async fn verify_reader(connection: &mut SqliteConnection) -> Result<()> {
    verify(connection).await?;
    check(connection, "query_only", "1").await
}

async fn check(connection: &mut SqliteConnection, pragma: &str, wanted: &str) -> Result<()> {
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA {pragma}"));
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(failure)?;
    let found = row.try_get::<i64, _>(0).map(|number| number.to_string());
    let found = found.or_else(|_| row.try_get::<String, _>(0)).map_err(failure)?;
    if found == wanted {
        return Ok(());
    }
    let message = format!("SQLite keeps {pragma} at {found} where {wanted} is required");
    Err(Error::new(Kind::Precondition, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever changes a pragma behind our back is noticed: here, the test.
    #[tokio::test]
    async fn every_pragma_is_read_back() {
        const OTHERWISE: [&str; 11] = [
            "journal_mode = DELETE",
            "synchronous = NORMAL",
            "foreign_keys = OFF",
            "busy_timeout = 1",
            "secure_delete = OFF",
            "wal_autocheckpoint = 0",
            "journal_size_limit = -1",
            "trusted_schema = ON",
            "cell_size_check = OFF",
            "mmap_size = 4096",
            "temp_store = FILE",
        ];
        let directory = tempfile::tempdir().unwrap();
        let options = options(&directory.path().join("sealink.db"));
        for (otherwise, (pragma, _)) in OTHERWISE.into_iter().zip(REQUIRED) {
            assert!(otherwise.starts_with(pragma));
            let mut connection = options.connect().await.unwrap();
            verify(&mut connection).await.unwrap();
            let sql = sqlx::AssertSqlSafe(format!("PRAGMA {otherwise}"));
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            let error = verify(&mut connection).await.unwrap_err();
            assert!(error.kind() == Kind::Precondition && error.message().contains(pragma), "{error}");
            assert!(verify_reader(&mut options.connect().await.unwrap()).await.is_err(), "it may write");
            connection.close().await.unwrap();
        }
    }
}
