//! Trying out a configuration: the rules, the live agent, and nothing that helps to misuse a secret.
use base64::{Engine, engine::general_purpose::STANDARD};
use sealink::{
    domain::secret::{Kid, Sealed},
    seal::{Field, Place, open::open},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Actor, Agent, Answer, TestServer, on_both_stores};

async fn validate(actor: &Actor, agent: &Agent, integration: &Value) -> Answer {
    let body = json!({ "runnerId": agent.runner, "scmIntegration": integration });
    actor.call("RunnerConfigurationService/ValidateRunnerConfiguration", &body).await
}

fn fine() -> Value {
    json!({
        "scmId": "github", "host": "ghe.example.com", "oauthClientId": "client_id",
        "oauthPlaintextClientSecret": "the tried secret", "pat": true,
    })
}

fn with(name: &str, value: &Value) -> Value {
    let mut changed = fine();
    changed[name] = value.clone();
    changed
}

fn entra(issuer: &Value) -> Value {
    let mut trial = with("issuerUrl", issuer);
    trial["scmId"] = json!("azuredevops_entra");
    trial["host"] = json!("dev.azure.com/contoso");
    trial
}

fn server_of(over: &Value) -> Value {
    let mut trial = json!({
        "scmId": "azuredevops_server", "host": "ado.example.com", "pat": true, "virtualDirectory": "/tfs",
    });
    trial.as_object_mut().expect("an object").extend(over.as_object().expect("an object").clone());
    trial
}

#[expect(clippy::unnecessary_wraps, reason = "an agent may also leave a call unanswered")]
fn ok(_: &Value) -> Option<Value> {
    Some(json!({ "validate": { "scmIntegration": { "valid": true } } }))
}

/// What the rules find is told under the setting to blame, and no agent is troubled with it.
async fn findings_stand_at_the_setting_to_blame(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    validate(&admin, &agent, &fine()).await.refused(400, "failed_precondition", "runner is not active");
    let live = agent.live(ok).await;
    for (trial, member) in [
        (with("scmId", &json!("cvs")), "scmIdError"),
        (with("host", &json!("https://ghe.example.com")), "hostError"),
        (with("host", &json!("127.0.0.1")), "hostError"),
        (with("oauthClientId", &Value::Null), "oauthError"),
        (with("oauthPlaintextClientSecret", &Value::Null), "oauthError"),
        (with("oauthPlaintextClientSecret", &json!("line\nline")), "oauthError"),
        (with("issuerUrl", &json!("https://issuer.example.com")), "oauthError"),
        (with("virtualDirectory", &json!("/tfs")), "hostError"),
        (with("scmId", &json!("azuredevops_entra")), "oauthError"),
        (entra(&json!("http://login.example.com")), "oauthError"),
        (server_of(&json!({ "virtualDirectory": null })), "hostError"),
        (server_of(&json!({ "virtualDirectory": "/../x" })), "hostError"),
        (server_of(&json!({ "oauthClientId": "c", "oauthPlaintextClientSecret": "s" })), "oauthError"),
        (server_of(&json!({ "pat": false })), "oauthError"),
        (with("host", &json!("dev.azure.com/contoso")), "hostError"),
        (with("oauthClientId", &json!("sp ace")), "oauthError"),
    ] {
        let answer = validate(&admin, &agent, &trial).await.ok();
        let result = &answer["scmIntegration"];
        assert_ne!(result["valid"], true, "{trial}");
        let found: Vec<_> =
            result.as_object().expect("an object").keys().filter(|name| name.ends_with("Error")).collect();
        assert_eq!(found, [member], "{trial}: {answer}");
    }
    let both = server_of(&json!({
        "host": "127.0.0.1", "oauthClientId": "c", "oauthPlaintextClientSecret": "s", "virtualDirectory": null,
    }));
    let found = validate(&admin, &agent, &both).await.ok()["scmIntegration"].clone();
    assert!(found["hostError"].is_string() && found["oauthError"].is_string(), "all that is wrong: {found}");
    assert!(live.asked().is_empty());
    let entra = entra(&json!("https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0"));
    for good in [fine(), entra, server_of(&json!({}))] {
        let answer = validate(&admin, &agent, &good).await.ok();
        assert_eq!(answer, json!({ "scmIntegration": { "valid": true } }), "{good}");
    }
    assert_eq!(live.asked().len(), 3);
}

