//! What a database error means to a caller: recognised by its code, never by its text. PostgreSQL's may quote a value, so
//! nobody reads it.
use std::{error::Error as StdError, fmt, time::Duration};

use sqlx::sqlite::SqliteError;

use super::Writes;
use crate::error::{Error, Kind};

/// The caller's view of a database error. A store method that knows what a violated constraint means says so
/// itself; here it is just "already exists" or "not found".
pub(crate) fn failure(error: sqlx::Error) -> Error {
    let kind = match &error {
        sqlx::Error::Database(database) => database.code().as_deref().and_then(kind_of_code),
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) | sqlx::Error::Tls(_) => {
            Some(Kind::Unavailable)
        }
        sqlx::Error::WorkerCrashed => Some(Kind::Unavailable),
        _ => None,
    };
    let fault = Fault::from(error);
    let Some(kind) = kind else { return Error::internal(fault) };
    let mapped = Error::new(kind, message(kind)).caused_by(fault);
    match kind {
        Kind::Unavailable => mapped.retry_after(Duration::from_secs(1)),
        _ => mapped,
    }
}

/// A database error as the operator's log has it: codes and names of the schema, no text that may quote a value.
#[derive(Debug)]
pub(super) struct Fault {
    text: String,
    disk: Option<Writes>,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let disk = code.and_then(|code| writes_of_code(&code));
        let text = match error {
            // SQLite's texts name tables and columns, and quote no value.
            sqlx::Error::Database(error) if error.try_downcast_ref::<SqliteError>().is_some() => {
                format!("the database answers: {error}")
            }
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                let names = [("constraint", error.constraint()), ("table", error.table())];
                let names =
                    names.map(|(what, name)| name.map(|name| format!(", {what} {name}")).unwrap_or_default());
                format!("the database answers with code {code}{}", names.concat())
            }
            // The operating system's and the TLS library's own words.
            sqlx::Error::Io(error) => format!("the connection to the database: {error}"),
            sqlx::Error::Tls(error) => format!("TLS with the database: {error}"),
            sqlx::Error::PoolTimedOut => "no connection to the database became free in time".to_owned(),
            sqlx::Error::PoolClosed => "the connections to the database are closed".to_owned(),
            sqlx::Error::WorkerCrashed => "the database's driver has crashed".to_owned(),
            sqlx::Error::ColumnDecode { index, .. } => format!("column {index} of an answer cannot be read"),
            // Our own, from the making of a connection.
            sqlx::Error::Configuration(error) if error.is::<Error>() => error.to_string(),
            sqlx::Error::RowNotFound => "a row is missing".to_owned(),
            _ => "the database's driver fails".to_owned(),
        };
        Self { text, disk }
    }
}

/// What a failed write says of the disk, if anything.
pub(super) fn of_disk(error: &Error) -> Option<Writes> {
    StdError::source(error)?.downcast_ref::<Fault>()?.disk
}

fn writes_of_code(code: &str) -> Option<Writes> {
    match (code.parse::<u32>().map(|number| number & 0xff), code) {
        (_, "53100" | "25006") => Some(Writes::Refused),
        (_, "58030") => Some(Writes::Failing),
        (Ok(8 | 13), _) if code.len() < 5 => Some(Writes::Refused),
        (Ok(10), _) if code.len() < 5 => Some(Writes::Failing),
        _ => None,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for Fault {}

/// SQLite's extended result codes are decimal numbers, PostgreSQL's SQLSTATE has five characters.
fn kind_of_code(code: &str) -> Option<Kind> {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => kind_of_sqlite(number),
        _ => kind_of_postgres(code),
    }
}

/// <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn kind_of_sqlite(code: u32) -> Option<Kind> {
    match (code, code & 0xff) {
        (1555 | 2067 | 2579, _) => Some(Kind::AlreadyExists),
        (787, _) => Some(Kind::NotFound),
        (517, _) => Some(Kind::Conflict),
        (_, 13) => Some(Kind::Exhausted),
        (_, 5 | 6 | 8 | 10 | 14) => Some(Kind::Unavailable),
        (_, 11 | 26) => Some(Kind::DataLoss),
        _ => None,
    }
}

