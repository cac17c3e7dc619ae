//! SCM integrations: what each member means, and what is sealed when.
use serde_json::{Value, json};

use crate::support::{Actor, Agent, TestServer, on_both_stores};

/// An administrator, a runner with a key, and an integration with OAuth and PAT.
async fn scene(server: &TestServer) -> (Actor, Agent, String) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({ "pat": true })).await;
    (admin, agent, id)
}

fn entra() -> Value {
    json!({
        "scmId": "azuredevops_entra", "host": "dev.azure.com/contoso", "oauthPlaintextClientSecret": "first",
        "issuerUrl": "https://login.example.com/a/v2.0",
    })
}

async fn what_is_created_is_read_back_and_only_the_runner_opens_it(server: &TestServer) {
    let (admin, agent, id) = scene(server).await;
    let shown = admin.integration(&id).await;
    let sealed = &shown["oauth"]["encryptedClientSecret"];
    let expected = json!({
        "id": id, "runnerId": agent.runner, "scmId": "github", "host": "github.com", "pat": true,
        "oauth": { "clientId": "client_id", "encryptedClientSecret": sealed },
    });
    assert_eq!(shown, expected);
    assert_eq!(agent.actor.integration(&id).await, expected);
    assert_eq!(agent.opened(&id).await, "canary-client-secret-4711");
    assert_eq!(agent.configured(&id).await["encryptedClientSecret"], *sealed);
}

/// A22, A23: what the ciphertext is bound to changes only together with the secret.
async fn a22_a23_the_secret_is_sent_again_when_its_binding_changes(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &entra()).await;
    let before = admin.integration(&id).await;

    let other_issuer = json!({ "issuerUrl": "https://login.example.com/b/v2.0" });
    let refused = admin.update_integration(&id, &other_issuer).await;
    let text = "oauth_plaintext_client_secret must be set when issuer_url changes";
    refused.refused(400, "failed_precondition", text);
    assert_eq!(
        (refused.message().as_str(), refused.fields()),
        (text, vec!["oauth_plaintext_client_secret".to_owned()])
    );
    let refused = admin.update_integration(&id, &json!({ "oauthClientId": "other" })).await;
    let text = "oauth_plaintext_client_secret must be set when oauth_client_id changes";
    refused.refused(400, "failed_precondition", text);
    assert_eq!(admin.integration(&id).await, before);

    // The same values are no change: the ciphertext stays what it is.
    let same = json!({ "issuerUrl": "https://login.example.com/a/v2.0", "oauthClientId": "client_id" });
    assert_eq!(admin.update_integration(&id, &same).await.ok(), json!({}));
    assert_eq!(admin.integration(&id).await, before);

    let with_secret = json!({
        "issuerUrl": "https://login.example.com/b/v2.0", "oauthClientId": "other",
        "oauthPlaintextClientSecret": "second",
    });
    admin.update_integration(&id, &with_secret).await.ok();
    let after = admin.integration(&id).await;
    assert_eq!(after["oauth"]["clientId"], "other");
    assert_eq!(after["oauth"]["issuerUrl"], "https://login.example.com/b/v2.0");
    assert_ne!(after["oauth"]["encryptedClientSecret"], before["oauth"]["encryptedClientSecret"]);
    assert_eq!(agent.opened(&id).await, "second");
    // Clearing the issuer while OAuth stays leaves OAuth without what it needs.
    admin.update_integration(&id, &json!({ "issuerUrl": "" })).await.blames("issuer_url");
}

/// A24: a client id and its secret come together, and there is a way to sign in.
async fn a24_oauth_comes_whole_or_not_at_all(server: &TestServer) {
    let (admin, agent, _) = scene(server).await;
    let host = |over: &Value| {
        let mut over = over.clone();
        over["host"] = json!("ghe.example.com");
        over
    };
    for (over, field) in [
        (json!({ "oauthPlaintextClientSecret": null }), "oauth_plaintext_client_secret"),
        (json!({ "oauthPlaintextClientSecret": "" }), "oauth_plaintext_client_secret"),
        (json!({ "oauthClientId": null }), "oauth_client_id"),
        (json!({ "oauthClientId": "" }), "oauth_client_id"),
        (json!({ "oauthClientId": "", "oauthPlaintextClientSecret": "" }), "oauth_client_id"),
        (json!({ "oauthClientId": null, "oauthPlaintextClientSecret": null }), "oauth_client_id"),
        (
            json!({ "oauthClientId": null, "oauthPlaintextClientSecret": null, "pat": false }),
            "oauth_client_id",
        ),
    ] {
        admin.try_integrate(&agent.runner, &host(&over)).await.blames(field);
    }
    let pat = json!({ "oauthClientId": "", "oauthPlaintextClientSecret": "", "pat": true });
    let id = admin.integrate(&agent.runner, &host(&pat)).await;
    assert_eq!(admin.integration(&id).await.get("oauth"), None);
    // Off: a client id needs its secret, a secret its client id; together they switch it on.
    admin
        .update_integration(&id, &json!({ "oauthClientId": "x" }))
        .await
        .blames("oauth_plaintext_client_secret");
    admin
        .update_integration(&id, &json!({ "oauthPlaintextClientSecret": "x" }))
        .await
        .blames("oauth_client_id");
    admin
        .update_integration(&id, &json!({ "oauthClientId": "x", "oauthPlaintextClientSecret": "y" }))
        .await
        .ok();
    assert_eq!(agent.opened(&id).await, "y");
}

