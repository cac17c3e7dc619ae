//! The process keeps its memory to itself, and a panic says where but not what.
use std::process::Command;

/// Runs this test binary again with only the ignored-by-name child below, in a process of its own: both
/// settings are for the whole process.
fn child() -> std::process::Output {
    let binary = std::env::current_exe().expect("this binary");
    let mut command = Command::new(binary);
    command
        .args(["--exact", "harden::child_process", "--nocapture", "--test-threads=1"])
        .env("SEALINK_TEST_CHILD", "1");
    command.output().expect("runs")
}

#[test]
fn child_process() {
    if std::env::var_os("SEALINK_TEST_CHILD").is_none() {
        // In the parent: the child must have failed, with the location and without the payload.
        let output = child();
        let text =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(!output.status.success(), "{text}");
        assert!(text.contains("core limit 0") && text.contains("panicked at tests/it/harden.rs:"), "{text}");
        #[cfg(target_os = "linux")]
        assert!(text.contains("dumpable 0"), "{text}");
        assert!(!text.contains("a-secret-value"), "{text}");
        return;
    }
    sealink::harden::harden().expect("hardened");
    sealink::harden::quiet_panics();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Core);
    println!("core limit {}", limit.maximum.map_or("none".to_owned(), |bytes| bytes.to_string()));
    #[cfg(target_os = "linux")]
    println!("dumpable {}", rustix::process::dumpable_behavior().map_or(-1, |state| state as i32));
    panic!("a-secret-value");
}