/// <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
fn kind_of_postgres(code: &str) -> Option<Kind> {
    match code {
        "23505" => Some(Kind::AlreadyExists),
        "23503" => Some(Kind::NotFound),
        "40001" | "40P01" => Some(Kind::Conflict),
        "53100" => Some(Kind::Exhausted),
        "25006" | "57P01" | "57P02" | "57P03" | "53300" | "58030" => Some(Kind::Unavailable),
        _ if code.starts_with("08") => Some(Kind::Unavailable),
        "XX001" | "XX002" => Some(Kind::DataLoss),
        _ => None,
    }
}

const fn message(kind: Kind) -> &'static str {
    match kind {
        Kind::AlreadyExists => "already exists",
        Kind::NotFound => "not found",
        Kind::Conflict => "changed by somebody else meanwhile; read it again and retry",
        Kind::Exhausted => "the server's disk is full",
        Kind::Unavailable => "the database is unavailable",
        Kind::DataLoss => "the database is damaged",
        _ => "internal",
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, error::Error as StdError, fmt};

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::{Kind, Writes, failure, kind_of_code, writes_of_code};

    const CANARY: &str = "canary-stored-4711";

    /// An error of a database that quotes a value.
    #[derive(Debug)]
    struct Quoting;

    impl fmt::Display for Quoting {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(CANARY)
        }
    }

    impl StdError for Quoting {}

    impl DatabaseError for Quoting {
        fn message(&self) -> &str {
            CANARY
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some("22P02".into())
        }

        fn table(&self) -> Option<&str> {
            Some("runner")
        }

        fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[test]
    fn no_text_of_the_database_reaches_the_log() {
        let text = || CANARY.to_owned();
        for error in [
            sqlx::Error::Database(Box::new(Quoting)),
            sqlx::Error::ColumnDecode { index: "name".to_owned(), source: text().into() },
            sqlx::Error::Decode(text().into()),
            sqlx::Error::Encode(text().into()),
            sqlx::Error::Protocol(text()),
            sqlx::Error::Configuration(text().into()),
        ] {
            assert!(error.to_string().contains(CANARY), "else this shows nothing");
            let error = failure(error);
            let cause = StdError::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(!cause.is_empty() && !format!("{cause} {error} {error:?}").contains(CANARY), "{cause}");
        }
        let error = failure(sqlx::Error::Database(Box::new(Quoting)));
        let cause = StdError::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("the database answers with code 22P02, table runner"));
    }

    #[test]
    fn some_codes_are_about_the_disk() {
        for (code, writes) in [
            ("13", Some(Writes::Refused)),
            ("8", Some(Writes::Refused)),
            ("1032", Some(Writes::Refused)),
            ("10", Some(Writes::Failing)),
            ("778", Some(Writes::Failing)),
            ("53100", Some(Writes::Refused)),
            ("25006", Some(Writes::Refused)),
            ("58030", Some(Writes::Failing)),
            ("5", None),
            ("11", None),
            ("23505", None),
            ("40013", None),
        ] {
            assert_eq!(writes_of_code(code), writes, "code {code}");
        }
    }

    #[test]
    fn every_code_of_the_table_has_its_kind() {
        let table = [
            ("13", Some(Kind::Exhausted)),
            ("5", Some(Kind::Unavailable)),
            ("517", Some(Kind::Conflict)),
            ("8", Some(Kind::Unavailable)),
            ("10", Some(Kind::Unavailable)),
            ("1546", Some(Kind::Unavailable)),
            ("11", Some(Kind::DataLoss)),
            ("26", Some(Kind::DataLoss)),
            ("2067", Some(Kind::AlreadyExists)),
            ("1555", Some(Kind::AlreadyExists)),
            ("787", Some(Kind::NotFound)),
            ("53100", Some(Kind::Exhausted)),
            ("40001", Some(Kind::Conflict)),
            ("40P01", Some(Kind::Conflict)),
            ("25006", Some(Kind::Unavailable)),
            ("57P01", Some(Kind::Unavailable)),
            ("57P03", Some(Kind::Unavailable)),
            ("53300", Some(Kind::Unavailable)),
            ("23505", Some(Kind::AlreadyExists)),
            ("23503", Some(Kind::NotFound)),
            ("2579", Some(Kind::AlreadyExists)),
            ("08006", Some(Kind::Unavailable)),
            ("XX001", Some(Kind::DataLoss)),
            ("XX000", None),
            ("22021", None),
            ("1", None),
        ];
        for (code, kind) in table {
            assert_eq!(kind_of_code(code), kind, "code {code}");
        }
    }
}
