//! Rotation of the server's own keyring: what is sealed, what still opens, and which seeds are kept.
use http::Method;
use sealink::at_rest::{Keyring, KeyringRow, Location, RootKey, SeedState};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};

use super::site::{Site, with_forges};
use crate::support::{Actor, TestServer};

/// More than are sealed again at once.
const RUNNERS: usize = 120;
const PASSWORDS: &str =
    "SELECT id, metrics_password FROM runner WHERE metrics_password IS NOT NULL ORDER BY id";

/// A runner whose metrics password the server keeps.
pub(crate) async fn runner(admin: &Actor, number: usize) {
    let password = format!("canary-metrics-{number}-4711");
    let metrics = json!({ "enabled": true, "url": "https://metrics.example.com", "username": "me", "password": password });
    let spec = json!({ "configuration": { "region": "eu", "metrics": metrics } });
    let body = json!({ "name": format!("runner-{number}"), "kind": "RUNNER_KIND_REMOTE", "spec": spec });
    admin.call("RunnerService/CreateRunner", &body).await.ok();
}

/// Every message of a rotation.
pub(crate) async fn rotate(admin: &Actor) -> Vec<Value> {
    let mut stream = admin.stream("KeyringService/Rotate", &json!({})).await;
    let mut messages = Vec::new();
    loop {
        match stream.step().await {
            Ok(message) => messages.push(message),
            Err(end) => {
                assert_eq!(end["error"], Value::Null, "{end}");
                return messages;
            }
        }
    }
}

/// What a rotation that ends well says last.
pub(crate) async fn rotated(admin: &Actor) -> Value {
    let last = rotate(admin).await.pop().expect("messages");
    assert_eq!(last["stage"], "ROTATION_STAGE_DONE", "{last}");
    last
}

fn number(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| text.parse().expect("a number"))
}

/// Of each seed: number, state, records.
async fn seeds(admin: &Actor) -> Vec<(u64, String, u64)> {
    let answer = admin.call("KeyringService/ListSeeds", &json!({})).await.ok();
    let seeds = answer["seeds"].as_array().expect("an array").iter();
    let state = |seed: &Value| seed["state"].as_str().unwrap_or_default().replace("SEED_STATE_", "");
    seeds.map(|seed| (seed["keyId"].as_u64().unwrap_or(0), state(seed), number(&seed["records"]))).collect()
}

fn seed(id: u64, state: &str, records: u64) -> (u64, String, u64) {
    (id, state.to_owned(), records)
}

/// The server's root key.
fn root_key(server: &TestServer) -> RootKey {
    let files = server.files();
    let (_, text) = files.iter().find(|(name, _)| name.ends_with("root.key")).expect("a root key");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("root.key");
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
    RootKey::load(&path).expect("loads")
}

/// Opens every metrics password with what is stored; how many.
async fn all_open(server: &TestServer) -> usize {
    let rows = server.database().keyring().await.into_iter().filter(|(_, state, ..)| state != "RETIRED");
    let rows: Vec<_> = rows
        .map(|(id, state, wrapped, root_fingerprint)| KeyringRow {
            key_id: id.try_into().expect("a number"),
            state: SeedState::from_name(&state).expect("a state"),
            wrapped,
            root_fingerprint,
        })
        .collect();
    let keyring = Keyring::unlock(&root_key(server), &rows).expect("unlocks");
    let records = server.database().records(PASSWORDS).await;
    for (id, record) in &records {
        let id = id.to_string();
        let plain = keyring.open(&password_at(&id), record).expect("opens");
        assert!(plain.starts_with(b"canary-metrics-") && plain.ends_with(b"-4711"));
    }
    records.len()
}

fn password_at(id: &str) -> Location<'_> {
    Location { table_and_column: "runner.metrics_password", owner_id: id, row_id: id, url_origin: "" }
}

