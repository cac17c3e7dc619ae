//! What the server refuses to start on, and that it leaves it as it is.
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use sealink::{
    error::Kind,
    store::{Location, Store},
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::process::{Server, refused};

const REFUSED: i32 = 78;

/// A data directory that a server has used and left in order.
fn used() -> TempDir {
    let directory = TempDir::new().unwrap();
    Server::start(&directory.path().join("data")).stop();
    assert!(!directory.path().join("data/sealink.db-wal").exists(), "the end of a server empties its log");
    directory
}

/// A directory that only its owner may enter, as a data directory must be.
fn private() -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    directory
}

async fn execute(path: &Path, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Refused with one line that says `word`, and not one byte of the database changed.
fn refuses(data_dir: &Path, word: &str) {
    let database = data_dir.join("sealink.db");
    let before = fs::read(&database).unwrap();
    refused(data_dir, REFUSED, word);
    assert!(before == fs::read(&database).unwrap(), "the refused database was changed");
}

#[tokio::test]
async fn another_programs_database() {
    for foreign in [
        "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')",
        "PRAGMA application_id = 42",
        "PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT)",
    ] {
        let directory = private();
        execute(&directory.path().join("sealink.db"), foreign).await;
        refuses(directory.path(), "another program");
        assert!(!directory.path().join("root.key").exists(), "nothing is made beside it");
    }
}

#[test]
fn a_damaged_database() {
    let directory = private();
    fs::write(directory.path().join("sealink.db"), [0x5a; 8_192]).unwrap();
    refuses(directory.path(), "damaged");

    let directory = used();
    let database = directory.path().join("data/sealink.db");
    let whole = fs::read(&database).unwrap();
    for left in [whole.len() / 2, 4_096, 50] {
        fs::write(&database, &whole[..left]).unwrap();
        refuses(&directory.path().join("data"), "damaged");
    }
    fs::write(&database, &whole).unwrap();
    drop(Server::start(&directory.path().join("data")));
}

#[tokio::test]
async fn a_newer_releases_database() {
    let directory = used();
    let data_dir = directory.path().join("data");
    execute(
        &data_dir.join("sealink.db"),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', 1, x'00', 1)",
    )
    .await;
    refuses(&data_dir, "another release");
}

#[test]
fn a_directory_in_use() {
    let directory = TempDir::new().unwrap();
    let data_dir = directory.path().join("data");
    let first = Server::start(&data_dir);
    refused(&data_dir, REFUSED, "another server");
    first.stop();
    Server::start(&data_dir).stop();
}

#[test]
fn a_missing_or_another_root_key() {
    let (directory, other) = (used(), used());
    let data_dir = directory.path().join("data");
    let key = data_dir.join("root.key");
    let right = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    refuses(&data_dir, "is missing");
    assert!(!key.exists(), "no other key is made");
    fs::copy(other.path().join("data/root.key"), &key).unwrap();
    refuses(&data_dir, "the keyring");
    fs::write(&key, "no key").unwrap();
    refuses(&data_dir, "root key");
    fs::write(&key, right).unwrap();
    drop(Server::start(&data_dir));
}

/// A start that finds everything in order writes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_again_writes_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("sealink.db");
    let location = Location::Sqlite(path.clone());
    Store::open(&location).await.unwrap().close().await;
    let before = fs::read(&path).unwrap();
    Store::open(&location).await.unwrap().close().await;
    assert!(before == fs::read(&path).unwrap());
}

/// What a first start leaves if it is killed between its steps is taken up by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_made_database_is_finished() {
    for half in [
        "PRAGMA journal_mode = WAL",
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 0x5365616c",
        "PRAGMA application_id = 0x5365616c; CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, \
         description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
         success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)",
    ] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("sealink.db");
        execute(&path, half).await;
        let store = Store::open(&Location::Sqlite(path)).await.unwrap();
        assert!(!store.is_bootstrapped().await.unwrap());
        store.close().await;
    }
}

/// A kill during the very first write leaves a journal that must be rolled back before anything can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_of_the_first_write_is_rolled_back() {
    let (directory, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = directory.path().join("sealink.db");
    let mut writing =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path).create_if_missing(true))
            .await
            .unwrap();
    sqlx::raw_sql(
        "PRAGMA application_id = 0x5365616c; PRAGMA cache_size = 1; BEGIN; \
         CREATE TABLE half (text TEXT); INSERT INTO half SELECT hex(zeroblob(20000)); \
         INSERT INTO half SELECT text FROM half; INSERT INTO half SELECT text FROM half",
    )
    .execute(&mut writing)
    .await
    .unwrap();
    for name in ["sealink.db", "sealink.db-journal"] {
        fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let copied = copy.path().join("sealink.db");
    let reading = SqliteConnectOptions::new().filename(&copied).read_only(true);
    let mut reading = SqliteConnection::connect_with(&reading).await.unwrap();
    let stuck = sqlx::raw_sql("SELECT count(*) FROM sqlite_schema").execute(&mut reading).await;
    assert!(stuck.is_err(), "the journal is not in the way: the test shows nothing");
    drop(reading);
    let store = Store::open(&Location::Sqlite(copied)).await.unwrap();
    assert!(!store.is_bootstrapped().await.unwrap());
    store.close().await;
    assert!(!copy.path().join("sealink.db-journal").exists());
}

#[tokio::test]
async fn a_place_that_cannot_be_had() {
    let nowhere = Location::Sqlite("/proc/none/sealink.db".into());
    assert_eq!(Store::open(&nowhere).await.err().unwrap().kind(), Kind::Unavailable);
    let unreachable = Location::Postgres("postgres://sealink@127.0.0.1:1/none".to_owned().into());
    assert_eq!(Store::open(&unreachable).await.err().unwrap().kind(), Kind::Unavailable);
}

/// A newer release finds an older schema, and a root key that is not this database's: it must not even migrate.
#[tokio::test]
async fn a_wrong_root_key_before_the_schema_is_changed() {
    let directory = used();
    let data_dir = directory.path().join("data");
    execute(
        &data_dir.join("sealink.db"),
        "DELETE FROM _sqlx_migrations WHERE version >= 7; DROP TABLE configuration_change; PRAGMA user_version = 6",
    )
    .await;
    let root = data_dir.join("root.key");
    fs::write(&root, "5a".repeat(32)).unwrap();
    refuses(&data_dir, "root key");
    fs::remove_file(&root).unwrap();
    refuses(&data_dir, "missing");
    let log = data_dir.join("sealink.db-wal");
    assert!(fs::metadata(&log).is_ok_and(|log| log.len() == 0) || !log.exists(), "something was written");
    assert!(!root.exists(), "a new root key was made");
}
