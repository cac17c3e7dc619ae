//! The agent's side of the command line.
use std::{fs, os::unix::fs::PermissionsExt};

use crate::shell::Shell;

#[test]
fn keygen_prints_kid_and_fingerprint_and_keeps_the_key_private() {
    let shell = Shell::new();
    let made = shell.run("agent keygen --bits 2048 --json");
    assert_eq!(made.code, 0, "{made:?}");
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let kid = made["kid"].as_str().unwrap();
    assert!(made["fingerprint"].as_str().unwrap().starts_with("SHA256:"));
    for (path, mode) in [
        ("sealink-agent".to_owned(), 0o700),
        ("sealink-agent/keys".to_owned(), 0o700),
        (format!("sealink-agent/keys/{kid}.pem"), 0o600),
    ] {
        assert_eq!(
            fs::metadata(shell.path().join(&path)).unwrap().permissions().mode() & 0o777,
            mode,
            "{path}"
        );
    }
}

#[test]
fn an_agent_that_was_never_registered_says_so() {
    Shell::new().run("agent fetch").failed(1, &["sealink agent register"]);
}

#[test]
fn wrong_values_are_64() {
    let shell = Shell::new();
    fs::write(shell.path().join("empty"), "\n").unwrap();
    shell.run("agent register").failed(64, &["sealink runner create"]);
    shell.run("agent register --exchange-token-file empty").failed(64, &["no token"]);
    for line in ["agent keygen --bits 1024", "agent register --exchange-token sealink_exc_canary"] {
        assert_eq!(shell.run(line).code, 64, "{line}");
    }
}

#[test]
fn an_open_agent_directory_is_refused() {
    let shell = Shell::new();
    fs::create_dir(shell.path().join("sealink-agent")).unwrap();
    fs::set_permissions(shell.path().join("sealink-agent"), fs::Permissions::from_mode(0o755)).unwrap();
    for line in ["agent keygen", "agent fetch"] {
        shell.run(line).failed(1, &["chmod 700 sealink-agent"]);
    }
}
