//! Pages: sizes, tokens, filters, and the query that wins over the body.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Actor, TestServer, new_id, on_both_stores};

fn rows(page: &Value) -> Vec<String> {
    let rows = page["integrations"].as_array().expect("an array");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

fn next(page: &Value) -> Option<String> {
    page["pagination"]["nextToken"].as_str().map(ToOwned::to_owned)
}

/// A runner with `count` integrations, and their ids in order.
async fn fill(actor: &Actor, count: usize) -> (String, Vec<String>) {
    let (runner, _) = actor.create_runner().await;
    let mut ids = Vec::new();
    for at in 0..count {
        ids.push(actor.integrate_pat(&runner, &format!("host{at}.example.com")).await);
    }
    (runner, ids)
}

/// Walks a list as official clients do: the token in the query, the body of page 1 unchanged.
async fn walk(actor: &Actor, size: usize, body: &Value) -> Vec<Vec<String>> {
    let (mut pages, mut tokens, mut query) = (Vec::new(), Vec::new(), format!("?pageSize={size}"));
    loop {
        let page = actor.list(&query, body).await.ok();
        pages.push(rows(&page));
        let Some(token) = next(&page) else { return pages };
        assert!(!pages.last().expect("a page").is_empty(), "an empty page with a token");
        assert!(!tokens.contains(&token), "a repeated token");
        query = format!("?token={token}&pageSize={size}");
        tokens.push(token);
    }
}

/// A16: the query wins, member by member.
async fn a16_the_query_wins_over_the_body(server: &TestServer) {
    let admin = server.admin();
    let (runner, ids) = fill(&admin, 9).await;
    let of_runner = json!({ "filter": { "runnerIds": [runner] } });
    for body in
        [json!({}), of_runner.clone(), json!({ "pagination": { "pageSize": 50, "token": "bodytok" } })]
    {
        let pages = if body["pagination"].is_object() {
            // A first page needs an empty token, which only the body can say.
            let first = admin.list("?pageSize=2", &json!({ "pagination": { "pageSize": 50 } })).await.ok();
            let query = format!("?token={}&pageSize=7", next(&first).expect("a token"));
            vec![rows(&first), rows(&admin.list(&query, &body).await.ok())]
        } else {
            let pages = walk(&admin, 2, &body).await;
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2, 2, 1]);
            pages
        };
        assert_eq!(pages.concat(), ids);
    }
    // An empty or zero value of the query says nothing.
    let body = json!({ "pagination": { "pageSize": 3 } });
    assert_eq!(rows(&admin.list("?pageSize=0&token=", &body).await.ok()).len(), 3);
    assert_eq!(rows(&admin.list("?page_size=4", &body).await.ok()).len(), 4);
    assert_eq!(rows(&admin.list("?other=1&pageSize=%35", &body).await.ok()).len(), 5);
    // An exact fit has no further page.
    assert_eq!(walk(&admin, 3, &json!({})).await.len(), 3);
    assert_eq!(walk(&admin, 9, &json!({})).await.len(), 1);
    // The body alone works too.
    let first = admin.list("", &json!({ "pagination": { "pageSize": 5 } })).await.ok();
    let body = json!({ "pagination": { "pageSize": 5, "token": next(&first) } });
    assert_eq!([rows(&first), rows(&admin.list("", &body).await.ok())].concat(), ids);
    // A token goes on where it stopped, whatever came and went meanwhile.
    admin.delete_integration(&ids[4]).await.ok();
    let late = admin.integrate_pat(&runner, "late.example.com").await;
    let expected = [&ids[5..], &[late]].concat();
    assert_eq!(rows(&admin.list("", &body).await.ok()), expected[..5]);
}

/// A15: sizes.
async fn a15_page_sizes(server: &TestServer) {
    let admin = server.admin();
    fill(&admin, 27).await;
    let sized = |size: Value| json!({ "pagination": { "pageSize": size } });
    for (size, count) in [(0, 25), (1, 1), (100, 27)] {
        assert_eq!(rows(&admin.list("", &sized(json!(size))).await.ok()).len(), count, "{size}");
    }
    for bad in [-1, 101, i32::MAX, i32::MIN] {
        admin.list("", &sized(json!(bad))).await.blames("pagination.page_size");
        admin.list(&format!("?pageSize={bad}"), &json!({})).await.blames("pagination.page_size");
        for method in ["RunnerService/ListRunners", "UserService/ListUsers", "TokenService/ListTokens"] {
            admin.call(method, &sized(json!(bad))).await.blames("pagination.page_size");
        }
    }
    for bad in ["x", "1.5", "1e2", "99999999999", "%31x", " 1", "+"] {
        admin.list(&format!("?pageSize={bad}"), &json!({})).await.blames("pagination.page_size");
    }
}