async fn audit_is_whole(admin: &Actor) {
    let mut after = Value::Null;
    loop {
        let answer = admin.call("AuditService/VerifyAuditLog", &json!({ "after": after })).await.ok();
        assert_eq!(answer["finding"], Value::Null, "{answer}");
        if answer["done"] == true {
            return;
        }
        after = answer["verified"].clone();
    }
}

/// Everything is sealed again, still opens, and what earlier seeds made is still good.
async fn everything_is_sealed_again(site: &Site) {
    let (server, admin) = (&site.server, site.server.admin());
    for number in 0..RUNNERS {
        runner(&admin, number).await;
    }
    let account = site.linked("gitea").await;
    site.linked("github-enterprise").await;
    let all = RUNNERS as u64 + 2;
    assert_eq!(seeds(&admin).await, [seed(1, "ACTIVE", all)]);
    let web = site.nora.exchanged().await;
    let page = json!({ "pagination": { "pageSize": 5 } });
    let first = admin.call("RunnerService/ListRunners", &page).await.ok();
    let next = json!({ "pagination": { "pageSize": 5, "token": first["pagination"]["nextToken"] } });

    let messages = rotate(&admin).await;
    assert_eq!(messages[0]["stage"], "ROTATION_STAGE_SPREADING");
    let last = messages.last().expect("messages");
    assert_eq!(last["stage"], "ROTATION_STAGE_DONE");
    assert_eq!((number(&last["resealed"]), number(&last["total"])), (all, all));
    assert_eq!((&last["resumed"], last["keyId"].as_u64()), (&Value::Null, Some(2)));
    // The audit log's links name the first seed, so it stays.
    assert_eq!(seeds(&admin).await, [seed(1, "DECRYPT_ONLY", 0), seed(2, "ACTIVE", all)]);
    assert_eq!(all_open(server).await, RUNNERS);
    let found = site.get(&format!("/{account}/search_repos?query=hello")).await.ok();
    assert!(!found["repositories"].as_array().expect("an array").is_empty());
    assert_eq!(web.rest(Method::GET, "/v1/users/self", None).await.status, 200);
    admin.call("RunnerService/ListRunners", &next).await.ok();
    audit_is_whole(&admin).await;

    // And once more: another seed, and nothing under the second.
    runner(&admin, RUNNERS).await;
    assert_eq!(rotated(&admin).await["keyId"], 3);
    let third = seeds(&admin).await;
    assert_eq!(third[2], seed(3, "ACTIVE", all + 1));
    assert_eq!((third[0].2, third[1].2), (0, 0));
    assert_eq!(all_open(server).await, RUNNERS + 1);
    for action in ["keyring.add_seed", "keyring.activate_seed", "keyring.rotate"] {
        let sql = format!("SELECT COUNT(*) FROM audit_entry WHERE action = '{action}'");
        assert_eq!(server.database().count_of(sql).await, 2, "{action}");
    }
    audit_is_whole(&admin).await;
}

