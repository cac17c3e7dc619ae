//! The `sealink` command.
use std::{alloc::System, process::ExitCode};

use sealink::zero_alloc::ZeroOnFree;

/// No copy of a secret outlives its buffer, whichever library made it.
#[global_allocator]
static MEMORY: ZeroOnFree = ZeroOnFree::new(System);

fn main() -> ExitCode {
    sealink::cli::run()
}
