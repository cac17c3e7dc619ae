//! The JSON of messages: what is always there, what is absent, and how values are spelled.
use sealink::{
    pb::{gitpod::v1 as gitpod, sealink::v1 as own},
    wkt::Timestamp,
};
use serde_json::{Value, json};

fn written<M: serde::Serialize>(message: &M) -> Value {
    serde_json::to_value(message).expect("JSON")
}

#[test]
fn empty_lists_are_there() {
    assert_eq!(written(&gitpod::ListScmIntegrationsResponse::default()), json!({"integrations": []}));
    assert_eq!(written(&gitpod::ListLlmIntegrationsResponse::default()), json!({"integrations": []}));
    assert_eq!(written(&gitpod::ListHostAuthenticationTokensResponse::default()), json!({"tokens": []}));
    assert_eq!(written(&gitpod::ListRunnersResponse::default()), json!({"runners": []}));
    assert_eq!(
        written(&gitpod::ListEnvironmentClassesResponse::default()),
        json!({"environmentClasses": []})
    );
    assert_eq!(written(&gitpod::ListRunnerPoliciesResponse::default()), json!({"policies": []}));
    assert_eq!(written(&gitpod::ListGatewaysResponse::default()), json!({"gateways": []}));
    assert_eq!(written(&own::ListUsersResponse::default()), json!({"users": []}));
    assert_eq!(written(&own::ListTokensResponse::default()), json!({"tokens": []}));
    assert_eq!(written(&own::ListKeysResponse::default()), json!({"keys": []}));
}

#[test]
fn required_members_are_there() {
    assert_eq!(written(&gitpod::CreateRunnerResponse::default()), json!({"runner": {}}));
    assert_eq!(written(&gitpod::GetRunnerResponse::default()), json!({"runner": {}}));
    assert_eq!(written(&gitpod::CreateRunnerPolicyResponse::default()), json!({"policy": {}}));
    assert_eq!(written(&gitpod::UpdateRunnerPolicyResponse::default()), json!({"policy": {}}));
    let token = json!({"token": {"id": ""}});
    assert_eq!(written(&gitpod::CreateHostAuthenticationTokenResponse::default()), token);
    assert_eq!(written(&gitpod::GetHostAuthenticationTokenResponse::default()), token);
    assert_eq!(written(&gitpod::EnvironmentClass::default()), json!({"id": "", "runnerId": ""}));
    assert_eq!(written(&gitpod::CreateRunnerLogsTokenResponse::default()), json!({"accessToken": ""}));
    assert_eq!(written(&gitpod::Gateway::default()), json!({"name": "", "url": ""}));
}

#[test]
fn set_members_are_written_once() {
    let runner = gitpod::Runner { runner_id: "r".into(), ..Default::default() };
    let response = gitpod::GetRunnerResponse { runner: Some(runner) };
    assert_eq!(serde_json::to_string(&response).expect("JSON"), r#"{"runner":{"runnerId":"r"}}"#);
}

#[test]
fn presence_is_the_signal() {
    let mut integration = gitpod::ScmIntegration { id: "i".into(), ..Default::default() };
    assert_eq!(written(&integration), json!({"id": "i"}), "without OAuth");
    integration.oauth = Some(gitpod::ScmIntegrationOAuthConfig::default());
    integration.virtual_directory = Some(String::new());
    assert_eq!(written(&integration), json!({"id": "i", "oauth": {}, "virtualDirectory": ""}));
}

#[test]
fn values_are_canonical() {
    let created_at = Some(Timestamp { seconds: 1_700_000_000, nanos: 500_000_000 });
    let runner = gitpod::Runner {
        created_at,
        kind: gitpod::RunnerKind::Remote as i32,
        status: Some(gitpod::RunnerStatus { public_key: vec![0xfb, 0xff], ..Default::default() }),
        ..Default::default()
    };
    let expected = json!({
        "createdAt": "2023-11-14T22:13:20.500Z",
        "kind": "RUNNER_KIND_REMOTE",
        "status": {"publicKey": "+/8="},
    });
    assert_eq!(written(&runner), expected);
    let integration = gitpod::LlmIntegration { max_tokens: u64::MAX, ..Default::default() };
    assert_eq!(written(&integration), json!({"maxTokens": "18446744073709551615"}));
}

#[test]
fn either_spelling_is_read_and_unknown_members_are_not_minded() {
    for body in [
        r#"{"runnerId":"r","oauthClientId":"","pat":true,"organization_id":"x"}"#,
        r#"{"runner_id":"r","oauth_client_id":"","pat":true,"unknown":{"a":[1]}}"#,
    ] {
        let request: gitpod::CreateScmIntegrationRequest = serde_json::from_str(body).expect("a request");
        assert_eq!(request.runner_id, "r");
        assert_eq!(request.oauth_client_id.as_deref(), Some(""), "set and empty");
        assert_eq!(request.oauth_plaintext_client_secret, None, "absent");
        assert!(request.pat);
    }
}

#[test]
fn enums_are_read_by_name_or_number() {
    for body in [r#"{"name":"abc","kind":"RUNNER_KIND_REMOTE"}"#, r#"{"name":"abc","kind":2}"#] {
        let request: gitpod::CreateRunnerRequest = serde_json::from_str(body).expect("a request");
        assert_eq!(request.kind(), gitpod::RunnerKind::Remote);
    }
}
