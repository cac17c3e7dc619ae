//! `sealink.v1.SshKeyService`: what sshd asks to let members in.
use http::Method;
use serde_json::{Value, json};

use crate::{
    commands::Site,
    support::{Actor, TestServer, on_both_stores},
};

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g nora@laptop",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB",
];

async fn store(actor: &Actor, name: &str, content: &str) {
    let body = json!({ "key": { "name": name, "content": content } });
    assert_eq!(actor.rest(Method::POST, "/v1/keys", Some(&body)).await.status, 201);
}

async fn lines(actor: &Actor, user: &str) -> Vec<String> {
    let answer = actor.call("SshKeyService/ListAuthorizedKeys", &json!({ "user": user })).await.ok();
    let keys = answer["keys"].as_array().into_iter().flatten();
    keys.map(|key| key["content"].as_str().expect("text").to_owned()).collect()
}

/// Administrators and machines read everybody's; nobody else reads any, not even the owner by this way.
async fn machines_and_administrators_read_them(server: &TestServer) {
    let (admin, nora) = (server.admin(), server.member("nora").await);
    let machine = admin.create_service_account("doorman", "ORGANIZATION_ROLE_MEMBER").await;
    store(&nora, "laptop", KEYS[0]).await;
    store(&nora, "desk", KEYS[1]).await;
    store(&server.member("olaf").await, "laptop", KEYS[0]).await;
    for reader in [&admin, &machine] {
        assert_eq!(lines(reader, "nora").await, KEYS);
        assert_eq!(lines(reader, "olaf").await, KEYS[..1]);
        assert_eq!(lines(reader, "doorman").await, Vec::<String>::new());
    }
    let answer = machine.call("SshKeyService/ListAuthorizedKeys", &json!({ "user": "nora" })).await.ok();
    let mut members: Vec<_> = answer["keys"][0].as_object().expect("an object").keys().collect();
    members.sort();
    assert_eq!(members, ["content", "fingerprint", "name"], "public keys only");
    let refused = nora.call("SshKeyService/ListAuthorizedKeys", &json!({ "user": "nora" })).await;
    assert_eq!(refused.code(), "PERMISSION_DENIED");
    let wrong = machine.call("SshKeyService/ListAuthorizedKeys", &json!({ "user": "" })).await;
    assert_eq!(wrong.code(), "INVALID_ARGUMENT");
}

/// Who is disabled gets in nowhere; and a name is looked for in the caller's organization alone.
async fn who_is_disabled_or_elsewhere_has_none(server: &TestServer) {
    let (admin, nora) = (server.admin(), server.member("nora").await);
    store(&nora, "laptop", KEYS[0]).await;
    let code = async |actor: &Actor, user: &str| {
        actor.call("SshKeyService/ListAuthorizedKeys", &json!({ "user": user })).await.code()
    };
    assert_eq!(code(&admin, "nobody").await, "NOT_FOUND");
    let stranger = server.other_organization().await;
    assert_eq!(code(&stranger, "nora").await, "NOT_FOUND");
    assert_eq!(lines(&admin, "nora").await, KEYS[..1]);
    admin.call("UserService/DisableUser", &json!({ "userId": nora.id })).await.ok();
    assert_eq!(lines(&admin, "nora").await, Vec::<String>::new());
}

on_both_stores!(machines_and_administrators_read_them, who_is_disabled_or_elsewhere_has_none);

/// What stands on stdout is what sshd reads, and nothing else.
#[test]
fn the_commands_print_for_sshd_and_for_operators() {
    let site = Site::start();
    site.write("laptop.pub", &format!("{}\n", KEYS[0]));
    site.write("desk.pub", KEYS[1]);
    site.ok("account keys add laptop laptop.pub");
    site.ok("account keys add desk desk.pub");
    assert_eq!(site.ok("account authorized-keys admin"), KEYS.join("\n"));
    assert_eq!(site.json("account authorized-keys admin")[1]["content"], KEYS[1]);
    let nobody = site.run("account authorized-keys nobody");
    nobody.failed(1, &["not found"]);
    assert_eq!(nobody.stdout, "");

    // As docs/operations.md gives sshd a token.
    let doorman = site.json("service-account create doorman")["id"].clone();
    let doorman = doorman.as_str().expect("an id");
    site.ok(&format!("token create --service-account {doorman} --read-only --output doorman.token"));
    assert_eq!(site.ok("--token-file doorman.token account authorized-keys admin"), KEYS.join("\n"));
    site.run("--token-file doorman.token service-account create other").failed(77, &[]);

    let listed = site.json("keys list");
    assert_eq!((listed[0]["keyId"].as_u64(), &listed[0]["state"]), (Some(1), &json!("SEED_STATE_ACTIVE")));
    let ended = site.run("keys rotate");
    assert!(ended.code == 0 && ended.stderr.contains("made seed 2"), "{ended:?}");
    assert_eq!(site.json("keys rotate")["keyId"], 3);
    let listed = site.json("keys list");
    let states: Vec<&Value> =
        listed.as_array().expect("an array").iter().map(|seed| &seed["state"]).collect();
    assert_eq!(states, ["SEED_STATE_DECRYPT_ONLY", "SEED_STATE_DECRYPT_ONLY", "SEED_STATE_ACTIVE"]);
    assert!(site.ok("keys list").contains("AUDIT LINKS"));
}