/// The runner's own schema says which forges it knows, and how one may sign in at each.
async fn the_schema_rules_what_may_be_tried(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let live = agent.live(ok).await;
    let oauth = json!({ "callbackUrl": "https://sealink.example.com/oauth/callback" });
    let schema = json!({ "version": "1", "scm": [
        { "scmId": "github", "name": "GitHub", "oauth": oauth },
        { "scmId": "gitlab", "name": "GitLab", "pat": { "description": "a token" } },
    ] });
    agent.actor.call("RunnerAgentService/UpdateConfigurationSchema", &json!({ "schema": schema })).await.ok();
    let gitlab = |oauth: bool| {
        let mut trial = with("scmId", &json!("gitlab"));
        if !oauth {
            trial["oauthClientId"] = Value::Null;
            trial["oauthPlaintextClientSecret"] = Value::Null;
        }
        trial
    };
    for (trial, member) in
        [(with("scmId", &json!("gitea")), "scmIdError"), (fine(), "patError"), (gitlab(true), "oauthError")]
    {
        let found = validate(&admin, &agent, &trial).await.ok()["scmIntegration"].clone();
        let errors = found.as_object().expect("an object").keys().filter(|name| name.ends_with("Error"));
        assert_eq!(errors.collect::<Vec<_>>(), [member], "{trial}: {found}");
    }
    assert!(live.asked().is_empty(), "no agent was troubled");
    for good in [with("pat", &json!(false)), gitlab(false)] {
        assert_eq!(validate(&admin, &agent, &good).await.ok()["scmIntegration"]["valid"], true, "{good}");
    }
}

/// What a class's settings may be is the schema's to say, too: all that is wrong is told, by the settings' keys.
async fn settings_of_a_class_are_those_of_the_schema(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let live = agent.live(ok).await;
    let schema = json!({ "version": "1", "environmentClasses": [
        { "id": "size", "name": "Size", "required": true, "int": { "min": 1, "max": 8, "default": 2 } },
        { "id": "spot", "name": "Spot", "bool": {} },
    ] });
    agent.actor.call("RunnerAgentService/UpdateConfigurationSchema", &json!({ "schema": schema })).await.ok();
    for (settings, blamed) in [
        (&[("size", "9"), ("spot", "maybe"), ("cores", "8")][..], &["size", "spot", "cores"][..]),
        (&[("spot", "true")], &["size"]),
    ] {
        let settings: Vec<_> =
            settings.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let class = json!({ "displayName": "Large", "description": "a class", "configuration": settings });
        let body = json!({ "runnerId": agent.runner, "environmentClass": class });
        let found = admin.call("RunnerConfigurationService/ValidateRunnerConfiguration", &body).await.ok();
        let errors = found["environmentClass"]["configurationErrors"].as_array().expect("errors").clone();
        let keys: Vec<_> = errors.iter().map(|error| error["key"].as_str().expect("a key")).collect();
        assert_eq!(keys, blamed, "{found}");
        assert_ne!(found["environmentClass"]["valid"], true);
    }
    assert!(live.asked().is_empty(), "no agent was troubled");
}

/// The agent opens the secret for this call and place alone; the server keeps nothing of it.
async fn the_agent_opens_what_is_tried(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let live = agent
        .live(|_| {
            Some(json!({ "validate": { "scmIntegration": { "valid": true, "oauthError": "bad client" } } }))
        })
        .await;
    let answer = validate(&admin, &agent, &fine()).await.ok();
    let result = &answer["scmIntegration"];
    assert_eq!(result["oauthError"], "bad client");
    assert_ne!(result["valid"], true, "an error is never valid");
    let call = live.asked().pop().expect("a call");
    let asked = &call["validate"]["scmIntegration"];
    assert_ne!(asked["secretIsStored"], true);
    let integration = &asked["integration"];
    assert_eq!(integration.get("id").and_then(Value::as_str).unwrap_or_default(), "");
    let id = Uuid::try_parse(call["requestId"].as_str().expect("an id")).expect("a UUID");
    let runner = agent.runner_id();
    let (a, c) = ("ghe.example.com", "client_id");
    let place = Place { runner, sub: id, field: Field::ValidateClientSecret, a, b: "", c };
    let bytes =
        STANDARD.decode(integration["encryptedClientSecret"].as_str().expect("bytes")).expect("base64");
    let sealed = Sealed { bytes, kid: Kid(integration["kid"].as_str().expect("a kid").to_owned()) };
    assert_eq!(open(&agent.ring(), &place, &sealed).expect("it opens").expose(), "the tried secret");
    assert_eq!(server.database().count("SELECT count(*) FROM scm_integration").await, 0);
}

