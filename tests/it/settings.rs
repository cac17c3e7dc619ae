//! What `sealink serve` refuses before it touches anything.
use std::{net::TcpListener, path::Path, process::Command};

use tempfile::TempDir;

/// Serves with these in the environment and on the command line: exit code, and what it says last.
fn serve(data_dir: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
    command.arg("serve").arg("--data-dir").arg(data_dir).args(["--log", "off"]).args(arguments);
    for name in ["SEALINK_DATABASE_URL", "SEALINK_CONFIG", "SEALINK_ADMIN_TOKEN", "SEALINK_LISTEN"] {
        command.env_remove(name);
    }
    let output = command.envs(environment.iter().copied()).output().expect("the built binary");
    let said = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), said.trim_end().to_owned())
}

#[test]
fn wrong_settings_are_named_before_anything_is_made() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    for (key, value) in [
        ("server.listen", "nowhere"),
        ("server.reflection", "perhaps"),
        ("server.public_url", "sealink.example.com"),
        ("database.url", "mysql://db"),
        ("database.url", "sqlite://"),
        ("cors.allowed_origins", "*"),
        ("cors.allowed_origins", "https://a.example/path"),
        ("scm.allowed_origins", "127.0.0.1:3000"),
        ("limits.connections", "0"),
        ("limits.connections", "-1"),
        ("limits.connections", "many"),
        ("limits.connections", "9223372036854775807"),
        ("limits.connections_per_ip", "0"),
        ("limits.message_bytes", "0"),
        ("limits.message_bytes", "4194305"),
        ("limits.request_timeout_seconds", "0"),
        ("limits.request_timeout_seconds", "9223372036854775807"),
        ("log.format", "xml"),
    ] {
        let name = format!("SEALINK_{}", key.replace('.', "_").to_uppercase());
        let (code, said) = serve(&data, &[(&name, value)], &[]);
        assert_eq!(code, Some(64), "{key}={value}: {said}");
        assert!(said.starts_with(&format!("sealink: {key}: ")) && said.lines().count() == 1, "{said}");
        assert!(!data.exists(), "{key}={value} made {}", data.display());
    }
}

#[test]
fn an_address_in_use_leaves_no_data_behind() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (code, said) = serve(&data, &[], &["--listen", &address]);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("cannot listen on"), "{said}");
    assert!(!data.exists());
}
