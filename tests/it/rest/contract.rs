//! What every route has in common: paths, errors, bodies.
use http::Method;
use serde_json::json;

use crate::{
    support::{Actor, TestServer, on_both_stores},
    transport::Call,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_is_json() {
    let server = TestServer::start().await;
    let admin = server.admin();
    let get = async |path: &str| admin.rest(Method::GET, path, None).await;
    get("/v1/nothing").await.said(404, "no such route");
    get("/v1/keys/1/2").await.said(404, "no such route");
    get("/v1").await.said(404, "no such route");
    for path in ["/v1/tokens/exchange", "/tokens/exchange"] {
        get(path).await.said(405, "this route does not have that method");
    }
    let missing = get("/v1/keys/0198a7c0-0000-7000-8000-000000000001").await;
    missing.said(404, "not found");
    assert_eq!(missing.value(), json!({ "resource": "key", "error": "not found" }));
    for path in ["/v1/keys/%FF", "/keys/%C3", "/v1/scm_integrations/%FF", "/v1/scm_integrations/%FF/orgs"] {
        get(path).await.said(404, "not found");
        server.nobody().rest(Method::GET, path, None).await.said(401, "missing or invalid bearer token");
    }
    for path in ["/v1/keys", "/v1/users/self", "/keys/x"] {
        server.nobody().rest(Method::GET, path, None).await.said(401, "missing or invalid bearer token");
    }
    // As ever: what is no route of this API is for the others.
    assert_eq!(get("/nothing").await.status, 404);
    assert_eq!(get("/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_are_served_with_and_without_version() {
    let server = TestServer::start().await;
    let admin = server.admin();
    for path in ["/v1/keys", "/keys", "/v1/keys?", "/keys?", "/v1/regions", "/regions"] {
        let answer = admin.rest(Method::GET, path, None).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
        let id = answer.headers["x-request-id"].to_str().expect("text");
        assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
        let head = admin.rest(Method::HEAD, path, None).await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
    }
}

/// A48: where and why, and nothing of what was sent.
async fn a48_bad_json(server: &TestServer) {
    let admin = server.admin();
    let post = async |body: &'static str| admin.rest_raw(Method::POST, "/v1/keys", body).await;
    for (body, error) in [
        ("{\"key\":{\n  \"name\": \"canary\",\n}}", "Invalid JSON: trailing comma at line 3 column 1"),
        ("canary", "Invalid JSON: expected value at line 1 column 1"),
        ("", "Invalid JSON: EOF while parsing a value at line 1 column 0"),
        ("{\"canary\"", "Invalid JSON: EOF while parsing an object at line 1 column 9"),
    ] {
        let answer = post(body).await;
        answer.said(400, error);
        assert_eq!(answer.value()["code"], "invalid_json");
    }
    let deep = "[".repeat(100_000);
    let answer = admin.rest_raw(Method::POST, "/v1/keys", deep).await;
    answer.said(400, "Invalid JSON: recursion limit exceeded at line 1 column 128");
    for body in ["[]", "1", "null", r#"{"key":5}"#, r#"{"key":null}"#, r#"{"key":["canary"]}"#] {
        let answer = post(body).await;
        answer.said(422, "key: missing field");
        assert_eq!(answer.value()["errors"], json!({ "key": ["missing field"] }));
    }
}

async fn bodies_have_limits(server: &TestServer) {
    let admin = server.admin();
    let long = admin.rest_raw(Method::POST, "/v1/keys", vec![b' '; (1 << 20) + 1]).await;
    long.said(413, "the request body is larger than 1 MiB");
    let call = Call::new(Method::POST, "/v1/keys").header("content-encoding", "gzip").body("x");
    let token = format!("Bearer {}", admin.token.as_deref().expect("a token"));
    let answer = call.header("authorization", &token).send(server.address).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]),
        (415, &json!("bodies must not be compressed"))
    );
}

/// Clients say anything of their bodies, and send fields of later versions.
async fn content_types_and_unknown_fields_do_not_matter(server: &TestServer) {
    let admin = server.admin();
    let key = |name: &str, comment: &str| {
        let content = format!("{} {comment}", super::keys::ED25519[usize::from(name == "b")]);
        json!({ "key": { "name": name, "content": content, "later": [1] }, "more": {} })
    };
    let post = async |actor: &Actor, kind: &str, body: &serde_json::Value| {
        let token = format!("Bearer {}", actor.token.as_deref().expect("a token"));
        let call = Call::new(Method::POST, "/v1/keys").header("authorization", &token);
        call.header("content-type", kind).body(body.to_string()).send(server.address).await.status
    };
    assert_eq!(post(&admin, "application/x-www-form-urlencoded", &key("a", "x")).await, 201);
    assert_eq!(post(&admin, "text/plain", &key("b", "y")).await, 201);
}

on_both_stores!(a48_bad_json, bodies_have_limits, content_types_and_unknown_fields_do_not_matter,);

/// The description says what is served, and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_served_without_a_token() {
    let server = TestServer::start().await;
    let said = server.nobody().rest(Method::GET, "/openapi.json", None).await.ok();
    assert_eq!(said["openapi"], "3.1.0");
    let paths = said["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let open = operation["security"].is_null();
            let path = path.replace("{id}", "0198a7c0-0000-7000-8000-000000000001");
            let answer = server.nobody().rest(method.clone(), &path, None).await;
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {path}");
        }
    }
}

/// For people: no script, nothing from elsewhere, and every route of the description.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_for_people_loads_nothing_from_elsewhere() {
    let server = TestServer::start().await;
    let nobody = server.nobody();
    let page = nobody.rest(Method::GET, "/docs", None).await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    let policy = page.headers["content-security-policy"].to_str().expect("text").to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    let html = String::from_utf8(page.body.to_vec()).expect("text");
    for foreign in ["<script", "://", "style=", "onclick", "@import"] {
        assert!(!html.replace("scheme://host", "").contains(foreign), "{foreign}");
    }
    let described = nobody.rest(Method::GET, "/openapi.json", None).await.ok();
    let mut ids = std::collections::BTreeSet::new();
    for (path, operations) in described["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let heading = format!("<b>{}</b> <code>{path}</code>", method.to_uppercase());
            assert!(html.contains(&heading), "{heading}");
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{method} {path} has no name of its own"
            );
        }
    }
    for name in described["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(html.contains(&format!("<section id=\"{name}\">")), "{name}");
    }
    let style = nobody.rest(Method::GET, "/docs/style.css", None).await;
    assert_eq!(&style.headers["content-type"], "text/css; charset=utf-8");
    assert!(!String::from_utf8_lossy(&style.body).contains("url("), "it loads nothing either");
}