/// A stored ciphertext is taken only with everything it is stored with: else a member could have the runner send
/// a secret to a host of its own.
async fn a_stored_secret_is_tried_only_as_it_is_stored(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let id = admin.integrate(&agent.runner, &json!({ "host": "ghe.example.com" })).await;
    let other = admin.integrate(&agent.runner, &json!({ "host": "other.example.com" })).await;
    let live = agent.live(ok).await;
    let stored = agent.configured(&id).await["encryptedClientSecret"].clone();
    let trial = json!({
        "id": id, "scmId": "github", "host": "ghe.example.com", "oauthClientId": "client_id",
        "oauthEncryptedClientSecret": stored,
    });
    assert_eq!(validate(&admin, &agent, &trial).await.ok()["scmIntegration"]["valid"], true);
    let asked = live.asked().pop().expect("a call")["validate"]["scmIntegration"].clone();
    assert_eq!((&asked["secretIsStored"], &asked["integration"]["id"]), (&json!(true), &json!(id)));
    assert_eq!(asked["integration"]["encryptedClientSecret"], stored);
    for (member, value) in [
        ("id", Value::Null),
        ("id", json!(other)),
        ("host", json!("evil.example.com")),
        ("host", json!("GHE.example.com")),
        ("scmId", json!("gitlab")),
        ("oauthClientId", json!("another")),
        ("oauthClientId", Value::Null),
        ("issuerUrl", json!("https://evil.example.com")),
        ("oauthEncryptedClientSecret", agent.configured(&other).await["encryptedClientSecret"].clone()),
    ] {
        let mut trial = trial.clone();
        trial[member] = value;
        let answer = validate(&admin, &agent, &trial).await;
        answer.refused(400, "failed_precondition", "a stored client secret");
    }
    assert_eq!(live.asked().len(), 1, "none of them reached the agent");
    // An integration of another runner is not this one's to try.
    let stranger = admin.register().await;
    let _live = stranger.live(ok).await;
    validate(&admin, &stranger, &trial).await.refused(404, "not_found", "");
}

async fn environment_classes_are_tried_too(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let live = agent
        .live(|_| {
            let error = json!({ "key": "size", "error": "too large" });
            Some(json!({ "validate": { "environmentClass": { "configurationErrors": [error] } } }))
        })
        .await;
    let try_class = async |name: &str| {
        let class = json!({ "displayName": name, "description": "a class", "configuration": [] });
        let body = json!({ "runnerId": agent.runner, "environmentClass": class });
        admin.call("RunnerConfigurationService/ValidateRunnerConfiguration", &body).await.ok()["environmentClass"]
            .clone()
    };
    assert!(try_class("ab").await["displayNameError"].is_string());
    assert!(live.asked().is_empty());
    assert_eq!(try_class("large").await["configurationErrors"][0]["key"], "size");
    let body = json!({ "runnerId": agent.runner });
    let nothing = admin.call("RunnerConfigurationService/ValidateRunnerConfiguration", &body).await;
    nothing.blames("config");
}

/// A plaintext secret needs a key to be sealed with.
async fn a_plaintext_secret_needs_a_key(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let kid = agent.register_x25519().await;
    let _live = agent.live(ok).await;
    admin.revoke(&kid).await.ok();
    let answer = validate(&admin, &agent, &fine()).await;
    answer.refused(400, "failed_precondition", "runner does not have a public key");
    let pat = json!({ "scmId": "github", "host": "ghe.example.com", "pat": true });
    assert_eq!(validate(&admin, &agent, &pat).await.ok()["scmIntegration"]["valid"], true);
}

on_both_stores!(
    findings_stand_at_the_setting_to_blame,
    the_schema_rules_what_may_be_tried,
    settings_of_a_class_are_those_of_the_schema,
    the_agent_opens_what_is_tried,
    a_stored_secret_is_tried_only_as_it_is_stored,
    environment_classes_are_tried_too,
    a_plaintext_secret_needs_a_key,
);