/// A25: an empty client id removes OAuth with its ciphertext, whatever else is sent.
async fn a25_an_empty_client_id_removes_oauth(server: &TestServer) {
    for secret in [Value::Null, json!("ignored"), json!(""), json!("bad\n"), json!(" bad\0")] {
        let (admin, agent, id) = scene(server).await;
        let change = json!({ "oauthClientId": "", "oauthPlaintextClientSecret": secret });
        assert_eq!(admin.update_integration(&id, &change).await.ok(), json!({}));
        let after = admin.integration(&id).await;
        let left = json!({
            "id": id, "runnerId": agent.runner, "scmId": "github", "host": "github.com", "pat": true,
        });
        assert_eq!(after, left);
        let configured = agent.configured(&id).await;
        assert_eq!((configured.get("clientId"), configured.get("encryptedClientSecret")), (None, None));
        // Again changes nothing.
        admin.update_integration(&id, &change).await.ok();
        assert_eq!(admin.integration(&id).await, left);
    }
    let sealed = "SELECT count(*) FROM scm_integration WHERE kid IS NOT NULL";
    assert_eq!(server.database().count(sealed).await, 0);
}

async fn absent_and_null_leave_and_values_set(server: &TestServer) {
    let (admin, agent, id) = scene(server).await;
    let before = admin.integration(&id).await;
    for nothing in [
        "{}",
        r#""oauthClientId":null,"oauthPlaintextClientSecret":null,"pat":null,"issuerUrl":null,"virtualDirectory":null"#,
    ] {
        let body = format!(
            r#"{{"id":"{id}"{}}}"#,
            if nothing == "{}" { String::new() } else { format!(",{nothing}") }
        );
        let method = "RunnerConfigurationService/UpdateSCMIntegration";
        admin.raw(method, "application/json", body).await.ok();
        assert_eq!(admin.integration(&id).await, before);
    }
    assert_eq!(agent.configured(&id).await["version"], "1", "nothing changed, nothing counts");

    admin.update_integration(&id, &json!({ "pat": false })).await.ok();
    assert_eq!(admin.integration(&id).await.get("pat"), None);
    assert_eq!(agent.opened(&id).await, "canary-client-secret-4711");
    admin.update_integration(&id, &json!({ "oauthPlaintextClientSecret": "rotated" })).await.ok();
    assert_eq!(agent.opened(&id).await, "rotated");
    assert_eq!(agent.configured(&id).await["version"], "3");
    admin
        .update_integration(&id, &json!({ "oauthPlaintextClientSecret": "" }))
        .await
        .blames("oauth_plaintext_client_secret");

    let over = json!({
        "scmId": "azuredevops_server", "host": "ado.example.com", "virtualDirectory": "/tfs", "pat": true,
        "oauthClientId": null, "oauthPlaintextClientSecret": null,
    });
    let id = admin.integrate(&agent.runner, &over).await;
    admin.update_integration(&id, &json!({ "virtualDirectory": "/tfs/other" })).await.ok();
    assert_eq!(admin.integration(&id).await["virtualDirectory"], "/tfs/other");
    admin.update_integration(&id, &json!({ "virtualDirectory": "" })).await.blames("virtual_directory");
}

/// A26: without an ACTIVE key nothing can be sealed, and nothing else needs one.
async fn a26_no_key_no_secret(server: &TestServer) {
    let text = "runner does not have a public key";
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    admin.try_integrate(&agent.runner, &json!({})).await.refused(400, "failed_precondition", text);
    let pat = admin.integrate_pat(&agent.runner, "ghe.example.com").await;
    let oauth = json!({ "oauthClientId": "x", "oauthPlaintextClientSecret": "y" });
    admin.update_integration(&pat, &oauth).await.refused(400, "failed_precondition", text);

    let kid = agent.register_x25519().await;
    let id = admin.integrate(&agent.runner, &json!({})).await;
    assert_eq!(admin.revoke(&kid).await.ok()["wipedSecrets"], 1);
    let revoked = json!({ "host": "gitlab.example.com" });
    admin.try_integrate(&agent.runner, &revoked).await.refused(400, "failed_precondition", text);
    // A key that only waits is none.
    let pending = agent.register_x25519().await;
    assert_eq!(agent.actor.keys(&agent.runner).await[0]["state"], "KEY_STATE_PENDING");
    admin.try_integrate(&agent.runner, &revoked).await.refused(400, "failed_precondition", text);
    admin.approve(&pending).await.ok();
    admin.integrate(&agent.runner, &revoked).await;
    // The re-supply rule comes before the missing key.
    admin.revoke(&pending).await.ok();
    admin.update_integration(&id, &json!({ "oauthClientId": "other" })).await.refused(
        400,
        "failed_precondition",
        "must be set",
    );
}

