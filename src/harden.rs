//! Keeps secrets in memory from leaving it: no core dumps, no reading by other processes, silent panics.
use std::io::Write as _;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core dumps and, on Linux, reading this process's memory by others of the same user. Call it first
/// thing in `main`; best effort, so a refusal is no reason to stop.
///
/// # Errors
/// What the kernel said.
pub fn harden() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Makes panics print where they happened and nothing else: a payload may quote a value.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let mut stderr = std::io::stderr().lock();
        // A closed stderr must not turn one panic into two.
        let _ = match panic.location() {
            Some(place) => writeln!(stderr, "panicked at {}:{}", place.file(), place.line()),
            None => writeln!(stderr, "panicked"),
        };
    }));
}
