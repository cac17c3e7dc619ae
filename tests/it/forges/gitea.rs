//! A real Gitea, started by `tests/forge/gitea`: the same list of behaviours, and OAuth as a person does it.
use std::time::Duration;

use http::Method;
use sealink::{
    agent::forge::{
        Credential, ForgeError,
        oauth::{App, OAuthError, Verifier},
    },
    domain::scm::Scm,
    pb::{
        gitpod::v1::{
            HostAuthenticationTokenSource as Source, ParseContextUrlRequest, ScmIntegrationValidationResult,
        },
        sealink::v1::{
            BeginOAuthCall, CheckAuthenticationForHostCall, CompleteOAuthCall, HostCredential, LiveCaller,
            ParseContextUrlCall, RefreshHostTokenCall, ValidateCall,
            send_response_request::Result as Reply,
            validate_call::{Config, Integration},
            validate_result,
            watch_requests_response::Call,
        },
    },
    scm::http::Limits,
};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{GITEA, RealGitea, SLUG, Subject, behaves, http, open, secret};
use crate::live_agent::desk::{INTEGRATION, Room, TOKEN_ID, integration_of, subject};

const LIMITS: Limits =
    Limits { connect: Duration::from_secs(10), total: Duration::from_mins(1), rest: Duration::from_secs(1) };
const REDIRECT: &str = "http://127.0.0.1/oauth/callback";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB";

/// The world that the list of behaviours looks for.
async fn furnish(gitea: &RealGitea) {
    gitea.post("user/repos", &json!({ "name": "hello", "auto_init": true, "default_branch": "main" })).await;
    let branch = json!({ "new_branch_name": "feature/x", "old_branch_name": "main" });
    gitea.post("repos/octo/hello/branches", &branch).await;
    let file = json!({ "branch": "feature/x", "content": "aGVsbG8K", "message": "A change" });
    gitea.post("repos/octo/hello/contents/hello.txt", &file).await;
    gitea.post("repos/octo/hello/tags", &json!({ "tag_name": "v1", "target": "main" })).await;
    gitea.post("repos/octo/hello/issues", &json!({ "title": "A bug" })).await;
    let request = json!({ "title": "A change", "head": "feature/x", "base": "main" });
    gitea.post("repos/octo/hello/pulls", &request).await;
    gitea.post("orgs", &json!({ "username": "octo-org" })).await;
}

/// The fakes are held against these definitions, so they must fit what the program sends.
async fn sends_what_it_defines(gitea: &RealGitea) {
    gitea.post("user/keys", &json!({ "title": "laptop", "key": KEY })).await;
    let branch = gitea.ask(Method::GET, "repos/octo/hello/branches/main", &json!({})).await;
    let commit =
        format!("repos/octo/hello/git/commits/{}", branch["commit"]["id"].as_str().expect("a commit"));
    for path in [
        "version",
        "user",
        "user/keys",
        "user/orgs",
        "users/octo",
        "orgs/octo-org",
        "repos/search",
        "repos/octo/hello",
        "repos/octo/hello/pulls",
        "repos/octo/hello/pulls/2",
        "repos/octo/hello/issues/1",
        "repos/octo/hello/branches",
        "repos/octo/hello/branches/main",
        "repos/octo/hello/tags/v1",
        &commit,
    ] {
        let mut sent = gitea.ask(Method::GET, path, &json!({})).await;
        drop_second_names(&mut sent);
        assert_eq!(GITEA.wrong(path, &sent), None, "{sent}");
    }
}

/// Gitea says a person's `login` a second time, as `username`, which its definitions leave out.
fn drop_second_names(sent: &mut Value) {
    match sent {
        Value::Array(items) => items.iter_mut().for_each(drop_second_names),
        Value::Object(members) => {
            if members.contains_key("login") && members.get("login") == members.get("username") {
                members.remove("username");
            }
            members.values_mut().for_each(drop_second_names);
        }
        _ => {}
    }
}

