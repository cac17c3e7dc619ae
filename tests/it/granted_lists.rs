//! Lists without a filter, of a member: what is its own, and what policies let it see.
use serde_json::{Value, json};

use crate::support::{Actor, TestServer, on_both_stores};

const CREATE: &str = "RunnerService/CreateRunnerPolicy";

async fn paged(actor: &Actor, method: &str, list: &str, size: usize) -> Vec<String> {
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("RunnerConfigurationService/{method}?pageSize={size}&token={token}");
        let page = actor.call(&path, &json!({})).await.ok();
        let rows = page[list].as_array().expect("always there");
        assert!(rows.len() <= size, "{page}");
        seen.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        match page["pagination"]["nextToken"].as_str() {
            Some(next) if !next.is_empty() => next.clone_into(&mut token),
            _ => return seen,
        }
    }
}

/// One runner of everybody's kind: its own, one to administer, one to use, one that is none of its business, and one
/// of its own that it was given besides.
async fn tokens_and_llm_integrations_follow_roles(server: &TestServer) {
    let (admin, ada) = (server.admin(), server.member("ada").await);
    let group = admin.create_group("platform").await;
    admin.join(&group, "PRINCIPAL_USER", &ada.id).await;
    let (mut tokens, mut llm) = (Vec::new(), Vec::new());
    for (own, role) in
        [(true, ""), (false, "ADMIN"), (false, "USER"), (false, ""), (true, "USER"), (false, "ADMIN")]
    {
        let maker: &Actor = if own { &ada } else { &admin };
        let agent = maker.register().await;
        if !role.is_empty() {
            let role = format!("RUNNER_ROLE_{role}");
            let body = json!({ "runnerId": agent.runner, "groupId": group, "role": role });
            maker.call(CREATE, &body).await.ok();
        }
        let of_admin = admin.store_token(&agent.runner, &json!({ "host": "a.example.com" })).await;
        let administers = own || role == "ADMIN";
        if administers {
            tokens.push(of_admin);
        }
        let of_ada: Value = json!({ "host": "b.example.com", "userId": ada.id });
        let of_ada = admin.store_token(&agent.runner, &of_ada).await;
        if administers || role == "USER" {
            tokens.push(of_ada);
        }
        let one = maker.integrate_llm(&agent.runner, &json!({})).await;
        if administers {
            llm.push(one);
        }
    }
    for size in [1, 2, 3, 100] {
        let seen = paged(&ada, "ListHostAuthenticationTokens", "tokens", size).await;
        assert_eq!(seen, tokens, "in pages of {size}");
        let seen = paged(&ada, "ListLLMIntegrations", "integrations", size).await;
        assert_eq!(seen, llm, "in pages of {size}");
    }
    // What is listed is what can be got.
    for id in &tokens {
        ada.get_token(id).await.ok();
    }
    for id in &llm {
        ada.llm(id).await;
    }
    let own = json!({ "subjectId": ada.id });
    assert_eq!(ada.listed_tokens(&own).await.len(), 5, "of five runners");
    let member = server.member("nobody").await;
    assert!(paged(&member, "ListHostAuthenticationTokens", "tokens", 100).await.is_empty());
    assert!(paged(&member, "ListLLMIntegrations", "integrations", 100).await.is_empty());
}

/// Every OAuth of a schema says where browsers come back to: the runner's own place if it named one, else the server's.
async fn schemas_name_the_callback(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let body = json!({ "runnerId": agent.runner });
    let shown = async || {
        let answer = admin.call("RunnerConfigurationService/GetRunnerConfigurationSchema", &body).await.ok();
        let scms = answer["schema"]["scm"].as_array().expect("SCMs").clone();
        scms.into_iter()
            .map(|scm| (scm["scmId"].clone(), scm["oauth"]["callbackUrl"].clone()))
            .collect::<Vec<_>>()
    };
    let here = json!(format!("http://{}/oauth/callback", server.address));
    for (id, callback) in shown().await {
        let expected = if id == "azuredevops_server" { &Value::Null } else { &here };
        assert_eq!(&callback, expected, "{id}");
    }
    let own = "https://runner.example.com/callback";
    let schema = json!({ "version": "1", "scm": [
        { "scmId": "github", "name": "GitHub", "oauth": {} },
        { "scmId": "gitlab", "name": "GitLab", "oauth": { "callbackUrl": own } },
        { "scmId": "gitea", "name": "Gitea", "pat": {} },
    ] });
    let report = json!({ "schema": schema });
    agent.actor.call("RunnerAgentService/UpdateConfigurationSchema", &report).await.ok();
    let expected = [(json!("github"), here), (json!("gitlab"), json!(own)), (json!("gitea"), Value::Null)];
    assert_eq!(shown().await, expected);
}

on_both_stores!(tokens_and_llm_integrations_follow_roles, schemas_name_the_callback);
