//! The requests that the public API reference shows, pasted with only host and token changed.
use serde_json::{Value, json};

use crate::support::{TestServer, on_both_stores};

async fn the_first_requests(server: &TestServer) {
    let admin = server.admin();
    for base in ["", "/api"] {
        let post = async |method: &str, body: &str| {
            let path = format!("{base}/gitpod.v1.RunnerConfigurationService/{method}");
            let sent = admin.post(&path).header("content-type", "application/json").body(body.to_owned());
            crate::support::Answer::of(sent.send().await.expect("an answer")).await
        };
        let (bare, _) = admin.create_runner().await;
        let none =
            post("ListSCMIntegrations", &json!({ "filter": { "runnerIds": [bare] } }).to_string()).await;
        assert_eq!(none.ok(), json!({ "integrations": [], "pagination": {} }));

        post("CreateSCMIntegration", "{}").await.blames("runner_id");

        let agent = admin.enroll().await;
        let create = |runner: &str| {
            json!({
                "runnerId": runner, "scmId": "github", "host": "github.com",
                "oauthClientId": "client_id", "oauthPlaintextClientSecret": "client_secret",
            })
        };
        let body = create(&agent.runner).to_string();
        let refused = post("CreateSCMIntegration", &body).await;
        refused.refused(400, "failed_precondition", "runner does not have a public key");
        let pat =
            json!({ "runnerId": agent.runner, "scmId": "github", "host": "ghe.example.com", "pat": true });
        post("CreateSCMIntegration", &pat.to_string()).await.ok();

        let agent = admin.register().await;
        let body = create(&agent.runner).to_string();
        let created = post("CreateSCMIntegration", &body).await.ok();
        let id = created["id"].as_str().expect("an id").to_owned();
        assert_eq!(created, json!({ "id": id }));
        assert_eq!(agent.opened(&id).await, "client_secret");
        for azure in [
            json!({
                "scmId": "azuredevops_entra", "host": "dev.azure.com",
                "oauthClientId": "client_id", "oauthPlaintextClientSecret": "client_secret",
                "issuerUrl": "https://login.microsoftonline.com/1b2c3d4e/v2.0",
            }),
            json!({
                "scmId": "azuredevops_server", "host": "ado.example.com", "pat": true,
                "virtualDirectory": "/tfs",
            }),
        ] {
            let mut body = azure.clone();
            body["runnerId"] = json!(agent.runner);
            post("CreateSCMIntegration", &body.to_string()).await.ok();
        }

        let of_runner = json!({
            "filter": { "runnerIds": [agent.runner] }, "pagination": { "pageSize": 20 },
        });
        let listed = post("ListSCMIntegrations", &of_runner.to_string()).await.ok();
        let hosts: Vec<_> =
            listed["integrations"].as_array().expect("an array").iter().map(|one| &one["host"]).collect();
        assert_eq!(hosts, ["github.com", "dev.azure.com", "ado.example.com"]);
        let first = &listed["integrations"][0];
        let sealed = first["oauth"]["encryptedClientSecret"].as_str().expect("a ciphertext");
        let shown = json!({
            "id": id, "runnerId": agent.runner, "scmId": "github", "host": "github.com",
            "oauth": { "clientId": "client_id", "encryptedClientSecret": sealed },
        });
        assert_eq!(first, &shown);
        assert_eq!(
            listed["integrations"][1]["oauth"]["issuerUrl"],
            "https://login.microsoftonline.com/1b2c3d4e/v2.0"
        );
        let server = &listed["integrations"][2];
        assert_eq!((&server["virtualDirectory"], &server["pat"]), (&json!("/tfs"), &json!(true)));
        assert_eq!(server.get("oauth"), None);

        // Page by page, by the query, the body unchanged; everything the caller may see.
        let (mut token, mut seen) = (String::new(), Vec::new());
        loop {
            let page = post(&format!("ListSCMIntegrations?pageSize=1&token={token}"), "{}").await.ok();
            let rows = page["integrations"].as_array().expect("an array");
            assert_eq!(rows.len(), 1);
            seen.push(rows[0].clone());
            match page["pagination"]["nextToken"].as_str() {
                Some(next) => next.clone_into(&mut token),
                None => break,
            }
        }
        let all = post("ListSCMIntegrations", "{}").await.ok();
        assert_eq!(all["integrations"], Value::Array(seen));
    }
}

on_both_stores!(the_first_requests);
