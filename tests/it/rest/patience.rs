//! How long a member waits for a forge, however often it is asked.
use std::time::Duration;

use http::Method;
use sealink::{
    domain::allowed_origins::AllowedOrigins,
    scm::{egress::Policy, http::Limits, provider::Forges},
};
use serde_json::{Value, json};

use super::site::link;
use crate::{
    forges::{FakeForge, Fault, Kind, TOKEN},
    support::{Actor, Answer, TestServer},
};

/// A question may take 1.5 s here, and a use case 2.7 s.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(1),
    total: Duration::from_millis(1_500),
    rest: Duration::from_millis(1),
};

async fn start() -> (TestServer, Actor, FakeForge) {
    let fake = FakeForge::start(Kind::Gitea).await;
    let policy = Policy::new(AllowedOrigins::parse(&[&fake.origin]).expect("origins"));
    let server = TestServer::start_asking(Forges::new(policy, None, LIMITS)).await;
    let nora = server.member("nora").await;
    (server, nora, fake)
}

fn account(scm_type: &str, fake: &FakeForge) -> Value {
    json!({ "scm_type": scm_type, "url": fake.origin, "access_token": TOKEN })
}

async fn branches(nora: &Actor, repository: &str) -> Answer {
    let path = format!("/v1/scm_integrations/gitea/branches?repo_name={repository}");
    nora.rest(Method::GET, &path, None).await
}

/// A47: repetitions do not add up: a forge that fails slowly is not asked a third time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a47_slow_tries_end_together() {
    let (_server, nora, fake) = start().await;
    assert_eq!(link(&nora, &account("gitea", &fake)).await.status, 201);
    fake.break_with(Fault::AwaySlowly);
    let heard = fake.requests().len();
    link(&nora, &account("forgejo", &fake)).await.said(422, "url does not answer");
    let tries = fake.requests().len() - heard;
    assert!((1..=2).contains(&tries), "{tries}");
    let used = branches(&nora, "octo/hello").await;
    assert_eq!(used.status, 503, "{used:?}");
    assert!(used.headers.contains_key("retry-after"), "{used:?}");
    let tries = fake.requests().len() - heard - tries;
    assert!((1..=2).contains(&tries), "{tries}");
}

/// Nor do pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a47_slow_pages_end_together() {
    let (_server, nora, fake) = start().await;
    assert_eq!(link(&nora, &account("gitea", &fake)).await.status, 201);
    fake.break_with(Fault::Sluggish);
    let heard = fake.requests().len();
    let many = branches(&nora, "octo/many").await;
    assert_eq!(many.status, 503, "{many:?}");
    assert!(many.headers.contains_key("retry-after"), "{many:?}");
    let pages = fake.requests().len() - heard;
    assert!((1..=7).contains(&pages), "{pages} of 21");
    assert_eq!(branches(&nora, "octo/hello").await.status, 200, "one page is there in time");
}
