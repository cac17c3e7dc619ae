//! `/v1/scm_integrations`: linking, showing, replacing the token, unlinking.
use http::Method;
use serde_json::{Value, json};

use super::site::{Site, link, with_forges};
use crate::{
    forges::{Fault, NEXT_TOKEN, OTHER_TOKEN, TOKEN},
    support::new_id,
};

async fn an_account_is_linked_listed_shown_and_unlinked(site: &Site) {
    let nora = &site.nora;
    assert_eq!(site.get("").await.ok(), json!({ "scm_integrations": [] }));
    let mut all = Vec::new();
    for (scm_type, fake) in &site.forges {
        let made = site.link(scm_type).await;
        let (email, picture, page) = match *scm_type {
            "github-enterprise" => (
                json!("octo@forge.example"),
                json!("https://forge.example/octo.png"),
                "https://forge.example/octo".to_owned(),
            ),
            "gitlab-self-hosted" => {
                (json!("octo@forge.example"), Value::Null, "https://forge.example/octo".to_owned())
            }
            // What is no address of a picture is left out; the page is made up.
            _ => (json!("octo@forge.example"), Value::Null, format!("{}/octo", fake.origin)),
        };
        let expected = json!({
            "id": made["id"], "scm_type": scm_type, "url": fake.origin, "created_at": made["created_at"],
            "uid": "1", "username": "octo", "email": email, "avatar_url": picture, "profile_url": page,
            "owner": { "id": format!("us-{}", nora.id), "email": "nora@example.com", "username": "nora" },
        });
        assert_eq!(made, expected);
        for id in [made["id"].as_str().expect("an id"), scm_type] {
            assert_eq!(site.get(&format!("/{id}")).await.ok(), json!({ "scm_integration": expected }));
        }
        all.push(expected);
    }
    assert_eq!(site.get("").await.ok(), json!({ "scm_integrations": all }));
    for one in &all {
        let path = format!("/v1/scm_integrations/{}", one["id"].as_str().expect("an id"));
        let gone = nora.rest(Method::DELETE, &path, None).await;
        assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
        nora.rest(Method::DELETE, &path, None).await.said(404, "SCM integration not found");
    }
    assert_eq!(site.get("").await.ok(), json!({ "scm_integrations": [] }));
    let missing = site.get("/gitea").await;
    assert_eq!(missing.said(404, "SCM integration not found").value().get("resource"), None);
}

async fn the_token_is_sealed_and_told_to_the_forge_only(site: &Site) {
    let id = site.linked("gitea").await;
    let database = site.server.database();
    assert_eq!(database.count("SELECT COUNT(*) FROM scm_account WHERE length(access_token) = 73").await, 1);
    for request in site.forge("gitea").requests() {
        assert!(!request.target.contains(TOKEN), "{request:?}");
        assert_eq!(request.header("authorization"), format!("token {TOKEN}"));
        assert!(request.header("user-agent").starts_with("sealink/"), "{request:?}");
    }
    // Whoever points the row elsewhere in the database gets no token sent there.
    database.execute("UPDATE scm_account SET origin = 'http://127.0.0.1:1'").await;
    site.get(&format!("/{id}/orgs")).await.said(500, "an encrypted record cannot be opened");
    // What cannot be opened must not end the server of the next tests.
    database.execute("DELETE FROM scm_account").await;
}

async fn a_second_account_at_the_same_forge_is_refused(site: &Site) {
    site.link("gitea").await;
    let again = site.try_link(&site.nora, "gitea", NEXT_TOKEN).await;
    again.said(422, "url is linked already");
    assert_eq!(again.value()["errors"], json!({ "url": ["is linked already"] }));
    // As another type, or of another member, it is another one.
    let url = &site.forge("gitea").origin;
    let body = json!({ "scm_type": "forgejo", "url": format!("{url}/"), "access_token": TOKEN });
    let made = link(&site.nora, &body).await;
    assert_eq!((made.status.as_u16(), &made.value()["scm_integration"]["url"]), (201, &json!(url)));
    assert_eq!(site.try_link(&site.server.member("olaf").await, "gitea", TOKEN).await.status, 201);
}

async fn the_newest_of_a_type_answers_to_its_name(site: &Site) {
    site.link("gitea").await;
    let url = &site.forge("forgejo").origin;
    let body = json!({ "scm_type": "gitea", "url": url, "access_token": TOKEN });
    let newest = link(&site.nora, &body).await.value()["scm_integration"]["id"].clone();
    assert_eq!(site.get("/gitea").await.ok()["scm_integration"]["id"], newest);
}

/// A47: what is refused before anybody connects anywhere.
async fn a47_wrong_fields_are_named(site: &Site) {
    let errors = async |integration: Value| {
        let answer = link(&site.nora, &integration).await;
        assert_eq!(answer.status, 422, "{integration}");
        let said = answer.value();
        let errors = said["errors"].as_object().expect("errors").clone();
        assert!(errors.values().all(|texts| texts[0].is_string()), "{said}");
        errors.keys().cloned().collect::<Vec<_>>()
    };
    let missing = link(&site.nora, &json!({ "scm_type": "svn" })).await;
    missing.said(422, "access_token can't be blank, scm_type Unknown scm integration type");
    assert_eq!(errors(json!({})).await, ["access_token", "scm_type"]);
    let with = |url: &str| json!({ "scm_type": "gitea", "url": url, "access_token": TOKEN });
    for url in [
        "",
        "http://git.example.com",
        "https://u:p@git.example.com",
        "https://git.example.com?x",
        "ftp://x",
        "gitea",
        "https://127.0.0.1",
        "https://127.1",
        "https://2130706433",
        "https://[::1]",
        "https://localhost",
        "https://169.254.169.254",
        "https://[::ffff:a9fe:a9fe]",
        "https://10.0.0.1",
        "https://192.168.0.1",
        "https://8.8.8.8",
        "https://git.example.com:22",
        "http://127.0.0.1:1",
        "https://metadata.google.internal.",
    ] {
        assert_eq!(errors(with(url)).await, ["url"], "{url}");
    }
    let of = |scm_type: &str, url: &str| json!({ "scm_type": scm_type, "url": url, "access_token": TOKEN });
    assert_eq!(errors(of("github", "https://ghe.example.com")).await, ["url"]);
    assert_eq!(errors(of("gitlab", &site.forge("gitlab-self-hosted").origin)).await, ["url"]);
    let url = &site.forge("gitea").origin;
    for token in [json!(""), json!("canary-token-4711\n"), json!(5), json!({ "canary": 1 })] {
        let body = json!({ "scm_type": "gitea", "url": url, "access_token": token });
        assert_eq!(errors(body).await, ["access_token"]);
    }
    assert!(site.forges.iter().all(|(_, fake)| fake.requests().is_empty()));
    assert_eq!(site.get("").await.ok(), json!({ "scm_integrations": [] }));
}

