//! OAuth and validation through the desk: secrets are opened here, and only ciphertext leaves.
use std::{collections::HashMap, sync::PoisonError};

use sealink::{
    domain::scm::Scm,
    pb::{
        gitpod::v1::ScmIntegrationValidationResult,
        sealink::v1::{
            BeginOAuthCall, BeginOAuthResult, CallErrorCode as Code, CompleteOAuthCall,
            ConfiguredIntegration, RefreshHostTokenCall, ValidateCall,
            send_response_request::Result as Reply,
            validate_call::{Config, Integration},
            validate_result,
            watch_requests_response::Call,
        },
    },
    seal::{Field, Place, seal},
};
use url::Url;
use uuid::Uuid;

use super::desk::{Office, REQUEST, RUNNER, SUBJECT, TOKEN_ID, subject};
use crate::forges::{CLIENT_ID, CLIENT_SECRET, FakeForge, Fault, Kind, TOKEN, secret};

const TICKET: Uuid = Uuid::from_u128(40);
const REDIRECT: &str = "https://sealink.example.com/oauth/callback";

async fn begin(office: &Office) -> BeginOAuthResult {
    let call = BeginOAuthCall {
        ticket_id: TICKET.to_string(),
        integration: Some(office.integration.clone()),
        redirect_uri: REDIRECT.to_owned(),
        state: "state".to_owned(),
    };
    match office.answer(Call::BeginOauth(call)).await {
        Ok(Reply::BeginOauth(begun)) => begun,
        other => panic!("{other:?}"),
    }
}

fn complete(office: &Office, begun: &BeginOAuthResult, code: &str) -> CompleteOAuthCall {
    CompleteOAuthCall {
        ticket_id: TICKET.to_string(),
        token_id: TOKEN_ID.to_string(),
        integration: Some(office.integration.clone()),
        redirect_uri: REDIRECT.to_owned(),
        code: code.to_owned(),
        sealed_verifier: begun.sealed_verifier.clone(),
        kid: begun.kid.clone(),
        subject: Some(subject()),
    }
}

/// What is sealed at this place, opened with the agent's own keys.
fn opened(office: &Office, field: Field, sub: Uuid, bytes: &[u8], kid: &str) -> String {
    let host = office.forge.host();
    let (b, c) = if field == Field::OauthVerifier { ("", CLIENT_ID) } else { (SUBJECT, "OAUTH") };
    let place = Place { runner: RUNNER, sub, field, a: &host, b, c };
    let mut opener = office.opener.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = opener.open(bytes, kid, &place).unwrap();
    outcome.secret().unwrap_or_else(|| panic!("{outcome:?}")).expose().to_owned()
}

#[tokio::test]
async fn a_code_becomes_a_sealed_credential() {
    for (kind, scm) in [(Kind::GitHub, Scm::GitHub), (Kind::GitLab, Scm::GitLab), (Kind::Gitea, Scm::Gitea)] {
        let office = Office::open(kind, scm).await;
        let begun = begin(&office).await;
        let url = Url::parse(&begun.authorize_url).unwrap();
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!((query["state"].as_str(), query["redirect_uri"].as_str()), ("state", REDIRECT));
        let verifier = opened(&office, Field::OauthVerifier, TICKET, &begun.sealed_verifier, &begun.kid);
        assert!(!begun.authorize_url.contains(&verifier));

        let done = match office.answer(Call::CompleteOauth(complete(&office, &begun, "good-code"))).await {
            Ok(Reply::CompleteOauth(done)) => done,
            other => panic!("{other:?}"),
        };
        assert_eq!(opened(&office, Field::HostTokenValue, TOKEN_ID, &done.sealed_token, &done.kid), TOKEN);
        assert_eq!((done.user_name.as_str(), done.scopes.len()), ("octo", 2));
        assert_eq!(done.expires_at.is_some(), kind != Kind::GitHub);
        assert_eq!(done.sealed_refresh_token.is_empty(), kind == Kind::GitHub);
        if kind != Kind::GitHub {
            let refresh =
                opened(&office, Field::HostTokenRefresh, TOKEN_ID, &done.sealed_refresh_token, &done.kid);
            assert_eq!(refresh, "sealink-canary-refresh-2");
        }
        let exchange =
            office.forge.requests().into_iter().find(|one| one.body.contains("good-code")).unwrap();
        assert!(exchange.body.contains(&verifier) && exchange.body.contains(CLIENT_SECRET));
    }
}

