//! How a command ends: one line on stderr, and a code a script can act on (the numbers of sysexits.h).
use std::{error::Error as _, process::ExitCode};

use clap::error::{ContextKind, ContextValue, ErrorKind};

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
    complain(&line);
    ExitCode::from(code(error.kind()))
}

fn complain(line: &str) {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    eprintln!("sealink: {line}");
}

/// Prints what clap has to say: help, for whoever names only a group of commands too, or in one line what is wrong.
pub(super) fn of_clap(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        // Nothing is left to do if the terminal is gone.
        let _ = error.print();
    } else {
        complain(&usage(&shown(error)));
    }
    ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
}

/// Clap's words without what was typed where nothing belongs: that may be a secret.
fn shown(error: &clap::Error) -> String {
    let text = error.render().to_string();
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(found))
            if error.kind() == ErrorKind::UnknownArgument && !found.starts_with('-') =>
        {
            let (_, usage) = text.split_once("\n\nUsage: ").unwrap_or_default();
            format!(
                "one argument too many, which is not shown: secrets come from files or stdin\n\nUsage: {usage}"
            )
        }
        _ => text,
    }
}

/// Clap's paragraphs in one line, and the command whose help says more.
fn usage(text: &str) -> String {
    let (said, usage) = text.split_once("\n\nUsage: ").unwrap_or((text, ""));
    let said = said.split_once("\n\nFor more information").map_or(said, |(said, _)| said);
    let said = said.strip_prefix("error: ").unwrap_or(said);
    let paragraphs = said.split("\n\n").map(|one| one.split_whitespace().collect::<Vec<_>>().join(" "));
    let named = |word: &&str| word.starts_with(|c: char| c.is_ascii_lowercase());
    let command = usage.split_whitespace().take_while(named).collect::<Vec<_>>().join(" ");
    let command = if command.is_empty() { "sealink" } else { &command };
    format!("{}; see `{command} --help`", paragraphs.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::usage;

    #[test]
    fn wrong_usage_is_told_in_one_line() {
        for (text, line) in [
            (
                "error: the following required arguments were not provided:\n  --host <HOST>\n  <NAME>\n\n\
                 Usage: sealink runner create --host <HOST> <NAME>\n\nFor more information, try '--help'.\n",
                "the following required arguments were not provided: --host <HOST> <NAME>; see `sealink runner create \
                 --help`",
            ),
            (
                "error: unexpected argument '--fo' found\n\n  tip: a similar argument exists: '--force'\n\n\
                 Usage: sealink [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.\n",
                "unexpected argument '--fo' found; tip: a similar argument exists: '--force'; see `sealink --help`",
            ),
            (
                "error: invalid value 'x' for '--bits <BITS>'\n  [possible values: 2048, 3072]\n\n\
                 For more information, try '--help'.\n",
                "invalid value 'x' for '--bits <BITS>' [possible values: 2048, 3072]; see `sealink --help`",
            ),
        ] {
            assert_eq!(usage(text), line);
        }
    }
}