/// As it stands after an end at any moment: with a seed that is not ACTIVE yet, or with records of both.
async fn an_interrupted_rotation_goes_on(site: &Site) {
    let (server, admin) = (&site.server, site.server.admin());
    for number in 0..8 {
        runner(&admin, number).await;
    }
    let row = KeyringRow::generate(&root_key(server), 2, SeedState::DecryptOnly).expect("a seed");
    let insert = format!(
        "INSERT INTO keyring (key_id, state, wrapped_seed, root_fingerprint, created_at) \
         SELECT 2, 'DECRYPT_ONLY', wrapped_seed, '{}', 1 FROM keyring WHERE key_id = 1",
        row.root_fingerprint
    );
    server.database().run(&insert, &insert).await;
    let wrapped = "UPDATE keyring SET wrapped_seed = $1 WHERE key_id = 2";
    assert_eq!(server.database().execute_bytes(wrapped, &row.wrapped).await, 1);
    let before = server.database().records(PASSWORDS).await;
    let last = rotated(&admin).await;
    assert_eq!((last["resumed"].as_bool(), last["keyId"].as_u64()), (Some(true), Some(2)), "{last}");
    assert_eq!(number(&last["resealed"]), 8);

    let unfinished = "UPDATE keyring SET resealed_at = NULL";
    server.database().execute(unfinished).await;
    let put_back = "UPDATE runner SET metrics_password = $1 WHERE name = 'runner-0'";
    assert_eq!(server.database().execute_bytes(put_back, &before[0].1).await, 1);
    assert_eq!(seeds(&admin).await, [seed(1, "DECRYPT_ONLY", 1), seed(2, "ACTIVE", 7)]);
    assert_eq!(all_open(server).await, 8);
    let last = rotated(&admin).await;
    assert_eq!((last["resumed"].as_bool(), last["keyId"].as_u64()), (Some(true), Some(2)), "{last}");
    assert_eq!(number(&last["resealed"]), 1);
    assert_eq!(seeds(&admin).await, [seed(1, "DECRYPT_ONLY", 0), seed(2, "ACTIVE", 8)]);
    assert_eq!(all_open(server).await, 8);
    // Who hangs up ends nothing for good.
    drop(admin.stream("KeyringService/Rotate", &json!({})).await);
    let last = rotated(&admin).await;
    assert!(last["keyId"] == 3 || last["keyId"] == 4, "{last}");
    assert_eq!(all_open(server).await, 8);
    audit_is_whole(&admin).await;
}

/// A seed retires a day after it ceased to be ACTIVE, if nothing that is stored names it.
async fn only_unused_seeds_are_retired(site: &Site) {
    let (server, admin) = (&site.server, site.server.admin());
    let database = server.database();
    runner(&admin, 0).await;
    let row = KeyringRow::generate(&root_key(server), 0, SeedState::DecryptOnly).expect("a seed");
    let insert = format!(
        "INSERT INTO keyring (key_id, state, wrapped_seed, root_fingerprint, created_at, demoted_at) \
         SELECT 0, 'DECRYPT_ONLY', wrapped_seed, '{}', 1, 1 FROM keyring WHERE key_id = 1",
        row.root_fingerprint
    );
    database.run(&insert, &insert).await;
    database.execute_bytes("UPDATE keyring SET wrapped_seed = $1 WHERE key_id = 0", &row.wrapped).await;
    let state = async || seeds(&admin).await[0].1.clone();

    // Too young, although nothing names it.
    let young = "UPDATE keyring SET demoted_at = (SELECT max(at) FROM audit_entry) WHERE key_id = 0";
    database.execute(young).await;
    rotated(&admin).await;
    assert_eq!(state().await, "DECRYPT_ONLY");
    // Old enough, but a remembered key needs it.
    database.execute("UPDATE keyring SET demoted_at = 1 WHERE state = 'DECRYPT_ONLY'").await;
    let key = [("idempotency-key", "a-key-of-my-own")];
    let mut create =
        admin.post("/sealink.v1.UserService/CreateUser").header("content-type", "application/json");
    for (name, value) in key {
        create = create.header(name, value);
    }
    let body = json!({ "name": "ada", "email": "ada@example.com" }).to_string();
    assert!(create.body(body).send().await.expect("an answer").status().is_success());
    assert_eq!(database.execute("UPDATE idempotency SET key_id = 0").await, 1);
    rotated(&admin).await;
    assert_eq!(state().await, "DECRYPT_ONLY");
    // Or a call that is not answered yet.
    database.execute("UPDATE idempotency SET key_id = 2").await;
    let call = "INSERT INTO live_call (id, runner_id, kind, once, request, attempt, deadline) \
        SELECT id, id, 'SEARCH_REPOSITORIES', $2, $1, 0, 9000000000000000 FROM runner";
    let call = call.replace("$2", "0");
    let on_postgres = call.replace(", 0, $1", ", false, $1").replace("$1", "'\\x0100000000'::bytea");
    database.run(&call.replace("$1", "x'0100000000'"), &on_postgres).await;
    rotated(&admin).await;
    assert_eq!(state().await, "DECRYPT_ONLY");
    database.execute("DELETE FROM live_call").await;
    // Nothing does, and the first one is kept by the audit log.
    let last = rotated(&admin).await;
    assert_eq!(last["retired"], json!([0]), "{last}");
    assert_eq!(state().await, "RETIRED");
    assert_eq!(seeds(&admin).await[1].1, "DECRYPT_ONLY");
    let keyring = database.keyring().await;
    assert_eq!((keyring[0].1.as_str(), keyring[0].2.len()), ("RETIRED", 0), "the seed is wiped");
    assert_eq!(all_open(server).await, 1);
    audit_is_whole(&admin).await;
}

