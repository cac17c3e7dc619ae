//! The agent's side of the command line.
use std::{fs, os::unix::fs::PermissionsExt};

use sealink::{domain::id::RunnerId, pb::sealink::v1::ConfiguredIntegration};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    fake_server::{EXCHANGE_TOKEN, FakeServer},
    shell::{Ended, Shell},
};

#[test]
fn keygen_prints_kid_and_fingerprint_and_keeps_the_key_private() {
    let shell = Shell::new();
    let made = shell.run("agent keygen --bits 2048 --json");
    assert_eq!(made.code, 0, "{made:?}");
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
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

/// A machine whose agent has registered with a fake server.
struct Machine {
    server: FakeServer,
    shell: Shell,
}

impl Machine {
    fn registered() -> Self {
        let machine = Self { server: FakeServer::start(), shell: Shell::new() };
        fs::write(machine.shell.path().join("once"), format!("{EXCHANGE_TOKEN}\n")).unwrap();
        let ended = machine.register("--exchange-token-file once");
        assert_eq!(ended.code, 0, "{ended:?}");
        machine
    }

    fn register(&self, options: &str) -> Ended {
        self.shell.run(&format!("agent register --json --server {} {options}", self.server.url))
    }

    fn keygen(&self) -> String {
        let made = self.shell.run("agent keygen --bits 2048 --json");
        serde_json::from_str::<Value>(&made.stdout).unwrap()["kid"].as_str().unwrap().to_owned()
    }

    /// The opened configuration, also if not everything in it could be opened.
    fn fetch(&self, options: &str) -> (i32, Value) {
        let ended = self.shell.run(&format!("agent fetch --json {options}"));
        (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}")))
    }

    /// What became of the only secret.
    fn outcome(&self) -> (i32, String, String) {
        let (code, value) = self.fetch("--reveal");
        let found = &value["integrations"][0];
        assert_eq!(found.get("clientSecret"), None, "{value}");
        (
            code,
            found["secretState"].as_str().unwrap().to_owned(),
            found["reason"].as_str().unwrap().to_owned(),
        )
    }
}

#[test]
fn register_then_fetch_opens_what_was_sealed() {
    let machine = Machine::registered();
    machine.server.world().integrate(10, "github.com", "canary-secret");
    let (code, shown) = machine.fetch("--reveal");
    assert_eq!((code, shown["integrations"][0]["clientSecret"].as_str()), (0, Some("canary-secret")));
    assert_eq!(shown["integrations"][0]["secretState"], "OK");
    let (code, hidden) = machine.fetch("");
    assert_eq!(code, 0);
    assert!(!hidden.to_string().contains("canary"));
    let table = machine.shell.run("agent fetch");
    assert!(table.stdout.contains("github.com") && table.stdout.contains("OK"), "{table:?}");
    assert!(!table.stdout.contains("canary"));
}

#[test]
fn registering_again_changes_nothing_and_spends_no_token() {
    let machine = Machine::registered();
    let kid = machine.server.world().active().unwrap().kid().0.clone();
    machine.server.world().exchange_token_spent = false;
    let again = machine.register("--exchange-token-file once");
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again["kid"].as_str(), again["state"].as_str()), (Some(kid.as_str()), Some("ACTIVE")));
    let world = machine.server.world();
    assert_eq!((world.keys.len(), world.answers, world.exchange_token_spent), (1, 1, false));
}

#[test]
fn a_spent_exchange_token_is_77_and_leaves_no_state() {
    let server = FakeServer::start();
    server.world().exchange_token_spent = true;
    let shell = Shell::new();
    fs::write(shell.path().join("once"), EXCHANGE_TOKEN).unwrap();
    let ended = shell.run(&format!("agent register --server {} --exchange-token-file once", server.url));
    ended.failed(77, &["exchange token", "24 hours", "administrator"]);
    assert!(!shell.path().join("sealink-agent/state.json").exists());
}

#[test]
fn a_named_key_replaces_the_active_one_by_proof_of_both() {
    let machine = Machine::registered();
    let kid = machine.keygen();
    let done = machine.register(&format!("--key {kid}"));
    let done: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((done["kid"].as_str(), done["state"].as_str()), (Some(kid.as_str()), Some("ACTIVE")));
    machine.server.world().integrate(10, "github.com", "canary-secret");
    assert_eq!(machine.fetch("--reveal").1["integrations"][0]["clientSecret"], "canary-secret");
}

