//! `sealink keys rotate-root`: another root key, the same seeds, and a server that starts whatever happened.
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use sealink::at_rest::RootKey;
use serde_json::{Value, json};

use super::{
    keyring_site::{Site, pause},
    process::does_not_run,
};

const RUNNERS: usize = 3;
const KILLS: u64 = 12;

/// What a command that must succeed prints.
fn printed(mut command: Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn the_keyring_is_wrapped_again(site: Site) {
    does_not_run(site.rotate_root(), 78, "no data directory");
    let server = site.start();
    site.fill(&server, RUNNERS).await;
    server.cli(&["keys", "rotate"], Stdio::null());
    if !site.on_postgres() {
        does_not_run(site.rotate_root(), 78, "another server is running");
    }
    server.stop();

    let root_key = site.data_dir.join("root.key");
    let old = site.directory.path().join("old.key");
    fs::copy(&root_key, &old).unwrap();
    let done = printed(site.rotate_root());
    assert_eq!(done, json!({ "rootKey": root_key.display().to_string(), "seeds": 2 }));
    assert_ne!(fs::read(&root_key).unwrap(), fs::read(&old).unwrap());
    assert!(!site.data_dir.join("root.key.next").exists());
    site.refuses(&old).await;

    let server = site.start();
    assert_eq!(site.stale(RUNNERS).await, 0);
    server.cli(&["keys", "rotate"], Stdio::null());
    server.cli(&["audit", "verify"], Stdio::null());
    assert!(server.cli(&["audit", "list"], Stdio::null()).contains("keyring.rewrap"));
    server.stop();
    assert_eq!(site.stale(RUNNERS).await, 0);
    site.remove().await;
}

/// SIGKILL at any moment: the next start finds the key that fits.
async fn a_killed_change_is_settled(site: Site) {
    let server = site.start();
    site.fill(&server, RUNNERS).await;
    server.stop();
    let root_key = site.data_dir.join("root.key");
    for round in 0..KILLS {
        let mut change = site.rotate_root().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(pause(round, 60)).await;
        change.kill().unwrap();
        change.wait().unwrap();
        site.start().stop();
        assert_eq!(site.stale(RUNNERS).await, 0, "round {round}");
    }
    // The two moments that a kill may miss: before the COMMIT, when the next key wraps nothing ..
    let next = site.data_dir.join("root.key.next");
    let _ = fs::remove_file(&next);
    let before = fs::read(&root_key).unwrap();
    RootKey::create(&next).unwrap();
    site.start().stop();
    assert_eq!(fs::read(&root_key).unwrap(), before);
    // .. and after it, when it has not got its name yet.
    printed(site.rotate_root());
    let after = fs::read(&root_key).unwrap();
    assert_ne!(after, before);
    fs::rename(&root_key, &next).unwrap();
    fs::write(&root_key, &before).unwrap();
    fs::set_permissions(&root_key, fs::Permissions::from_mode(0o600)).unwrap();
    site.start().stop();
    assert!(fs::read(&root_key).unwrap() == after && !next.exists(), "the next key took its place");
    assert_eq!(site.stale(RUNNERS).await, 0);
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyring_is_wrapped_again_on_sqlite() {
    the_keyring_is_wrapped_again(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn the_keyring_is_wrapped_again_on_postgres() {
    the_keyring_is_wrapped_again(Site::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_change_is_settled_on_sqlite() {
    a_killed_change_is_settled(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a_killed_change_is_settled_on_postgres() {
    a_killed_change_is_settled(Site::postgres().await).await;
}
