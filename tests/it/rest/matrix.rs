//! Principal × route: what is written in `matrix.toml` is what happens, with API tokens and with web tokens.
use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    keys,
    site::{Site, with_forges},
};
use crate::{
    forges::TOKEN,
    source::{condensed, sources},
    support::{Actor, TestServer, new_id},
};

#[derive(Deserialize)]
struct Matrix {
    principals: Vec<String>,
    routes: BTreeMap<String, Vec<u16>>,
}

fn matrix() -> Matrix {
    toml::from_str(include_str!("matrix.toml")).expect("TOML")
}

async fn cast(server: &TestServer) -> BTreeMap<&'static str, Actor> {
    let admin = server.admin();
    let (expired, expired_id) = admin.create_token(&json!({})).await;
    let (revoked, revoked_id) = admin.create_token(&json!({})).await;
    let expire = "UPDATE token SET expires_at = created_at + 1 WHERE token_id = $1";
    assert_eq!(server.database().execute_for(expire, &expired_id).await, 1);
    admin.call("TokenService/RevokeToken", &json!({ "tokenId": revoked_id })).await.ok();
    [
        ("own", server.member("own").await),
        ("admin", admin.clone()),
        ("member", server.member("member").await),
        ("service_account", admin.create_service_account("machine", "ORGANIZATION_ROLE_MEMBER").await),
        ("read_only", server.read_only().await),
        ("runner", admin.register().await.actor),
        ("other_organization", server.other_organization().await),
        ("expired", expired),
        ("revoked", revoked),
        ("none", server.nobody()),
    ]
    .into()
}

/// A key that nobody has.
fn fresh_key() -> String {
    let mut blob = STANDARD.decode(keys::ED25519[0].split(' ').nth(1).expect("a blob")).expect("base64");
    let from = blob.len() - 16;
    blob[from..].copy_from_slice(new_id().as_bytes());
    format!("ssh-ed25519 {}", STANDARD.encode(blob))
}

fn body(site: &Site, route: &str) -> Option<Value> {
    let url = &site.forge("gitea").origin;
    match route {
        "POST /v1/keys" => Some(json!({ "key": { "name": "a key", "content": fresh_key() } })),
        "POST /v1/scm_integrations" => {
            Some(json!({ "scm_integration": { "scm_type": "gitea", "url": url, "access_token": TOKEN } }))
        }
        "PATCH /v1/scm_integrations/{id}" => Some(json!({ "scm_integration": { "access_token": TOKEN } })),
        _ => None,
    }
}

const fn query(route: &str) -> &str {
    match route.as_bytes() {
        b"GET /v1/scm_integrations/{id}/search_pull_requests"
        | b"POST /v1/scm_integrations/{id}/search_pull_requests" => "?query=repo:octo/hello",
        b"GET /v1/scm_integrations/{id}/branches" => "?repo_name=octo/hello",
        _ => "",
    }
}

/// The id of what a route names: something of `own`.
async fn named(site: &Site, own: &Actor, route: &str) -> String {
    if route.contains("/keys/{id}") {
        let made = keys::store(own, "mine", &fresh_key()).await.value();
        return made["key"]["id"].as_str().expect("an id").to_owned();
    }
    if !route.contains("{id}") {
        return String::new();
    }
    let listed = own.rest(Method::GET, "/v1/scm_integrations", None).await.ok();
    if let Some(id) = listed["scm_integrations"][0]["id"].as_str() {
        return id.to_owned();
    }
    let made = site.try_link(own, "gitea", TOKEN).await.value();
    made["scm_integration"]["id"].as_str().expect("an id").to_owned()
}

/// What was linked is unlinked, so that it can be linked again.
async fn clear(actor: &Actor) {
    let listed = actor.rest(Method::GET, "/v1/scm_integrations", None).await.ok();
    for one in listed["scm_integrations"].as_array().expect("an array") {
        let path = format!("/v1/scm_integrations/{}", one["id"].as_str().expect("an id"));
        assert_eq!(actor.rest(Method::DELETE, &path, None).await.status, 204);
    }
}

