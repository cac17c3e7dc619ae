//! The `sealink` command.
use std::process::ExitCode;

fn main() -> ExitCode {
    sealink::cli::run()
}
