//! What a database error means to a caller: recognised by its code, never by its text.
use std::time::Duration;

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
    let Some(kind) = kind else { return Error::internal(error) };
    let mapped = Error::new(kind, message(kind)).caused_by(error);
    match kind {
        Kind::Unavailable => mapped.retry_after(Duration::from_secs(1)),
        _ => mapped,
    }
}

/// What a failed write says of the disk, if anything.
pub(super) fn of_disk(error: &Error) -> Option<Writes> {
    let source = std::error::Error::source(error)?.downcast_ref::<sqlx::Error>()?;
    writes_of_code(&source.as_database_error()?.code()?)
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
    use super::{Kind, Writes, kind_of_code, writes_of_code};

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