/// A27: what a secret may be; what is accepted opens as it was sent.
async fn a27_secrets(server: &TestServer) {
    let (admin, agent, id) = scene(server).await;
    let long = "s".repeat(4_097);
    for bad in [long.as_str(), "nul\0", "newline\n", "\r\n", " ", "tab\t", " leading", "trailing ", "\u{a0}x"]
    {
        let refused = admin.update_integration(&id, &json!({ "oauthPlaintextClientSecret": bad })).await;
        refused.blames("oauth_plaintext_client_secret");
        let create = json!({ "host": "ghe.example.com", "oauthPlaintextClientSecret": bad });
        admin.try_integrate(&agent.runner, &create).await.blames("oauth_plaintext_client_secret");
    }
    assert_eq!(agent.opened(&id).await, "canary-client-secret-4711");
    let emoji = "🦭".repeat(1_024);
    for length in [1, 190, 191, 4_096] {
        let secret = "x".repeat(length);
        admin.update_integration(&id, &json!({ "oauthPlaintextClientSecret": secret })).await.ok();
        assert_eq!(agent.opened(&id).await, secret, "{length} bytes");
    }
    for secret in [emoji.as_str(), "with space", "\"quoted\\", "ünïcödé", "sealink/challenge/v1"] {
        admin.update_integration(&id, &json!({ "oauthPlaintextClientSecret": secret })).await.ok();
        assert_eq!(agent.opened(&id).await, secret);
    }
}

/// A28: a secret of another JSON type is refused without being repeated.
async fn a28_a_secret_of_the_wrong_type_is_not_echoed(server: &TestServer) {
    let (admin, agent, _) = scene(server).await;
    for secret in [r#"{"canary":"canary"}"#, "73100731", "[\"canary\"]", "true"] {
        let body = format!(
            r#"{{"runnerId":"{}","scmId":"github","host":"x.example.com","oauthClientId":"id","oauthPlaintextClientSecret":{secret}}}"#,
            agent.runner
        );
        let method = "RunnerConfigurationService/CreateSCMIntegration";
        let refused = admin.raw(method, "application/json", body).await;
        refused.refused(400, "invalid_argument", "");
        let text = String::from_utf8(refused.body.to_vec()).expect("UTF-8");
        assert!(!text.contains("canary") && !text.contains("73100731"), "{text}");
    }
}

/// A33: the plaintext is in no answer, and the ciphertext only in those of the runner and its administrators.
async fn a33_plaintext_never_comes_back(server: &TestServer) {
    let (admin, agent, id) = scene(server).await;
    let read_only = server.read_only().await;
    for actor in [&admin, &read_only, &agent.actor] {
        for answer in [
            actor.call("RunnerConfigurationService/GetSCMIntegration", &json!({ "id": id })).await,
            actor.list("", &json!({})).await,
        ] {
            let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
            assert!(text.contains("encryptedClientSecret") && !text.contains("client_secret\""), "{text}");
        }
    }
}

/// A34: gone is gone.
async fn a34_deleted_is_not_found(server: &TestServer) {
    let (admin, agent, id) = scene(server).await;
    assert_eq!(admin.delete_integration(&id).await.ok(), json!({}));
    admin.delete_integration(&id).await.refused(404, "not_found", "SCM integration not found");
    admin.update_integration(&id, &json!({ "pat": true })).await.refused(
        404,
        "not_found",
        "SCM integration not found",
    );
    let got = admin.call("RunnerConfigurationService/GetSCMIntegration", &json!({ "id": id })).await;
    got.refused(404, "not_found", "SCM integration not found");
    assert_eq!(agent.configuration().await["integrations"], Value::Null);
    let again = admin.integrate(&agent.runner, &json!({})).await;
    assert_eq!(agent.opened(&again).await, "canary-client-secret-4711");
}

on_both_stores!(
    what_is_created_is_read_back_and_only_the_runner_opens_it,
    a22_a23_the_secret_is_sent_again_when_its_binding_changes,
    a24_oauth_comes_whole_or_not_at_all,
    a25_an_empty_client_id_removes_oauth,
    absent_and_null_leave_and_values_set,
    a26_no_key_no_secret,
    a27_secrets,
    a28_a_secret_of_the_wrong_type_is_not_echoed,
    a33_plaintext_never_comes_back,
    a34_deleted_is_not_found,
);
