//! Whatever a forge does, the agent says what happened in its own words, in time, and goes nowhere else.
use std::time::Duration;

use sealink::{
    agent::forge::{Credential, ForgeError},
    domain::scm::Scm,
    error::Kind as ErrorKind,
    scm::{
        egress::Policy,
        http::{Http, Limits},
    },
};

use super::{FakeForge, Fault, KINDS, Kind, SLUG, TOKEN, open, secret};

const PROMPT: Limits = Limits {
    connect: Duration::from_millis(500),
    total: Duration::from_millis(1_500),
    rest: Duration::from_secs(1),
};

/// What one question ends with, on every kind.
async fn every_kind_says(fault: Fault, expected: fn(ForgeError) -> bool) {
    for (kind, scm) in KINDS {
        let fake = FakeForge::start(kind).await;
        fake.break_with(fault);
        let (forge, token) = (open(scm, &fake.origin, PROMPT), secret(TOKEN));
        let error = forge.user(Credential::Pat(&token)).await.expect_err("a fault");
        assert!(expected(error), "{kind:?} {fault:?}: {error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(!fake.requests().is_empty(), "it was asked");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    every_kind_says(Fault::Unauthorized, |error| error == ForgeError::Unauthenticated).await;
    every_kind_says(Fault::Forbidden, |error| error == ForgeError::Forbidden).await;
    every_kind_says(Fault::NotFound, |error| error == ForgeError::NotFound).await;
    every_kind_says(Fault::RateLimit403, |error| error == ForgeError::RateLimited(None)).await;
    every_kind_says(Fault::TooMany, |error| error == ForgeError::RateLimited(Some(Duration::from_secs(17))))
        .await;
    every_kind_says(Fault::Internal, |error| error == ForgeError::ServerError(500)).await;
}

#[tokio::test]
async fn what_is_no_api_is_foreign() {
    for fault in [Fault::Html, Fault::BadJson, Fault::OtherJson, Fault::Truncated] {
        every_kind_says(fault, |error| matches!(error, ForgeError::Protocol(_))).await;
    }
}

#[tokio::test]
async fn long_answers_are_cut_off() {
    for fault in [Fault::Oversized, Fault::Endless] {
        every_kind_says(fault, |error| error == ForgeError::Protocol("its answer is too long")).await;
    }
}

#[tokio::test]
async fn silence_ends_in_time() {
    every_kind_says(Fault::Slow, |error| error == ForgeError::TimedOut).await;
}

#[tokio::test]
async fn redirects_stay_inside_and_end() {
    for fault in [Fault::RedirectElsewhere, Fault::RedirectToMetadata] {
        every_kind_says(fault, |error| error == ForgeError::Protocol("it leads to another host")).await;
    }
    every_kind_says(Fault::RedirectForEver, |error| error == ForgeError::Protocol("it redirects too often"))
        .await;
    let fake = FakeForge::start(Kind::GitHub).await;
    fake.break_with(Fault::RedirectInside);
    let forge = open(Scm::GitHub, &fake.origin, PROMPT);
    let renamed = forge.repository(Credential::Pat(&secret(TOKEN)), SLUG).await.unwrap();
    assert_eq!((renamed.full_name.as_str(), fake.requests().len()), ("octo/hello", 2));
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let forge = open(Scm::Gitea, &format!("http://{free}"), PROMPT);
    assert_eq!(forge.probe().await, Err(ForgeError::NoConnection));
}

/// A forge with a certificate that nobody here trusts: the agent never asks it.
#[tokio::test]
async fn tls_is_not_optional() {
    let fake = FakeForge::start(Kind::Gitea).await;
    let forge = open(Scm::Gitea, &fake.origin.replace("http://", "https://"), PROMPT);
    drop(forge);
    let https = super::http(&fake.origin.replace("http://", "https://"), PROMPT);
    let origin = https.origin(&fake.host()).unwrap();
    assert_eq!(origin.as_text(), fake.origin.replace("http://", "https://"));
    let site = sealink::domain::context_url::Site::new(Scm::Gitea, &fake.host(), "");
    let forge = sealink::agent::forge::open(&https, &site).unwrap().unwrap();
    assert!(matches!(forge.probe().await, Err(ForgeError::NoConnection | ForgeError::Unreachable(_))));
    assert_eq!(fake.requests().len(), 0);
}

/// A probe takes a refusal for an answer, and a web page for none.
#[tokio::test]
async fn a_probe_finds_out_whether_the_api_is_there() {
    let fake = FakeForge::start(Kind::GitHub).await;
    let forge = open(Scm::GitHub, &fake.origin, PROMPT);
    for fault in [Fault::None, Fault::Unauthorized, Fault::Forbidden, Fault::RateLimit403, Fault::TooMany] {
        fake.break_with(fault);
        assert_eq!(forge.probe().await, Ok(()), "{fault:?}");
    }
    for fault in [Fault::Html, Fault::NotFound, Fault::BadJson] {
        fake.break_with(fault);
        assert!(matches!(forge.probe().await, Err(ForgeError::Protocol(_))), "{fault:?}");
    }
    // Another kind of forge at the same address has no such API.
    fake.break_with(Fault::None);
    let gitea = open(Scm::Gitea, &fake.origin, PROMPT);
    assert!(matches!(gitea.probe().await, Err(ForgeError::Protocol(_))));
}

#[test]
fn a_file_without_certificates_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let refused = |path| Http::new(Policy::default(), Some(path), PROMPT).unwrap_err();
    assert_eq!(refused(&path).kind(), ErrorKind::Precondition);
    for text in ["", "canary", "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&path, text).unwrap();
        let error = refused(&path);
        assert!(error.message().contains("ca.pem") && !format!("{error:?}").contains("canary"), "{error:?}");
    }
}
