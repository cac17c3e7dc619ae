//! Every kind of object reaches who watches, and stands in a snapshot.
use serde_json::{Value, json};

use crate::support::{Agent, TestServer, on_both_stores};

/// What the snapshot RPC and the first message of a watch say of a list of objects.
async fn both(agent: &Agent, list: &str, member: &str) -> [Vec<Value>; 2] {
    let whole = agent.configuration().await;
    let first = agent.watch("", 0).await.next().await;
    assert_eq!(whole["revision"], first["revision"]);
    let objects = first["snapshot"]["objects"].as_array().cloned().unwrap_or_default();
    let objects = objects.into_iter().filter_map(|object| object.get(member).cloned()).collect();
    [whole[list].as_array().cloned().unwrap_or_default(), objects]
}

async fn classes_come_change_and_go(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let mut stream = agent.watch("", 0).await;
    assert!(stream.next().await.get("snapshot").is_some());
    let class = admin.create_class(&agent.runner).await;
    let put = stream.next().await["put"]["environmentClass"].clone();
    assert_eq!(
        (&put["id"], &put["displayName"], &put["enabled"]),
        (&json!(class), &json!("Large"), &json!(true))
    );
    let [whole, first] = both(&agent, "environmentClasses", "environmentClass").await;
    assert_eq!((&whole, &whole), (&first, &vec![put]));
    let change = json!({ "environmentClassId": class, "enabled": false });
    admin.call("RunnerConfigurationService/UpdateEnvironmentClass", &change).await.ok();
    let put = stream.next().await["put"]["environmentClass"].clone();
    assert_eq!((&put["id"], put["enabled"].as_bool().unwrap_or_default()), (&json!(class), false));
    let [whole, first] = both(&agent, "environmentClasses", "environmentClass").await;
    assert_eq!((&whole, &whole), (&first, &vec![put]));
}

async fn llm_integrations_come_change_and_go(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let kid = agent.register_x25519().await;
    let mut stream = agent.watch("", 0).await;
    assert!(stream.next().await.get("snapshot").is_some());
    let llm = admin.integrate_llm(&agent.runner, &json!({})).await;
    let put = stream.next().await["put"]["llmIntegration"].clone();
    assert_eq!(put["integration"], agent.actor.llm(&llm).await, "as its own runner sees it");
    assert_eq!((&put["kid"], &put["version"]), (&json!(kid), &json!("1")));
    let header = json!([{ "key": "x-team", "value": "Y2FuYXJ5LWhlYWRlci00NzEx" }]);
    admin.update_llm(&llm, &json!({ "requestHeaders": header })).await.ok();
    let put = stream.next().await["put"]["llmIntegration"].clone();
    assert_eq!((&put["headerKids"], &put["secretState"]), (&json!([kid]), &json!("SECRET_STATE_OK")));
    let sealed = put["integration"]["requestHeaders"][0]["value"].as_str().expect("a ciphertext");
    assert_ne!(sealed, "Y2FuYXJ5LWhlYWRlci00NzEx");
    let [whole, first] = both(&agent, "llmIntegrations", "llmIntegration").await;
    assert_eq!((&whole, &whole), (&first, &vec![put]));

    admin.revoke(&kid).await.ok();
    let wiped = loop {
        let message = stream.next().await;
        if let Some(put) = message["put"].get("llmIntegration") {
            break put.clone();
        }
    };
    assert_eq!((&wiped["headerKids"], &wiped["secretState"]), (&json!([""]), &json!("SECRET_STATE_MISSING")));
    assert_eq!(wiped["integration"].get("encryptedApiKey"), None);
    let body = json!({ "id": llm, "force": true });
    admin.call("RunnerConfigurationService/DeleteLLMIntegration", &body).await.ok();
    loop {
        let message = stream.next().await;
        if let Some(deleted) = message.get("deleted") {
            assert_eq!(deleted, &json!({ "llmIntegrationId": llm }));
            break;
        }
    }
    let [whole, first] = both(&agent, "llmIntegrations", "llmIntegration").await;
    assert_eq!((whole, first), (vec![], vec![]));
}

/// Credentials are never in the configuration; that one is gone, and whose it was, agents are told.
async fn gone_host_tokens_are_named(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let integration = admin.integrate_pat(&agent.runner, "git.example.com").await;
    let mut stream = agent.watch("", 0).await;
    let first = stream.next().await;
    let revision =
        |message: &Value| message["revision"].as_str().expect("a number").parse::<u64>().expect("one");
    let token = admin.store_token(&agent.runner, &json!({})).await;
    let whose = admin.get_token(&token).await.ok()["token"]["subject"]["id"].clone();
    admin.update_token(&token, &json!({ "token": "canary-renewed-4711" })).await.ok();
    admin.delete_token(&token).await.ok();
    let gone = stream.next().await;
    // Storing and changing took a revision each, of which there is nothing to tell.
    assert_eq!(revision(&gone), revision(&first) + 3);
    let host_token = &gone["deleted"]["hostToken"];
    assert_eq!((&host_token["host"], &host_token["subject"]["id"]), (&json!("github.com"), &whose));
    // They also go with their integration.
    let over = json!({ "host": "git.example.com", "integrationId": integration });
    admin.store_token(&agent.runner, &over).await;
    admin.delete_integration(&integration).await.ok();
    let (one, other) = (stream.next().await, stream.next().await);
    let hosts: Vec<_> = [&one, &other].map(|one| one["deleted"]["hostToken"]["host"].clone()).into();
    assert!(hosts.contains(&json!("git.example.com")), "{one} {other}");
    let integrations = [&one, &other].map(|one| one["deleted"]["scmIntegrationId"].clone());
    assert!(integrations.contains(&json!(integration)), "{one} {other}");
    let snapshot = agent.watch("", 0).await.next().await.to_string();
    assert!(!snapshot.contains("hostToken"), "{snapshot}");
}

/// While servers are updated one by one, a newer one may log kinds of objects that this one never heard of.
async fn what_only_a_newer_server_knows_is_skipped(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let first = agent.watch("", 0).await.next().await;
    let revision =
        |message: &Value| message["revision"].as_str().expect("a number").parse::<u64>().expect("one");
    for sql in [
        "UPDATE runner SET revision = revision + 1",
        "INSERT INTO configuration_change (runner_id, revision, changed_at, operation, object_kind, object_id) \
            SELECT id, revision, 1, 'PUT', 'widget', id FROM runner",
    ] {
        assert!(server.database().execute(sql).await > 0);
    }
    let class = admin.create_class(&agent.runner).await;
    let epoch = first["epoch"].as_str().expect("an epoch");
    let next = agent.watch(epoch, revision(&first)).await.next().await;
    assert_eq!(revision(&next), revision(&first) + 2, "{next}");
    assert_eq!(next["put"]["environmentClass"]["id"], json!(class), "{next}");
}

on_both_stores!(
    classes_come_change_and_go,
    llm_integrations_come_change_and_go,
    gone_host_tokens_are_named,
    what_only_a_newer_server_knows_is_skipped,
);
