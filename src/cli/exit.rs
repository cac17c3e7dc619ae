//! How a command ends: one line on stderr, and a code a script can act on (the numbers of sysexits.h).
use std::{error::Error as _, process::ExitCode};

use crate::error::{Error, Kind};

const OTHER: u8 = 1;
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const PERMISSION: u8 = 77;
const CONFIGURATION: u8 = 78;

fn code(kind: Kind) -> u8 {
    match kind {
        Kind::Invalid => USAGE,
        Kind::Unavailable | Kind::Deadline => UNAVAILABLE,
        Kind::Unauthenticated | Kind::Forbidden => PERMISSION,
        _ => OTHER,
    }
}

/// Prints why the server did not start. What only an operator can mend has a code of its own, so that a
/// supervisor does not try for ever.
pub(super) fn of_start(error: &Error) -> ExitCode {
    let code = report(error);
    match error.kind() {
        Kind::Precondition | Kind::DataLoss => ExitCode::from(CONFIGURATION),
        _ => code,
    }
}

/// Prints why a command failed, in one line.
pub(super) fn report(error: &Error) -> ExitCode {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line = format!("{line}: {cause}");
        source = cause.source();
    }
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    eprintln!("sealink: {line}");
    ExitCode::from(code(error.kind()))
}

/// Prints what clap has to say: help and version are no failure.
pub(super) fn of_clap(error: &clap::Error) -> ExitCode {
    // Nothing is left to do if the terminal is gone.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
}