async fn ask(site: &Site, own: &Actor, actor: &Actor, route: &str) -> u16 {
    let (method, path) = route.split_once(' ').expect("a method and a path");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let path = path.replace("{id}", &named(site, own, route).await);
    if path.ends_with("/tokens/exchange") {
        return actor.try_exchange(&path, "").await.status.as_u16();
    }
    if route == "POST /v1/scm_integrations" {
        clear(own).await;
    }
    let path = format!("{path}{}", query(route));
    let answer = actor.rest(method, &path, body(site, route).as_ref()).await;
    if route == "POST /v1/scm_integrations" && answer.status == 201 {
        clear(actor).await;
    }
    answer.status.as_u16()
}

async fn every_cell_is_as_written(site: &Site) {
    let (Matrix { principals, routes }, cast) = (matrix(), cast(&site.server).await);
    let own = &cast["own"];
    let mut wrong = Vec::new();
    for (route, cells) in &routes {
        assert_eq!(cells.len(), principals.len(), "{route}");
        for (principal, cell) in principals.iter().zip(cells) {
            let actor = &cast[principal.as_str()];
            let mut found = vec![ask(site, own, actor, route).await];
            // Whoever gets no web token is seen in the row of the exchange.
            let exchanged = actor.try_exchange("/v1/tokens/exchange", "").await;
            if exchanged.status == 200 && !route.ends_with("/tokens/exchange") {
                let token = exchanged.value()["token"].as_str().expect("a token").to_owned();
                found.push(ask(site, own, &actor.with_token(&token), route).await);
            }
            if found.iter().any(|status| status != cell) {
                wrong.push(format!("{route} as {principal}: {found:?}, not {cell}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

with_forges!(every_cell_is_as_written);

/// What the router serves, as `GET /v1/keys`, read from the source: what nobody describes is seen, too.
fn served() -> BTreeSet<String> {
    let (_, text) = sources("src/api/rest")
        .into_iter()
        .find(|(path, _)| path.ends_with("rest/mod.rs"))
        .expect("the router's source");
    let code = condensed(&text);
    let mut served = BTreeSet::new();
    for route in code.split(".route(\"").skip(1) {
        let (path, rest) = route.split_once('"').expect("a path");
        // Up to the parenthesis that closes the route, all that is called is a method.
        let mut depth = 0_usize;
        let end = rest.find(|letter: char| {
            depth += usize::from(letter == '(');
            if letter == ')' && depth == 0 {
                return true;
            }
            depth -= usize::from(letter == ')');
            false
        });
        let calls = &rest[..end.expect("an end")];
        for method in ["get", "post", "put", "patch", "delete", "any", "head", "options"] {
            let call = format!("{method}(");
            let called = |at: usize| rest[..at].ends_with([',', '.']);
            if calls.match_indices(&call).any(|(at, _)| called(at)) {
                served.insert(format!("{} /v1{path}", method.to_uppercase()));
            }
        }
    }
    served
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let served = served();
    assert!(served.contains("DELETE /v1/keys/{id}") && served.len() > 15, "the scan sees only {served:?}");
    assert_eq!(matrix().routes.into_keys().collect::<BTreeSet<_>>(), served);
}

/// Of a route with `GET` and `POST`, both the same, only one is described.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_described_is_what_is_served() {
    let server = TestServer::start().await;
    let described = server.nobody().rest(Method::GET, "/openapi.json", None).await.ok();
    let mut routes = BTreeSet::new();
    for (path, operations) in described["paths"].as_object().expect("paths") {
        let methods = operations.as_object().expect("operations").keys();
        routes.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let twins = ["search_repos", "orgs", "search_pull_requests"];
    routes.extend(twins.map(|name| format!("POST /v1/scm_integrations/{{id}}/{name}")));
    assert_eq!(routes, served());
}