#[tokio::test]
async fn failures_of_the_exchange_are_told_apart() {
    let office = Office::open(Kind::GitLab, Scm::GitLab).await;
    let begun = begin(&office).await;
    let refused = async |call| office.refused(Call::CompleteOauth(call)).await.code();
    assert_eq!(refused(complete(&office, &begun, "used-code")).await, Code::Unauthenticated);
    // A verifier of another ticket does not open.
    let mut other = complete(&office, &begun, "good-code");
    other.ticket_id = Uuid::from_u128(41).to_string();
    assert_eq!(refused(other).await, Code::FailedPrecondition);
    let asked = office.forge.requests().len();
    let mut moved = complete(&office, &begun, "good-code");
    moved.integration.as_mut().unwrap().client_id = "another".to_owned();
    assert_eq!(refused(moved).await, Code::FailedPrecondition);
    assert_eq!(office.forge.requests().len(), asked, "no secret went anywhere");
    office.forge.break_with(Fault::Internal);
    assert_eq!(refused(complete(&office, &begun, "good-code")).await, Code::Unavailable);
}

#[tokio::test]
async fn a_refresh_token_becomes_a_new_credential() {
    let office = Office::open(Kind::Forgejo, Scm::Forgejo).await;
    let host = office.forge.host();
    let call = |text: &str| {
        let field = Field::HostTokenRefresh;
        let place = Place { runner: RUNNER, sub: TOKEN_ID, field, a: &host, b: SUBJECT, c: "OAUTH" };
        let sealed = seal(&office.key, &place, &secret(text)).unwrap();
        Call::RefreshHostToken(RefreshHostTokenCall {
            token_id: TOKEN_ID.to_string(),
            integration: Some(office.integration.clone()),
            sealed_refresh_token: sealed.bytes,
            kid: sealed.kid.0,
            subject: Some(subject()),
        })
    };
    match office.answer(call("sealink-canary-refresh")).await {
        Ok(Reply::RefreshHostToken(done)) => {
            assert_eq!(
                opened(&office, Field::HostTokenValue, TOKEN_ID, &done.sealed_token, &done.kid),
                TOKEN
            );
            assert!(done.expires_at.is_some());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(office.refused(call("sealink-canary-gone")).await.code(), Code::Unauthenticated);
}

fn validate(integration: ConfiguredIntegration, secret_is_stored: bool) -> Call {
    let integration = Integration { integration: Some(integration), secret_is_stored };
    Call::Validate(ValidateCall { config: Some(Config::ScmIntegration(integration)) })
}

/// The integration as an administrator would send it, the secret sealed for this call.
fn tried(office: &Office, host: &str, text: &str) -> ConfiguredIntegration {
    let place = Place {
        runner: RUNNER,
        sub: REQUEST,
        field: Field::ValidateClientSecret,
        a: host,
        b: "",
        c: CLIENT_ID,
    };
    let sealed = seal(&office.key, &place, &secret(text)).unwrap();
    ConfiguredIntegration {
        id: String::new(),
        host: host.to_owned(),
        encrypted_client_secret: sealed.bytes,
        kid: sealed.kid.0,
        ..office.integration.clone()
    }
}

async fn verdict(office: &Office, call: Call) -> ScmIntegrationValidationResult {
    match office.answer(call).await {
        Ok(Reply::Validate(found)) => match found.result {
            Some(validate_result::Result::ScmIntegration(found)) => found,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_configuration_is_really_tried() {
    for (kind, scm) in [(Kind::GitHub, Scm::GitHub), (Kind::GitLab, Scm::GitLab), (Kind::Gitea, Scm::Gitea)] {
        let office = Office::open(kind, scm).await;
        let host = office.forge.host();
        let good = verdict(&office, validate(tried(&office, &host, CLIENT_SECRET), false)).await;
        assert_eq!(good, ScmIntegrationValidationResult { valid: true, ..Default::default() }, "{kind:?}");
        let bad = verdict(&office, validate(tried(&office, &host, "sealink-canary-wrong"), false)).await;
        assert!(!bad.valid && bad.oauth_error.unwrap().contains("client id and secret"), "{kind:?}");
        let stored = verdict(&office, validate(office.integration.clone(), true)).await;
        assert!(stored.valid, "{kind:?}: {stored:?}");
        office.forge.break_with(Fault::Html);
        let foreign = verdict(&office, validate(tried(&office, &host, CLIENT_SECRET), false)).await;
        assert!(!foreign.valid && foreign.host_error.unwrap().contains("not the API"), "{kind:?}");
    }
}

/// A forge that takes personal access tokens refuses one that nobody has; anything else stands against them.
#[tokio::test]
async fn personal_access_tokens_are_tried_where_they_are_asked_about() {
    for (kind, scm) in [(Kind::GitHub, Scm::GitHub), (Kind::GitLab, Scm::GitLab), (Kind::Gitea, Scm::Gitea)] {
        let office = Office::open(kind, scm).await;
        let only_tokens = |pat| ConfiguredIntegration {
            id: String::new(),
            client_id: String::new(),
            kid: String::new(),
            encrypted_client_secret: Vec::new(),
            pat,
            ..office.integration.clone()
        };
        assert!(verdict(&office, validate(only_tokens(true), false)).await.valid, "{kind:?}");
        office.forge.break_with(Fault::OtherJson);
        let found = verdict(&office, validate(only_tokens(true), false)).await;
        let alone =
            ScmIntegrationValidationResult { pat_error: found.pat_error.clone(), ..Default::default() };
        assert!(found.pat_error.is_some() && found == alone, "{kind:?}: {found:?}");
        assert!(
            verdict(&office, validate(only_tokens(false), false)).await.valid,
            "{kind:?}: not asked about"
        );
    }
}

#[tokio::test]
async fn a_host_the_agent_does_not_dial_is_a_host_error() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    for host in ["127.0.0.1:1", "169.254.169.254", "localhost"] {
        let refused = verdict(&office, validate(tried(&office, host, CLIENT_SECRET), false)).await;
        assert!(!refused.valid && refused.host_error.is_some(), "{host}");
    }
}

/// A stored secret goes to no host but its own, whatever the call says: nothing is dialled.
#[tokio::test]
async fn validate_is_no_oracle() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    let evil = FakeForge::start(Kind::GitHub).await;
    let change = |change: fn(&mut ConfiguredIntegration, &str)| {
        let mut integration = office.integration.clone();
        change(&mut integration, &evil.host());
        integration
    };
    let cases = [
        change(|one, host| host.clone_into(&mut one.host)),
        change(|one, _| "another".clone_into(&mut one.client_id)),
        change(|one, _| "https://evil.example".clone_into(&mut one.issuer_url)),
        change(|one, _| one.encrypted_client_secret.push(b'A')),
        change(|one, _| one.id = Uuid::from_u128(99).to_string()),
    ];
    for integration in cases {
        let error = office.refused(validate(integration, true)).await;
        assert_eq!(error.code(), Code::FailedPrecondition);
    }
    // The stored ciphertext, passed off as one that was sealed for this call.
    let passed = verdict(&office, validate(office.integration.clone(), false)).await;
    assert!(passed.oauth_error.unwrap().contains("cannot open"));
    assert_eq!(evil.requests().len(), 0);
    assert!(office.forge.requests().iter().all(|one| one.body.is_empty()), "no secret was sent");
}
