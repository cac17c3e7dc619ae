//! What people do, in one word each; all of it must succeed.
use serde_json::{Value, json};

use super::{Actor, Agent, Answer};

/// Lays the members of `over` over those of `base`; `null` takes one away.
fn merged(mut base: Value, over: &Value) -> Value {
    let members = base.as_object_mut().expect("an object");
    for (name, value) in over.as_object().expect("an object") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

impl Actor {
    /// A user of this name, with a token.
    pub(crate) async fn create_user(&self, name: &str, role: &str) -> Self {
        let body = json!({ "name": name, "email": format!("{name}@example.com"), "role": role });
        let user = self.call("UserService/CreateUser", &body).await.ok();
        let id = text(&user["user"]["id"]);
        self.create_token(&json!({ "userId": id })).await.0.known_as(&id)
    }

    /// A service account of this name, with a token.
    pub(crate) async fn create_service_account(&self, name: &str, role: &str) -> Self {
        let body = json!({ "name": name, "role": role });
        let made = self.call("ServiceAccountService/CreateServiceAccount", &body).await.ok();
        let id = text(&made["serviceAccount"]["id"]);
        self.create_token(&json!({ "serviceAccountId": id })).await.0.known_as(&id)
    }

    /// The id of a group of this name in the caller's organization.
    pub(crate) async fn create_group(&self, name: &str) -> String {
        let me = self.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
        let body = json!({ "organizationId": me["organizationId"], "name": name });
        text(&self.call("GroupService/CreateGroup", &body).await.ok()["group"]["id"])
    }

    /// Adds a user or a service account, `kind`, to a group; the membership's id.
    pub(crate) async fn join(&self, group: &str, kind: &str, id: &str) -> String {
        let body = json!({ "groupId": group, "subject": { "id": id, "principal": kind } });
        text(&self.call("GroupService/CreateMembership", &body).await.ok()["member"]["id"])
    }

    /// Whoever holds a new token, and the token's id.
    pub(crate) async fn create_token(&self, body: &Value) -> (Self, String) {
        let made = self.call("TokenService/CreateToken", body).await.ok();
        (self.with_token(&text(&made["token"])), text(&made["apiToken"]["id"]))
    }

    /// A remote runner: its id, and its exchange token.
    pub(crate) async fn create_runner(&self) -> (String, String) {
        let body = json!({ "name": "a runner", "kind": "RUNNER_KIND_REMOTE" });
        let made = self.call("RunnerService/CreateRunner", &body).await.ok();
        (text(&made["runner"]["runnerId"]), text(&made["exchangeToken"]))
    }

    /// A runner with an agent that has signed in, but has no key yet.
    pub(crate) async fn enroll(&self) -> Agent {
        let (id, exchange) = self.create_runner().await;
        Agent::sign_in(self, &id, &exchange).await
    }

    /// A runner with an agent whose X25519 key is ACTIVE.
    pub(crate) async fn register(&self) -> Agent {
        let mut agent = self.enroll().await;
        agent.register_x25519().await;
        agent
    }

    pub(crate) async fn runner(&self, id: &str) -> Value {
        self.call("RunnerService/GetRunner", &json!({ "runnerId": id })).await.ok()["runner"].clone()
    }

    pub(crate) async fn update_runner(&self, id: &str, spec: &Value) -> Answer {
        self.call("RunnerService/UpdateRunner", &json!({ "runnerId": id, "spec": spec })).await
    }

    pub(crate) async fn delete_runner(&self, id: &str) -> Answer {
        self.call("RunnerService/DeleteRunner", &json!({ "runnerId": id })).await
    }

    /// `CreateSCMIntegration` for github.com with OAuth, changed as `over` says.
    pub(crate) async fn try_integrate(&self, runner: &str, over: &Value) -> Answer {
        let base = json!({
            "runnerId": runner, "scmId": "github", "host": "github.com",
            "oauthClientId": "client_id", "oauthPlaintextClientSecret": "canary-client-secret-4711",
        });
        self.call("RunnerConfigurationService/CreateSCMIntegration", &merged(base, over)).await
    }

    /// The id of such an integration.
    pub(crate) async fn integrate(&self, runner: &str, over: &Value) -> String {
        text(&self.try_integrate(runner, over).await.ok()["id"])
    }

    /// The id of an integration without OAuth, which needs no key.
    pub(crate) async fn integrate_pat(&self, runner: &str, host: &str) -> String {
        let over =
            json!({ "host": host, "pat": true, "oauthClientId": null, "oauthPlaintextClientSecret": null });
        self.integrate(runner, &over).await
    }

    pub(crate) async fn integration(&self, id: &str) -> Value {
        let got = self.call("RunnerConfigurationService/GetSCMIntegration", &json!({ "id": id })).await;
        got.ok()["integration"].clone()
    }

    pub(crate) async fn update_integration(&self, id: &str, change: &Value) -> Answer {
        let body = merged(json!({ "id": id }), change);
        self.call("RunnerConfigurationService/UpdateSCMIntegration", &body).await
    }

    pub(crate) async fn delete_integration(&self, id: &str) -> Answer {
        self.call("RunnerConfigurationService/DeleteSCMIntegration", &json!({ "id": id })).await
    }

    /// `ListSCMIntegrations`; `query` is empty or starts with a question mark.
    pub(crate) async fn list(&self, query: &str, body: &Value) -> Answer {
        self.call(&format!("RunnerConfigurationService/ListSCMIntegrations{query}"), body).await
    }

    /// The ids of the first page of such a list.
    pub(crate) async fn listed(&self, body: &Value) -> Vec<String> {
        let answer = self.list("", body).await.ok();
        answer["integrations"].as_array().expect("an array").iter().map(|one| text(&one["id"])).collect()
    }

    /// The id of an environment class without settings.
    pub(crate) async fn create_class(&self, runner: &str) -> String {
        let body = json!({ "runnerId": runner, "displayName": "Large", "description": "eight cores" });
        text(&self.call("RunnerConfigurationService/CreateEnvironmentClass", &body).await.ok()["id"])
    }

    /// `CreateHostAuthenticationToken` for github.com, changed as `over` says.
    pub(crate) async fn try_store_token(&self, runner: &str, over: &Value) -> Answer {
        let base = json!({
            "runnerId": runner, "host": "github.com", "token": "token_value",
            "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_PAT",
        });
        self.call("RunnerConfigurationService/CreateHostAuthenticationToken", &merged(base, over)).await
    }

    /// The id of such a token.
    pub(crate) async fn store_token(&self, runner: &str, over: &Value) -> String {
        text(&self.try_store_token(runner, over).await.ok()["token"]["id"])
    }

    pub(crate) async fn get_token(&self, id: &str) -> Answer {
        self.call("RunnerConfigurationService/GetHostAuthenticationToken", &json!({ "id": id })).await
    }

    pub(crate) async fn update_token(&self, id: &str, change: &Value) -> Answer {
        let body = merged(json!({ "id": id }), change);
        self.call("RunnerConfigurationService/UpdateHostAuthenticationToken", &body).await
    }

    pub(crate) async fn delete_token(&self, id: &str) -> Answer {
        self.call("RunnerConfigurationService/DeleteHostAuthenticationToken", &json!({ "id": id })).await
    }

    /// The ids of the first page of the host tokens that `filter` leaves.
    pub(crate) async fn listed_tokens(&self, filter: &Value) -> Vec<String> {
        let body = json!({ "filter": filter });
        let answer = self.call("RunnerConfigurationService/ListHostAuthenticationTokens", &body).await.ok();
        answer["tokens"].as_array().expect("an array").iter().map(|one| text(&one["id"])).collect()
    }

    /// `CreateLLMIntegration` for one model, changed as `over` says.
    pub(crate) async fn try_integrate_llm(&self, runner: &str, over: &Value) -> Answer {
        let base = json!({
            "runnerId": runner, "models": ["SUPPORTED_MODEL_SONNET_4_5"], "apiKey": "api_key",
            "endpoint": "https://llm.example.com/v1",
        });
        self.call("RunnerConfigurationService/CreateLLMIntegration", &merged(base, over)).await
    }

    /// The id of such an integration.
    pub(crate) async fn integrate_llm(&self, runner: &str, over: &Value) -> String {
        text(&self.try_integrate_llm(runner, over).await.ok()["id"])
    }

    pub(crate) async fn llm(&self, id: &str) -> Value {
        let got = self.call("RunnerConfigurationService/GetLLMIntegration", &json!({ "id": id })).await;
        got.ok()["integration"].clone()
    }

    pub(crate) async fn update_llm(&self, id: &str, change: &Value) -> Answer {
        let body = merged(json!({ "id": id }), change);
        self.call("RunnerConfigurationService/UpdateLLMIntegration", &body).await
    }

    pub(crate) async fn keys(&self, runner: &str) -> Vec<Value> {
        let answer = self.call("RunnerKeyService/ListKeys", &json!({ "runnerId": runner })).await.ok();
        answer["keys"].as_array().expect("an array").clone()
    }

    /// What a runner has sealed: of each its object, field, state and key, in the order of the list.
    pub(crate) async fn secrets(&self, runner: &str) -> Vec<[String; 4]> {
        let body = json!({ "runnerId": runner, "pagination": { "pageSize": 100 } });
        let answer = self.call("RunnerKeyService/ListSecrets", &body).await.ok();
        let rows = answer["secrets"].as_array().expect("an array").iter();
        rows.map(|row| {
            let state = text(&row["secretState"]).replace("SECRET_STATE_", "");
            [
                text(&row["sub"]),
                text(&row["field"]),
                state,
                row["kid"].as_str().unwrap_or_default().to_owned(),
            ]
        })
        .collect()
    }

    pub(crate) async fn approve(&self, kid: &str) -> Answer {
        self.call("RunnerKeyService/ApproveKey", &json!({ "kid": kid })).await
    }

    pub(crate) async fn revoke(&self, kid: &str) -> Answer {
        self.call("RunnerKeyService/RevokeKey", &json!({ "kid": kid, "reason": "lost" })).await
    }
}
