//! Who an account's owner is at the forge is asked again, at most once an hour, and never in anybody's way.
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::site::{Site, with_forges};
use crate::forges::{Fault, NEXT_TOKEN};

/// An hour later.
const AGE: &str = "UPDATE scm_account SET profiled_at = profiled_at - 3600000000";
const REFRESHED: &str = "SELECT count(*) FROM audit_entry WHERE action = 'scm_account.refresh'";

/// How often a forge was asked whose a token is.
fn asked(site: &Site, scm_type: &str) -> usize {
    let requests = site.forge(scm_type).requests();
    requests.iter().filter(|one| one.target.ends_with("/user")).count()
}

async fn shown(site: &Site, scm_type: &str) -> Value {
    site.get(&format!("/{scm_type}")).await.ok()["scm_integration"].clone()
}

/// Waits until an account is shown as the forge shows it under this name.
async fn until_named(site: &Site, scm_type: &str, name: &str) -> Value {
    for _ in 0..600 {
        let account = shown(site, scm_type).await;
        if account["username"] == name {
            return account;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{scm_type} is never shown as {name}")
}

async fn a_profile_follows_its_forge_once_an_hour(site: &Site) {
    for (scm_type, fake) in &site.forges {
        let before = site.link(scm_type).await;
        let first = asked(site, scm_type);
        fake.break_with(Fault::Renamed);
        assert_eq!(shown(site, scm_type).await, before, "{scm_type}: the hour is not over");
        site.server.database().execute(AGE).await;
        // However many see it is old, the forge is asked once; one use after the other sees the same or better.
        let path = format!("/{scm_type}");
        join_all((0..20).map(|_| async { site.get(&path).await.ok() })).await;
        let after = until_named(site, scm_type, "renamed").await;
        let expected = json!({
            "email": "renamed@forge.example", "avatar_url": "https://forge.example/renamed.png",
            "profile_url": "https://forge.example/renamed", "id": before["id"], "uid": "1",
            "created_at": before["created_at"],
        });
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(after[name], *value, "{scm_type} {name}");
        }
        fake.break_with(Fault::None);
        site.server.database().execute(AGE).await;
        // A list is a use, too.
        site.get("").await.ok();
        until_named(site, scm_type, "octo").await;
        assert_eq!(asked(site, scm_type), first + 2, "{scm_type}");
    }
    let changes = 2 * i64::try_from(site.forges.len()).expect("a number");
    assert_eq!(site.server.database().count(REFRESHED).await, changes);
}

/// Whatever the forge says or does not say, the account is there as it was. That its token was revoked is told to who
/// uses it, and another token mends it.
async fn an_account_outlives_its_token(site: &Site) {
    let database = site.server.database();
    for (scm_type, fake) in &site.forges {
        let before = site.link(scm_type).await;
        let branches = format!("/{scm_type}/branches?repo_name=octo/hello");
        for fault in [Fault::Unauthorized, Fault::Internal, Fault::Html, Fault::Replaced] {
            fake.break_with(fault);
            database.execute(AGE).await;
            let asked_before = asked(site, scm_type);
            assert_eq!(shown(site, scm_type).await, before, "{scm_type} {fault:?}");
            for _ in 0..600 {
                if asked(site, scm_type) > asked_before {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(asked(site, scm_type), asked_before + 1, "{scm_type} {fault:?}");
            assert_eq!(shown(site, scm_type).await, before, "{scm_type} {fault:?}");
            let used = site.get(&branches).await;
            match fault {
                Fault::Unauthorized => {
                    used.said(403, "the forge does not accept the access token any more");
                    assert_eq!(used.value()["code"], "scm_token_rejected");
                }
                Fault::Replaced => assert_eq!(used.status, 200, "{used:?}"),
                _ => assert_eq!(used.status, 503, "{used:?}"),
            }
        }
        fake.break_with(Fault::None);
        let body = json!({ "scm_integration": { "access_token": NEXT_TOKEN } });
        let path = format!("/v1/scm_integrations/{scm_type}");
        assert_eq!(site.nora.rest(Method::PATCH, &path, Some(&body)).await.status, 200);
        assert_eq!(site.get(&branches).await.status, 200);
    }
    assert_eq!(database.count(REFRESHED).await, 0);
}

with_forges!(a_profile_follows_its_forge_once_an_hour, an_account_outlives_its_token);

/// Two servers of one database see the same old profile, and one of them asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn two_servers_ask_once_on_postgres() {
    let site = Site::start(true).await;
    let replica = site.server.replica().await;
    site.link("gitea").await;
    let there = replica.admin.with_token(site.nora.token.as_deref().expect("a token"));
    let mut name = "octo";
    for round in 1..=10 {
        let fault = if name == "octo" { Fault::Renamed } else { Fault::None };
        name = if name == "octo" { "renamed" } else { "octo" };
        site.forge("gitea").break_with(fault);
        site.server.database().execute(AGE).await;
        let path = "/v1/scm_integrations/gitea";
        let uses = [&site.nora, &there].repeat(5);
        join_all(uses.into_iter().map(|actor| actor.rest(Method::GET, path, None))).await;
        until_named(&site, "gitea", name).await;
        assert_eq!(asked(&site, "gitea"), 1 + round);
    }
    replica.stop().await;
    site.server.stop().await;
}
