//! A forge that is away: members are told, it is left alone, and the other forges are asked as ever.
use std::time::Duration;

use http::Method;
use sealink::{
    domain::allowed_origins::AllowedOrigins,
    scm::{egress::Policy, http::Limits, provider::Forges},
};
use serde_json::json;

use super::site::link;
use crate::{
    forges::{FakeForge, Fault, Kind, NEXT_TOKEN, TOKEN},
    support::TestServer,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forge_that_is_away_is_not_asked_again_and_again() {
    let (away, there) = (FakeForge::start(Kind::Gitea).await, FakeForge::start(Kind::Gitea).await);
    let policy = Policy::new(AllowedOrigins::parse(&[&away.origin, &there.origin]).expect("origins"));
    let limits = Limits { rest: Duration::from_hours(1), ..Limits::for_members() };
    let server = TestServer::start_asking(Forges::new(policy, None, limits)).await;
    let nora = server.member("nora").await;
    let of = |scm_type: &str, forge: &FakeForge| json!({ "scm_type": scm_type, "url": forge.origin, "access_token": TOKEN });
    assert_eq!(link(&nora, &of("gitea", &away)).await.status, 201);
    assert_eq!(link(&nora, &of("forgejo", &there)).await.status, 201);
    let branches = async |scm_type: &str| {
        let path = format!("/v1/scm_integrations/{scm_type}/branches?repo_name=octo/hello");
        nora.rest(Method::GET, &path, None).await
    };
    let heard = away.requests().len();
    away.break_with(Fault::Away);
    for _ in 0..6 {
        let answer = branches("gitea").await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    }
    assert_eq!(away.requests().len(), heard + 10, "each call asks three times, until it is known to be away");
    let seconds: u64 = branches("gitea").await.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    // It is back, and nobody looks before the rest is over.
    away.break_with(Fault::None);
    assert_eq!(branches("gitea").await.status, 503);
    link(&nora, &of("forgejo", &away)).await.said(422, "url does not answer");
    let body = json!({ "scm_integration": { "access_token": NEXT_TOKEN } });
    let replaced = nora.rest(Method::PATCH, "/v1/scm_integrations/gitea", Some(&body)).await;
    replaced.said(422, "url does not answer");
    assert_eq!(away.requests().len(), heard + 10);
    assert_eq!(branches("forgejo").await.status, 200);
    assert_eq!(nora.rest(Method::GET, "/v1/scm_integrations/gitea", None).await.status, 200);
}

/// Who has linked nothing yet may name any path of a forge, also one that always fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_shut_nobody_out() {
    let forge = FakeForge::start(Kind::Gitea).await;
    let policy = Policy::new(AllowedOrigins::parse(&[&forge.origin]).expect("origins"));
    let limits = Limits { rest: Duration::from_hours(1), ..Limits::for_members() };
    let server = TestServer::start_asking(Forges::new(policy, None, limits)).await;
    let (nora, mallory) = (server.member("nora").await, server.member("mallory").await);
    let account = json!({ "scm_type": "gitea", "url": forge.origin, "access_token": TOKEN });
    assert_eq!(link(&nora, &account).await.status, 201);
    let heard = forge.requests().len();
    forge.break_with(Fault::Away);
    for _ in 0..5 {
        link(&mallory, &account).await.said(422, "url does not answer");
    }
    assert_eq!(forge.requests().len(), heard + 15, "each was asked three times");
    forge.break_with(Fault::None);
    let answer =
        nora.rest(Method::GET, "/v1/scm_integrations/gitea/branches?repo_name=octo/hello", None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
