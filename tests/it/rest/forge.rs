//! What a linked account sees at its forge: one list of behaviours, every kind of forge.
use http::Method;
use serde_json::{Value, json};

use super::{
    conformance::{Subject, names},
    site::{Site, with_forges},
};
use crate::forges::{Fault, NEXT_TOKEN, OTHER_TOKEN, TOKEN};

async fn keys_are_imported_once(site: &Site) {
    for (scm_type, _) in &site.forges {
        site.link(scm_type).await;
    }
    let import = async |scm_type: &str| {
        let path = format!("/v1/scm_integrations/{scm_type}/import_keys");
        // As official clients send it.
        let request = site
            .nora
            .request(Method::POST, &path)
            .header("content-type", "application/x-www-form-urlencoded");
        let token = site.nora.token.as_deref().expect("a token");
        let answer =
            request.header("authorization", format!("Bearer {token}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 201);
        serde_json::from_str::<Value>(&answer.text().await.expect("a body")).expect("JSON")
    };
    let imported = import("gitea").await;
    assert_eq!(names(&imported, "keys", "name"), ["gitea-key-2", "gitea-work laptop"]);
    assert_eq!(imported["keys"][0]["fingerprint"], "05:6d:11:6f:aa:82:7f:17:e4:a2:92:09:ca:cf:9d:42");
    let all = site.nora.rest(Method::GET, "/v1/keys", None).await.ok();
    assert_eq!(all, imported);
    // They are there already, whichever forge has them.
    for (scm_type, _) in &site.forges {
        assert_eq!(import(scm_type).await, json!({ "keys": [] }), "{scm_type}");
    }
    let id = imported["keys"][1]["id"].as_str().expect("an id");
    assert_eq!(site.nora.rest(Method::DELETE, &format!("/v1/keys/{id}"), None).await.status, 204);
    let again = import("gitlab-self-hosted").await;
    assert_eq!(names(&again, "keys", "name"), ["gitlab-self-hosted-key-2"]);
}

async fn every_forge_behaves(site: &Site) {
    for (scm_type, fake) in &site.forges {
        let subject = Subject {
            nora: &site.nora,
            scm_type,
            url: &fake.origin,
            login: "octo",
            fan: "fan",
            organization: "octo-org",
            token: TOKEN,
            next_token: NEXT_TOKEN,
            other_token: OTHER_TOKEN,
        };
        subject.behaves().await;
        assert!(fake.requests().iter().all(|one| !one.target.contains("canary")), "no token in an address");
    }
}

async fn no_more_than_a_thousand_branches(site: &Site) {
    for (scm_type, _) in &site.forges {
        let id = site.linked(scm_type).await;
        let many = site.get(&format!("/{id}/branches?repo_name=octo/many")).await;
        assert_eq!(many.ok()["branches"].as_array().map(Vec::len), Some(1_000), "{scm_type}");
        assert_eq!(many.headers["x-sealink-truncated"], "true");
    }
}

async fn wrong_queries_are_refused(site: &Site) {
    site.link("gitea").await;
    for (path, field) in [
        ("search_pull_requests", "query"),
        ("search_pull_requests?query=is:open", "query"),
        ("search_pull_requests?query=repo:a/b+repo:c/d", "query"),
        ("search_pull_requests?query=repo:..%2F..%2Fadmin", "query"),
        ("branches", "repo_name"),
        ("branches?repo_name=a", "repo_name"),
        ("branches?repo_name=..%2Fx", "repo_name"),
    ] {
        let answer = site.get(&format!("/gitea/{path}")).await;
        assert_eq!(answer.status, 422, "{path}");
        assert!(answer.value()["errors"][field][0].is_string(), "{path}: {answer:?}");
    }
    let long = format!("/gitea/search_repos?query={}", "x".repeat(1_025));
    assert_eq!(site.get(&long).await.status, 422);
}

async fn a50_pages_of_organizations(site: &Site) {
    site.link("gitea").await;
    for (query, page, per_page, rows) in [
        ("page=0&per_page=0", 1, 20, 1),
        ("page=-1&per_page=x", 1, 20, 1),
        ("page=2&per_page=101", 2, 100, 0),
        ("page=1000000000000", 1_000_000_000_000_i64, 20, 0),
    ] {
        let answer = site.get(&format!("/gitea/orgs?{query}")).await.ok();
        let pagination = &answer["meta"]["pagination"];
        assert_eq!(
            (pagination["current_page"].as_i64(), pagination["per_page"].as_i64()),
            (Some(page), Some(per_page)),
            "{query}"
        );
        assert_eq!(answer["organizations"].as_array().map(Vec::len), Some(rows), "{query}");
    }
}

/// A forge's refusal is told as what it is, and its 401 is never ours.
async fn faults_of_a_linked_forge(site: &Site) {
    for (scm_type, fake) in &site.forges {
        site.link(scm_type).await;
        let branches = format!("/{scm_type}/branches?repo_name=octo/hello");
        for (fault, status, code) in [
            (Fault::Unauthorized, 403, Some("scm_token_rejected")),
            (Fault::Forbidden, 403, Some("scm_forbidden")),
            (Fault::NotFound, 404, None),
            (Fault::RateLimit403, 503, None),
            (Fault::TooMany, 503, None),
            (Fault::Internal, 503, None),
            (Fault::Html, 503, None),
            (Fault::BadJson, 503, None),
            (Fault::Oversized, 503, None),
            (Fault::RedirectElsewhere, 503, None),
            (Fault::RedirectToMetadata, 503, None),
        ] {
            fake.break_with(fault);
            let answer = site.get(&branches).await;
            assert_eq!(answer.status.as_u16(), status, "{scm_type} {fault:?}: {answer:?}");
            assert_eq!(answer.value()["code"].as_str(), code, "{scm_type} {fault:?}");
            assert_eq!(answer.headers.contains_key("retry-after"), status == 503, "{fault:?}");
        }
        // People are told to make tokens without the right to list organizations.
        fake.break_with(Fault::Forbidden);
        let none = site.get(&format!("/{scm_type}/orgs")).await.ok();
        assert_eq!(none["organizations"], json!([]), "{scm_type}");
        fake.break_with(Fault::None);
        assert_eq!(site.get(&branches).await.status, 200);
    }
}

with_forges!(
    keys_are_imported_once,
    every_forge_behaves,
    no_more_than_a_thousand_branches,
    wrong_queries_are_refused,
    a50_pages_of_organizations,
    faults_of_a_linked_forge,
);
