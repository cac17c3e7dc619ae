//! `sealink agent rotate` against a running server, also after a crash at every point where it can leave off.
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::Value;

use crate::commands::Site;

/// A runner whose agent has registered, with an integration, a host token and a Honeycomb key in use.
struct Plant {
    site: Site,
    runner: String,
    integration: String,
}

impl Plant {
    fn new() -> Self {
        let site = Site::start();
        let runner = site.ok("runner create build-1 --exchange-token-file once");
        site.ok("agent register --exchange-token-file once");
        site.write("secret", "canary-secret-1\n");
        let integration = site.ok(&format!(
            "integration create --runner {runner} --scm github --host github.com --client-id c-1 \
             --client-secret-file secret"
        ));
        let plant = Self { site, runner, integration };
        plant.store_token("github.com");
        plant
    }

    fn store_token(&self, host: &str) {
        let runner = &self.runner;
        self.site.ok(&format!(
            "host-token create --runner {runner} --host {host} --value-file secret --refresh-file secret"
        ));
    }

    fn rotate(&self) -> Value {
        self.site.json("agent rotate --bits 2048")
    }

    fn keys_dir(&self) -> std::path::PathBuf {
        self.site.shell.path().join("sealink-agent/keys")
    }

    /// How many keys the server knows in each state.
    fn states(&self) -> BTreeMap<String, usize> {
        let keys = self.site.json(&format!("runner key list {}", self.runner));
        let mut states = BTreeMap::new();
        for key in keys.as_array().expect("an array") {
            *states.entry(key["state"].as_str().expect("a state").replace("KEY_STATE_", "")).or_default() +=
                1;
        }
        states
    }

    /// Everything is under one ACTIVE key, opens, and the others are as expected.
    #[track_caller]
    fn is_whole(&self, retired: usize) {
        let expected = [("ACTIVE".to_owned(), 1), ("RETIRED".to_owned(), retired)];
        assert_eq!(self.states(), expected.into());
        let secrets = self.site.json(&format!("runner key secrets {}", self.runner));
        let secrets = secrets.as_array().expect("an array");
        assert!(
            secrets.len() >= 3 && secrets.iter().all(|one| one["secretState"] == "SECRET_STATE_OK"),
            "{secrets:?}"
        );
        let fetched = self.site.json("agent fetch --reveal");
        assert_eq!(fetched["integrations"][0]["clientSecret"], "canary-secret-1");
    }
}

fn pem_files(dir: &Path) -> usize {
    let files = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "pem")).count()
}

#[test]
fn a_rotation_moves_everything_and_retires_the_old_key() {
    let plant = Plant::new();
    let rotated = plant.rotate();
    assert_eq!((&rotated["state"], &rotated["resealed"]), (&"ACTIVE".into(), &3.into()));
    plant.is_whole(1);
    let new = plant.keys_dir().join(format!("{}.pem", rotated["kid"].as_str().expect("a kid")));
    assert_eq!(fs::metadata(new).expect("the key").permissions().mode() & 0o777, 0o600);
    assert_eq!(pem_files(&plant.keys_dir()), 2, "the old key stays");
    let told = plant.site.run("agent rotate --bits 2048");
    assert!(
        told.stderr.contains("offering key SHA256:") && told.stderr.contains("re-sealed 3 of 3"),
        "{told:?}"
    );
    assert!(!told.stdout.contains("canary") && !told.stderr.contains("canary"));
    plant.is_whole(2);
    let listed = plant.site.ok(&format!("runner key secrets {}", plant.runner));
    assert!(listed.contains("oauth.client_secret") && listed.contains("OK"), "{listed}");
}

/// The key was written, and the server has not heard of it.
#[test]
fn after_a_crash_before_the_registration_the_key_is_used() {
    let plant = Plant::new();
    let made = plant.site.json("agent keygen --bits 2048");
    let rotated = plant.rotate();
    assert_eq!(rotated["kid"], made["kid"]);
    assert_eq!(pem_files(&plant.keys_dir()), 2);
    plant.is_whole(1);
}

/// The server has taken the key, and nothing is re-sealed.
#[test]
fn after_a_crash_before_the_first_secret_the_rotation_is_finished() {
    let plant = Plant::new();
    let made = plant.site.json("agent keygen --bits 2048");
    plant.site.ok(&format!("agent register --key {}", made["kid"].as_str().expect("a kid")));
    let stale = plant.site.ok(&format!("runner key secrets {}", plant.runner));
    assert_eq!(stale.matches("STALE_KEY").count(), 3, "{stale}");
    plant.store_token("gitlab.com");
    let resumed = plant.site.run("agent rotate --json");
    assert!(resumed.stderr.contains("finishing an earlier rotation: 3 secrets wait"), "{resumed:?}");
    let resumed: Value = serde_json::from_str(&resumed.stdout).expect("JSON");
    assert_eq!((&resumed["resumed"], &resumed["resealed"]), (&true.into(), &3.into()));
    plant.is_whole(1);
    assert_eq!(pem_files(&plant.keys_dir()), 2, "no third key was made");
}

/// Killed while it re-seals, over and over, until it is done.
#[test]
fn killed_again_and_again_it_still_ends() {
    let plant = Plant::new();
    for number in 0..30 {
        plant.store_token(&format!("h{number}.example.com"));
    }
    for millis in [5, 40, 80, 120, 160, 200] {
        let line = format!("agent rotate --bits 2048 --server {}", plant.site.url());
        let mut child = plant.site.shell.command(&line).spawn().expect("it runs");
        std::thread::sleep(std::time::Duration::from_millis(millis));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().expect("it ends");
    }
    let deadline = 5;
    for round in 0..=deadline {
        plant.rotate();
        if !plant.states().contains_key("RETIRING") {
            break;
        }
        assert!(round < deadline, "{:?}", plant.states());
    }
    let retired = plant.states().get("RETIRED").copied().unwrap_or_default();
    assert_eq!(pem_files(&plant.keys_dir()), retired + 1, "a key was made in vain: {:?}", plant.states());
    plant.is_whole(retired);
}

/// Without the old private key nothing proves the right to replace it: an administrator decides.
#[test]
fn without_the_old_key_the_new_one_waits_and_what_cannot_be_opened_is_named() {
    let plant = Plant::new();
    fs::remove_dir_all(plant.keys_dir()).expect("lost");
    let waits = plant.site.run("agent rotate --bits 2048 --json");
    assert_eq!(waits.code, 0, "{waits:?}");
    assert!(waits.stderr.contains("waits for approval"), "{waits:?}");
    let waits: Value = serde_json::from_str(&waits.stdout).expect("JSON");
    assert_eq!(waits["state"], "PENDING");
    let kid = waits["kid"].as_str().expect("a kid");
    assert_eq!(plant.rotate()["kid"], kid, "the same key is offered again");
    plant.site.ok(&format!("runner key approve {kid} --yes"));
    // What it cannot open it does not move, and says so.
    let stuck = plant.site.run("agent rotate --bits 2048");
    assert_eq!(stuck.code, 1, "{stuck:?}");
    assert!(stuck.stderr.contains("3 secrets could not be re-sealed"), "{stuck:?}");
    plant.site.write("again", "canary-secret-2\n");
    plant.site.ok(&format!("integration update {} --client-secret-file again", plant.integration));
    assert_eq!(plant.site.json("agent fetch --reveal")["integrations"][0]["clientSecret"], "canary-secret-2");
}