/// A47: what a forge, or what is none, can say to a token.
async fn a47_hostile_forges_are_refused(site: &Site) {
    for (scm_type, fake) in &site.forges {
        for (fault, field) in [
            (Fault::Unauthorized, "access_token"),
            (Fault::Forbidden, "access_token"),
            (Fault::NotFound, "url"),
            (Fault::Internal, "url"),
            (Fault::Html, "url"),
            (Fault::BadJson, "url"),
            (Fault::OtherJson, "url"),
            (Fault::Oversized, "url"),
            (Fault::Endless, "url"),
            (Fault::RedirectElsewhere, "url"),
            (Fault::RedirectToMetadata, "url"),
            (Fault::RedirectForEver, "url"),
            (Fault::Truncated, "url"),
        ] {
            fake.break_with(fault);
            let answer = site.try_link(&site.nora, scm_type, "sealink-canary-refused").await;
            assert_eq!(answer.status, 422, "{scm_type} {fault:?}: {answer:?}");
            let errors = answer.value()["errors"].as_object().expect("errors").clone();
            assert_eq!(errors.keys().collect::<Vec<_>>(), [field], "{scm_type} {fault:?}");
        }
        fake.break_with(Fault::TooMany);
        let limited = site.try_link(&site.nora, scm_type, TOKEN).await;
        limited.said(503, "the forge limits the rate of requests");
        assert_eq!(limited.headers["retry-after"], "17");
        fake.break_with(Fault::None);
        let wrong = site.try_link(&site.nora, scm_type, "sealink-canary-wrong").await;
        wrong.said(422, "access_token is not accepted by the forge");
    }
    assert_eq!(site.get("").await.ok(), json!({ "scm_integrations": [] }));
}

async fn a_token_is_replaced_by_one_of_the_same_person(site: &Site) {
    let made = site.link("gitea").await;
    let path = format!("/v1/scm_integrations/{}", made["id"].as_str().expect("an id"));
    let replace = async |token: &str| {
        let body = json!({ "scm_integration": { "access_token": token } });
        site.nora.rest(Method::PATCH, &path, Some(&body)).await
    };
    replace(OTHER_TOKEN).await.said(422, "access_token belongs to another account of the forge");
    replace("sealink-canary-wrong").await.said(422, "access_token is not accepted by the forge");
    replace("").await.said(422, "access_token can't be blank");
    assert_eq!(replace(NEXT_TOKEN).await.ok(), json!({ "scm_integration": made }));
    site.get("/gitea/orgs").await.ok();
    let last = site.forge("gitea").requests().pop().expect("a request");
    assert_eq!(last.header("authorization"), format!("token {NEXT_TOKEN}"));
    assert_eq!(replace(TOKEN).await.status, 200, "and again");
}

/// An administrator, too, has only its own accounts; another's answer like what never was.
async fn nobody_reaches_another_ones(site: &Site) {
    let id = site.linked("gitea").await;
    let never = new_id().to_string();
    for other in
        [site.server.admin(), site.server.member("olaf").await, site.server.other_organization().await]
    {
        assert_eq!(
            other.rest(Method::GET, "/v1/scm_integrations", None).await.ok(),
            json!({ "scm_integrations": [] })
        );
        for (method, rest) in [
            (Method::GET, ""),
            (Method::DELETE, ""),
            (Method::PATCH, ""),
            (Method::GET, "/search_repos?query=x"),
            (Method::GET, "/orgs"),
            (Method::GET, "/search_pull_requests?query=repo:octo/hello"),
            (Method::GET, "/branches?repo_name=octo/hello"),
            (Method::POST, "/import_keys"),
        ] {
            let body = json!({ "scm_integration": { "access_token": NEXT_TOKEN } });
            let body = (method == Method::PATCH).then_some(&body);
            let mut answers = Vec::new();
            for id in [id.as_str(), &never, "gitea", "nonsense"] {
                let path = format!("/v1/scm_integrations/{id}{rest}");
                let answer = other.rest(method.clone(), &path, body).await;
                answer.said(404, "SCM integration not found");
                answers.push(answer.visible());
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {rest}");
        }
    }
    assert_eq!(site.get(&format!("/{id}")).await.status, 200);
}

with_forges!(
    an_account_is_linked_listed_shown_and_unlinked,
    the_token_is_sealed_and_told_to_the_forge_only,
    a_second_account_at_the_same_forge_is_refused,
    the_newest_of_a_type_answers_to_its_name,
    a47_wrong_fields_are_named,
    a47_hostile_forges_are_refused,
    a_token_is_replaced_by_one_of_the_same_person,
    nobody_reaches_another_ones,
);
