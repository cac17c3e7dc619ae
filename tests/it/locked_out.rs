//! A server that nobody can administer says so when it starts.
use std::{
    io::{BufRead, BufReader},
    path::Path,
};

use tempfile::TempDir;

use crate::{store::process::command, support::Watch};

const PRESET: &str = "canary-preset-admin-token-0123456789-4711";

/// What a server says until it listens; then it is killed.
fn said_at_start(data: &Path, preset: Option<&str>) -> Vec<String> {
    let watch = Watch::new();
    watch.keep_secret("the preset token", PRESET.as_bytes());
    let mut command = command(data);
    command.envs(preset.map(|token| ("SEALINK_ADMIN_TOKEN", token))).env("SEALINK_LOG", "off");
    let mut child = command.spawn().expect("the built binary");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines().map(|line| line.expect("text"));
    let mut said = Vec::new();
    for line in lines {
        if line.starts_with("listening on ") {
            break;
        }
        said.push(line);
    }
    let running = child.try_wait().expect("a child").is_none();
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(running, "the server did not start: {said:?}");
    watch.said("stderr", said.join("\n").as_bytes());
    watch.end_in(data.parent().expect("a directory around it"));
    said
}

#[test]
fn a_start_without_the_preset_token_warns_while_there_is_no_other() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    assert_eq!(said_at_start(&data, Some(PRESET)), [""; 0]);
    for _ in 0..2 {
        let said = said_at_start(&data, None);
        let [line] = &said[..] else { panic!("{said:?}") };
        assert!(line.starts_with("no administrator's token is valid"), "{line}");
        assert!(line.contains("start with SEALINK_ADMIN_TOKEN set"), "{line}");
        assert!(!data.join("admin-token").exists());
    }
    assert_eq!(said_at_start(&data, Some(PRESET)), [""; 0], "the cure");
}

#[test]
fn a_generated_token_lasts_without_a_word() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    let said = said_at_start(&data, None);
    assert!(said.len() == 1 && said[0].starts_with("the administrator's token is in "), "{said:?}");
    assert_eq!(said_at_start(&data, None), [""; 0]);
    assert_eq!(said_at_start(&data, Some(PRESET)), [""; 0]);
    assert_eq!(said_at_start(&data, None), [""; 0], "the first one still opens it");
}