/// What cannot be opened is counted, keeps its seed, and holds up nothing else.
async fn a_damaged_record_stays_and_is_told(site: &Site) {
    let (server, admin) = (&site.server, site.server.admin());
    for number in 0..3 {
        runner(&admin, number).await;
    }
    let mut damaged = server.database().records(PASSWORDS).await[0].1.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    let put = "UPDATE runner SET metrics_password = $1 WHERE name = 'runner-0'";
    server.database().execute_bytes(put, &damaged).await;
    let last = rotated(&admin).await;
    assert_eq!((number(&last["resealed"]), number(&last["unreadable"])), (2, 1), "{last}");
    assert_eq!(seeds(&admin).await, [seed(1, "DECRYPT_ONLY", 1), seed(2, "ACTIVE", 2)]);
    server.database().execute("UPDATE keyring SET demoted_at = 1 WHERE state = 'DECRYPT_ONLY'").await;
    let again = rotated(&admin).await;
    assert_eq!((again["resumed"].as_bool(), number(&again["unreadable"])), (None, 1), "{again}");
    assert_eq!(seeds(&admin).await[0], seed(1, "DECRYPT_ONLY", 1));
}

/// Nobody but the operator: administrators of other organizations share the database, and not the server.
async fn only_the_first_organization_rotates(site: &Site) {
    let other = site.server.other_organization().await;
    assert_eq!(other.call("KeyringService/ListSeeds", &json!({})).await.code(), "PERMISSION_DENIED");
    assert_eq!(other.stream("KeyringService/Rotate", &json!({})).await.end().await, "permission_denied");
    assert_eq!(seeds(&site.server.admin()).await, [seed(1, "ACTIVE", 0)]);
}

with_forges!(
    everything_is_sealed_again,
    an_interrupted_rotation_goes_on,
    only_unused_seeds_are_retired,
    a_damaged_record_stays_and_is_told,
    only_the_first_organization_rotates,
);

/// While one server rotates, another one that has not heard of it serves as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn another_server_never_fails_while_one_rotates() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    runner(&admin, 0).await;
    runner(&admin, 1).await;
    let rotation = {
        let admin = admin.clone();
        tokio::spawn(async move { rotated(&admin).await })
    };
    let mut made = 2;
    while !rotation.is_finished() {
        let (writer, reader) =
            if made % 2 == 0 { (&replica.admin, &admin) } else { (&admin, &replica.admin) };
        runner(writer, made).await;
        let page = json!({ "pagination": { "pageSize": 1 } });
        let first = writer.call("RunnerService/ListRunners", &page).await.ok();
        let next = json!({ "pagination": { "pageSize": 1, "token": first["pagination"]["nextToken"] } });
        reader.call("RunnerService/ListRunners", &next).await.ok();
        let web = writer.exchanged().await;
        let web = reader.with_token(web.token.as_deref().expect("a token"));
        assert_eq!(web.rest(Method::GET, "/v1/users/self", None).await.status, 200);
        made += 1;
    }
    assert_eq!(rotation.await.expect("no panic")["keyId"], 2);
    assert!(made > 10, "{made}");
    assert_eq!(all_open(&server).await, made);
    assert_eq!(seeds(&replica.admin).await[0].2, 0, "nothing is left under the first seed");
    replica.stop().await;
    server.stop().await;
}