#[test]
fn without_the_active_key_a_new_one_waits_and_fetch_refuses() {
    let machine = Machine::registered();
    fs::remove_dir_all(machine.shell.path().join("sealink-agent/keys")).unwrap();
    machine.shell.run("agent fetch").failed(1, &["ACTIVE", "--key-dir", "revoke", "SHA256:"]);
    let done = machine.register("");
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((done.code, value["state"].as_str()), (0, Some("PENDING")));
    assert!(done.stderr.contains("sealink runner key approve"), "{done:?}");
    let again = machine.register("");
    assert_eq!(serde_json::from_str::<Value>(&again.stdout).unwrap(), value);
}

/// A stored secret in place of a challenge: the agent must not become an oracle.
#[test]
fn a_false_challenge_gets_no_answer() {
    let machine = Machine::registered();
    machine.server.world().integrate(10, "github.com", "canary-secret");
    let kid = machine.keygen();
    let stored = machine.server.world().integrations[0].encrypted_client_secret.clone();
    for challenge in [stored, b"nonsense".to_vec(), Vec::new()] {
        machine.server.world().false_challenge = Some(challenge);
        let ended = machine.register(&format!("--key {kid}"));
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.stderr.contains("not a challenge"), "{ended:?}");
        assert!(!ended.stderr.contains("canary"));
    }
    assert_eq!(machine.server.world().answers, 1);
}

#[test]
fn a_secret_at_another_place_is_rejected_untried() {
    type Change = fn(&mut ConfiguredIntegration);
    let changes: [(Change, &str); 4] = [
        (|found| "evil.example.com".clone_into(&mut found.host), "ctx"),
        (|found| "https://evil.example.com".clone_into(&mut found.issuer_url), "ctx"),
        (|found| "another".clone_into(&mut found.client_id), "ctx"),
        (|found| "0198a7c0-0000-7000-8000-000000000009".clone_into(&mut found.id), "sub"),
    ];
    for (change, reason) in changes {
        let machine = Machine::registered();
        machine.server.world().integrate(10, "github.com", "canary-secret");
        change(&mut machine.server.world().integrations[0]);
        let (code, state, why) = machine.outcome();
        assert_eq!((code, state.as_str()), (1, "REJECTED"));
        assert!(why.starts_with(reason), "{why}");
        assert!(!machine.shell.path().join("sealink-agent/failed-opens.json").exists());
    }
}

#[test]
fn a_wiped_or_foreign_secret_says_what_to_do() {
    let machine = Machine::registered();
    machine.server.world().integrate(10, "github.com", "canary-secret");
    machine.server.world().integrations[0].kid = "another".to_owned();
    let (code, state, why) = machine.outcome();
    assert_eq!((code, state.as_str()), (1, "UNDECRYPTABLE"));
    assert!(why.contains("not in sealink-agent/keys"), "{why}");
    machine.server.world().integrations[0].encrypted_client_secret.clear();
    let (code, state, why) = machine.outcome();
    assert_eq!((code, state.as_str()), (1, "MISSING"));
    assert!(why.contains("enter"), "{why}");
}

/// However often a hostile server tries, it sees ten failures an hour.
#[test]
fn failed_opens_are_limited_over_all_runs() {
    let machine = Machine::registered();
    for id in 0..6 {
        let mut world = machine.server.world();
        world.integrate(id, &format!("h{id}.example.com"), "canary-secret");
        // The last characters belong to the tag.
        let sealed = &mut world.integrations.last_mut().unwrap().encrypted_client_secret;
        let at = sealed.len() - 10;
        sealed[at] = if sealed[at] == b'A' { b'B' } else { b'A' };
    }
    let tried = |value: &Value| {
        let found = value["integrations"].as_array().unwrap();
        found.iter().filter(|found| !found["reason"].as_str().unwrap().starts_with("not tried")).count()
    };
    let runs: Vec<_> = (0..3).map(|_| tried(&machine.fetch("").1)).collect();
    assert_eq!(runs, [6, 4, 0]);
}

#[test]
fn another_runners_configuration_is_refused() {
    let machine = Machine::registered();
    let path = machine.shell.path().join("sealink-agent/state.json");
    assert!(fs::read_to_string(&path).unwrap().contains("sealink_run_canary"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    machine.server.world().runner = RunnerId(Uuid::from_u128(99));
    machine.shell.run("agent fetch").failed(1, &["another runner"]);
}

#[test]
fn one_agent_directory_belongs_to_one_server() {
    let machine = Machine::registered();
    let other = FakeServer::start();
    let ended =
        machine.shell.run(&format!("agent register --server {} --exchange-token-file once", other.url));
    ended.failed(1, &["--agent-dir", &machine.server.url]);
    assert!(!other.world().exchange_token_spent);
}