/// One test, because there is one Gitea: the list of behaviours, then OAuth.
#[tokio::test]
#[ignore = "needs TEST_GITEA_URL, which tests/forge/gitea sets"]
async fn a_real_gitea_behaves_and_is_an_oauth_provider() {
    let gitea = RealGitea::connect();
    furnish(&gitea).await;
    let scopes = ["read:user", "read:organization", "write:repository", "read:issue"];
    let token = secret(&gitea.token("all", &scopes).await);
    let subject = Subject { forge: open(Scm::Gitea, &gitea.origin, LIMITS), token };
    behaves(&subject).await;
    sends_what_it_defines(&gitea).await;

    let narrow = secret(&gitea.token("narrow", &["read:misc"]).await);
    let refused = subject.forge.repository(Credential::Pat(&narrow), SLUG).await;
    assert_eq!(refused, Err(ForgeError::Forbidden), "a scope is missing");

    let (client_id, client_secret) = gitea.application(REDIRECT).await;
    let client_secret = secret(&client_secret);
    let http = http(&gitea.origin, LIMITS);
    let app = |client_id| App::new(Scm::Gitea, http.origin(gitea.host()).unwrap(), client_id).unwrap();
    let ours = app(&client_id);
    assert_eq!(ours.check(&http, &client_secret).await, Ok(()));
    assert_eq!(ours.check(&http, &secret("another-secret")).await, Err(OAuthError::BadClient));
    let unknown = app("01234567-0000-4000-8000-000000000000");
    assert_eq!(unknown.check(&http, &client_secret).await, Err(OAuthError::BadClient));

    let verifier = Verifier::fresh().unwrap();
    let authorize = ours.authorize_url(REDIRECT, "the-state", &verifier);
    let code = gitea.consent(&authorize).await;
    let other = Verifier::fresh().unwrap();
    let stolen = ours.exchange(&http, &client_secret, &code, REDIRECT, other.secret()).await;
    assert_eq!(stolen.err(), Some(OAuthError::BadGrant), "a code without its verifier is worth nothing");
    let grant = ours.exchange(&http, &client_secret, &code, REDIRECT, verifier.secret()).await.unwrap();
    let user = subject.forge.user(Credential::OAuth(&grant.access)).await.unwrap();
    assert_eq!(user.login, "octo");
    let found = subject.forge.repository(Credential::OAuth(&grant.access), SLUG).await.unwrap();
    assert_eq!(found.full_name, "octo/hello");
    assert!(grant.expires_in.is_some_and(|lives| lives <= Duration::from_hours(1)));
    let again = ours.exchange(&http, &client_secret, &code, REDIRECT, verifier.secret()).await;
    assert_eq!(again.err(), Some(OAuthError::BadGrant), "a code is good once");

    let refresh = grant.refresh.expect("a refresh token");
    let renewed = ours.refresh(&http, &client_secret, &refresh).await.unwrap();
    assert_eq!(subject.forge.user(Credential::OAuth(&renewed.access)).await.unwrap().login, "octo");
    let bogus = ours.refresh(&http, &client_secret, &secret("nonsense")).await;
    assert_eq!(bogus.err(), Some(OAuthError::BadGrant));

    through_the_agent(&gitea, (&client_id, client_secret.expose())).await;
}

/// The same as a server would have it done: OAuth, then calls with the sealed credential it made.
async fn through_the_agent(gitea: &RealGitea, app: (&str, &str)) {
    let room =
        Room::open_at(&gitea.origin, |key| integration_of(key, INTEGRATION, Scm::Gitea, gitea.host(), app));
    let integration = Some(room.integration.clone());
    let asked = Integration { integration: integration.clone(), secret_is_stored: true };
    let asked = Call::Validate(ValidateCall { config: Some(Config::ScmIntegration(asked)) });
    let Ok(Reply::Validate(found)) = room.answer(asked).await else { panic!("not validated") };
    let valid = ScmIntegrationValidationResult { valid: true, ..Default::default() };
    assert_eq!(found.result, Some(validate_result::Result::ScmIntegration(valid)));

    let ticket_id = Uuid::from_u128(40).to_string();
    let call = BeginOAuthCall {
        ticket_id: ticket_id.clone(),
        integration: integration.clone(),
        redirect_uri: REDIRECT.to_owned(),
        state: "the-state".to_owned(),
    };
    let Ok(Reply::BeginOauth(begun)) = room.answer(Call::BeginOauth(call)).await else { panic!("not begun") };
    let code = gitea.consent(&Url::parse(&begun.authorize_url).unwrap()).await;
    let complete = CompleteOAuthCall {
        ticket_id,
        token_id: TOKEN_ID.to_string(),
        integration: integration.clone(),
        redirect_uri: REDIRECT.to_owned(),
        code,
        sealed_verifier: begun.sealed_verifier,
        kid: begun.kid,
        subject: Some(subject()),
    };
    let done = room.answer(Call::CompleteOauth(complete)).await;
    let Ok(Reply::CompleteOauth(done)) = done else { panic!("{done:?}") };
    assert_eq!(done.user_name, "octo");
    assert!(done.expires_at.is_some() && !done.sealed_refresh_token.is_empty());

    let credential = HostCredential {
        token_id: TOKEN_ID.to_string(),
        host: gitea.host().to_owned(),
        sealed_token: done.sealed_token,
        kid: done.kid.clone(),
        source: Source::Oauth.into(),
        integration_id: room.integration.id.clone(),
        expires_at: done.expires_at,
    };
    let caller = Some(LiveCaller { subject: Some(subject()), credentials: vec![credential] });
    let context_url = format!("{}/octo/hello/src/branch/feature/x/hello.txt", gitea.origin);
    let request = Some(ParseContextUrlRequest { context_url, ..Default::default() });
    let parse = ParseContextUrlCall { caller: caller.clone(), request };
    let parsed = room.answer(Call::ParseContextUrl(parse)).await;
    let Ok(Reply::ParseContextUrl(parsed)) = parsed else { panic!("{parsed:?}") };
    let git = parsed.response.unwrap().git.unwrap();
    assert_eq!((git.branch.as_str(), git.owner.as_str()), ("feature/x", "octo"));
    assert_eq!(git.clone_url, format!("{}/octo/hello.git", gitea.origin));
    let check = CheckAuthenticationForHostCall { caller, integration: integration.clone() };
    let checked = room.answer(Call::CheckAuthenticationForHost(check)).await;
    let Ok(Reply::CheckAuthenticationForHost(checked)) = checked else { panic!("{checked:?}") };
    assert!(checked.response.unwrap().authenticated);

    let refresh = RefreshHostTokenCall {
        token_id: TOKEN_ID.to_string(),
        integration,
        sealed_refresh_token: done.sealed_refresh_token,
        kid: done.kid,
        subject: Some(subject()),
    };
    let renewed = room.answer(Call::RefreshHostToken(refresh)).await;
    let Ok(Reply::RefreshHostToken(renewed)) = renewed else { panic!("{renewed:?}") };
    assert!(!renewed.sealed_token.is_empty() && renewed.expires_at.is_some());
}
