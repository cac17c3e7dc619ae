//! The `sealink` command.
use std::process::ExitCode;

use mimalloc::MiMalloc;
use sealink::zero_alloc::ZeroOnFree;

/// No copy of a secret outlives its buffer, whichever library made it.
#[global_allocator]
static MEMORY: ZeroOnFree<MiMalloc> = ZeroOnFree::new(MiMalloc);

fn main() -> ExitCode {
    sealink::cli::run()
}