/// A14: a page token is good for one list of one caller, unchanged.
async fn a14_page_tokens_are_bound_and_authentic(server: &TestServer) {
    let admin = server.admin();
    let (runner, ids) = fill(&admin, 3).await;
    let (second, _) = fill(&admin, 2).await;
    let of = |runner: &str, token: &str| json!({ "filter": { "runnerIds": [runner] }, "pagination": { "pageSize": 1, "token": token } });
    let token = next(&admin.list("", &of(&runner, "")).await.ok()).expect("a token");
    let expected = [ids[1].clone()];
    assert_eq!(rows(&admin.list("", &of(&runner, &token)).await.ok()), expected);
    assert_eq!(rows(&admin.list("", &of(&runner.to_uppercase(), &token)).await.ok()), expected);
    assert!(!token.contains(&ids[0]), "opaque");

    let invalid = |answer: crate::support::Answer| {
        answer.blames("pagination.token").refused(400, "invalid_argument", "invalid pagination token");
    };
    let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        invalid(admin.list("", &of(&runner, &URL_SAFE_NO_PAD.encode(flipped))).await);
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    for bad in [
        token[..token.len() - 1].to_owned(),
        token[1..].to_owned(),
        format!("{token}="),
        format!("{token}A"),
        format!("{token} "),
        URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 1]),
        URL_SAFE_NO_PAD.encode(longer),
        "x".to_owned(),
        "x".repeat(10_000),
        "\u{1f9ad}".to_owned(),
        "../../etc/passwd".to_owned(),
        ids[0].clone(),
    ] {
        invalid(admin.list("", &of(&runner, &bad)).await);
    }
    invalid(admin.list("?token=x", &of(&runner, "")).await);
    invalid(admin.list(&format!("?token={}", &token[1..]), &of(&runner, &token)).await);
    // Another filter, method, principal, organization.
    invalid(admin.list("", &of(&second, &token)).await);
    invalid(admin.list("", &json!({ "pagination": { "token": token } })).await);
    let both = json!({ "filter": { "runnerIds": [runner, second] }, "pagination": { "token": token } });
    invalid(admin.list("", &both).await);
    for method in ["RunnerService/ListRunners", "UserService/ListUsers", "TokenService/ListTokens"] {
        invalid(admin.call(method, &json!({ "pagination": { "token": token } })).await);
    }
    let keys = json!({ "runnerId": runner, "pagination": { "token": token } });
    invalid(admin.call("RunnerKeyService/ListKeys", &keys).await);
    let colleague = admin.create_user("colleague", "ORGANIZATION_ROLE_ADMIN").await;
    invalid(colleague.list("", &of(&runner, &token)).await);
    invalid(server.other_organization().await.list("", &of(&runner, &token)).await);
    // The caller, not its token, is what counts.
    let (again, _) = admin.create_token(&json!({})).await;
    assert_eq!(rows(&again.list("", &of(&runner, &token)).await.ok()), expected);
}

/// A36: the filter by runners.
async fn a36_filter_by_runners(server: &TestServer) {
    let (admin, stranger) = (server.admin(), server.other_organization().await);
    let (first, in_first) = fill(&admin, 2).await;
    let (second, in_second) = fill(&admin, 2).await;
    let (_, elsewhere) = fill(&stranger, 1).await;
    let foreign = stranger.integration(&elsewhere[0]).await["runnerId"].clone();
    let unknown = "0198a7c0-0000-7000-8000-0000000000ff";
    let filter = |ids: Value| json!({ "filter": { "runnerIds": ids } });
    let both = [in_first.clone(), in_second.clone()].concat();
    for (ids, expected) in [
        (json!([]), &both),
        (json!([first, second]), &both),
        (json!([second, first, second, first.to_uppercase()]), &both),
        (json!([first, first]), &in_first),
        (json!([foreign]), &vec![]),
        (json!([unknown]), &vec![]),
        (json!([second, foreign, unknown]), &in_second),
    ] {
        assert_eq!(admin.listed(&filter(ids.clone())).await, *expected, "{ids}");
    }
    let many = |count: usize| (0..count).map(|_| json!(new_id().to_string())).collect::<Vec<_>>();
    admin.list("", &filter(json!(many(26)))).await.blames("filter.runner_ids");
    let mut most = many(24);
    most.push(json!(first));
    assert_eq!(admin.listed(&filter(json!(most))).await, in_first);
    for bad in ["", "x", &format!("{{{first}}}")] {
        let refused = admin.list("", &filter(json!([first, bad]))).await;
        refused.refused(400, "invalid_argument", "filter.runner_ids");
        assert_eq!(refused.fields(), ["filter.runner_ids[1]"]);
    }
    // Several runners page as one list.
    let body = filter(json!([second, first]));
    assert_eq!(walk(&admin, 1, &body).await.concat(), both);
}

async fn every_list_pages(server: &TestServer) {
    let admin = server.admin();
    for at in 0..4 {
        admin.create_runner().await;
        admin.create_user(&format!("user{at}"), "ORGANIZATION_ROLE_MEMBER").await;
    }
    let mut agent = admin.enroll().await;
    for _ in 0..5 {
        agent.register_x25519().await;
    }
    for (method, body, member) in [
        ("RunnerService/ListRunners", json!({}), "runners"),
        ("UserService/ListUsers", json!({}), "users"),
        ("TokenService/ListTokens", json!({}), "tokens"),
        ("RunnerKeyService/ListKeys", json!({ "runnerId": agent.runner }), "keys"),
    ] {
        let whole = admin.call(method, &body).await.ok()[member].as_array().expect("an array").clone();
        assert!(whole.len() >= 5, "{method}");
        let (mut seen, mut token, mut body) = (Vec::new(), String::new(), body);
        for _ in 0..20 {
            body["pagination"] = json!({ "pageSize": 2, "token": token });
            let page = admin.call(method, &body).await.ok();
            seen.extend(page[member].as_array().expect("an array").clone());
            token = next(&page).unwrap_or_default();
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, whole, "{method}");
    }
}

on_both_stores!(
    a14_page_tokens_are_bound_and_authentic,
    a15_page_sizes,
    a16_the_query_wins_over_the_body,
    a36_filter_by_runners,
    every_list_pages,
);
