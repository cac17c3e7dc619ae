//! OAuth apps at the wire: authorize, exchange, refresh, and whether a secret is the right one.
use std::{collections::HashMap, time::Duration};

use sealink::{
    agent::forge::{
        ForgeError,
        oauth::{App, OAuthError, Verifier},
    },
    domain::scm::Scm,
    scm::http::{Http, Limits},
};

use super::{CLIENT_ID, CLIENT_SECRET, FakeForge, Fault, KINDS, Kind, TOKEN, http, secret};

const REDIRECT: &str = "https://sealink.example.com/oauth/callback";
fn app<'a>(fake: &FakeForge, http: &Http, scm: Scm, client_id: &'a str) -> App<'a> {
    App::new(scm, http.origin(&fake.host()).unwrap(), client_id).expect("OAuth")
}

#[tokio::test]
async fn a_code_becomes_a_grant_and_a_grant_is_renewed() {
    for (kind, scm) in KINDS {
        let fake = FakeForge::start(kind).await;
        let http = http(&fake.origin, Limits::default());
        let app = app(&fake, &http, scm, CLIENT_ID);
        let verifier = Verifier::fresh().unwrap();

        let url = app.authorize_url(REDIRECT, "the state", &verifier);
        assert!(url.as_str().starts_with(&fake.origin), "{url}");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!((query["client_id"].as_str(), query["state"].as_str()), (CLIENT_ID, "the state"));
        assert_eq!((query["redirect_uri"].as_str(), query["response_type"].as_str()), (REDIRECT, "code"));
        assert_eq!(
            (query["code_challenge"].clone(), query["code_challenge_method"].as_str()),
            (verifier.challenge(), "S256")
        );
        assert!(!url.as_str().contains(verifier.secret().expose()) && query["scope"].contains(' '));

        let secret = secret(CLIENT_SECRET);
        let grant = app.exchange(&http, &secret, "good-code", REDIRECT, verifier.secret()).await.unwrap();
        assert_eq!((grant.access.expose(), grant.scopes.len()), (TOKEN, 2), "{scm:?}");
        let lives = (kind != Kind::GitHub).then_some(Duration::from_hours(2));
        assert_eq!((grant.expires_in, grant.refresh.is_some()), (lives, lives.is_some()), "{scm:?}");
        let old = super::secret("sealink-canary-refresh");
        let renewed = app.refresh(&http, &secret, &old).await.unwrap();
        assert_eq!(renewed.access.expose(), TOKEN);

        let heard = fake.requests();
        assert!(heard.iter().all(|one| one.header("accept") == "application/json"), "{heard:?}");
        // Never a secret in a URL: those end up in logs.
        assert!(heard.iter().all(|one| !one.target.contains('?')), "{heard:?}");
        assert!(heard[0].body.contains(verifier.secret().expose()));
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (kind, scm) in KINDS {
        let fake = FakeForge::start(kind).await;
        let http = http(&fake.origin, Limits::default());
        let (good, wrong) = (secret(CLIENT_SECRET), secret("sealink-canary-other"));
        let ours = app(&fake, &http, scm, CLIENT_ID);
        let verifier = Verifier::fresh().unwrap();
        let stale = ours.exchange(&http, &good, "used-code", REDIRECT, verifier.secret()).await;
        assert_eq!(stale.err(), Some(OAuthError::BadGrant), "{scm:?}");
        assert_eq!(ours.refresh(&http, &good, &wrong).await.err(), Some(OAuthError::BadGrant), "{scm:?}");

        assert_eq!(ours.check(&http, &good).await, Ok(()), "{scm:?}");
        assert_eq!(ours.check(&http, &wrong).await, Err(OAuthError::BadClient), "{scm:?}");
        let unknown = app(&fake, &http, scm, "another-client");
        assert_eq!(unknown.check(&http, &good).await, Err(OAuthError::BadClient), "{scm:?}");
    }
}

#[tokio::test]
async fn what_is_no_token_endpoint_decides_nothing() {
    let fake = FakeForge::start(Kind::GitLab).await;
    let http = http(
        &fake.origin,
        Limits {
            connect: Duration::from_millis(500),
            total: Duration::from_millis(1_500),
            rest: Duration::from_secs(1),
        },
    );
    let app = app(&fake, &http, Scm::GitLab, CLIENT_ID);
    let checks = [
        (Fault::Html, None),
        (Fault::BadJson, None),
        (Fault::Internal, Some(ForgeError::ServerError(500))),
        (Fault::TooMany, Some(ForgeError::RateLimited(Some(Duration::from_secs(17))))),
        (Fault::Slow, Some(ForgeError::TimedOut)),
        // A client secret follows no redirect, not even inside.
        (Fault::RedirectElsewhere, None),
        (Fault::RedirectForEver, None),
    ];
    for (fault, expected) in checks {
        fake.break_with(fault);
        let before = fake.requests().len();
        let Err(OAuthError::Forge(error)) = app.check(&http, &secret(CLIENT_SECRET)).await else {
            panic!("{fault:?} decided something");
        };
        assert!(
            expected.map_or(matches!(error, ForgeError::Protocol(_)), |expected| expected == error),
            "{error:?}"
        );
        assert!(!error.to_string().contains("canary"));
        assert_eq!(fake.requests().len(), before + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn kinds_without_oauth_here_have_no_app() {
    let http = http("http://127.0.0.1:1", Limits::default());
    for scm in [Scm::Bitbucket, Scm::AzureEntra, Scm::AzureServer] {
        assert!(App::new(scm, http.origin("bitbucket.org").unwrap(), "x").is_none());
    }
}
