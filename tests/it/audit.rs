//! The audit log: what it shows, to whom, and that everything is chained, whoever commits when.
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Connection;

use crate::{
    source::sources,
    support::{Actor, Database, TestServer, new_id, on_both_stores},
};

/// Waits until nothing waits for the chain; how long it is then.
pub(crate) async fn settled(server: &TestServer) -> i64 {
    for _ in 0..600 {
        if server.database().count("SELECT count(*) FROM audit_pending").await == 0 {
            return server.database().count("SELECT count(*) FROM audit_link").await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("entries are not chained");
}

/// `VerifyAuditLog` from start to end; the last answer.
pub(crate) async fn verified(admin: &Actor, expected: Option<&Value>) -> Value {
    let mut body = json!({ "expected": expected });
    loop {
        let answer = admin.call("AuditService/VerifyAuditLog", &body).await.ok();
        if answer["done"] == true {
            return answer;
        }
        body["after"] = answer["verified"].clone();
    }
}

pub(crate) async fn head(admin: &Actor) -> Value {
    admin.call("AuditService/GetAuditHead", &json!({})).await.ok()["head"].clone()
}

/// The chain is whole, and this long.
pub(crate) async fn is_whole(admin: &Actor, count: i64) {
    let answer = verified(admin, None).await;
    assert!(answer["finding"].is_null(), "{answer}");
    assert_eq!(answer["verified"]["count"], count.to_string(), "{answer}");
    assert_eq!(answer["verified"], head(admin).await);
}

async fn entries(admin: &Actor, filter: &Value) -> Vec<Value> {
    let body = json!({ "filter": filter });
    let answer = admin.call("AuditService/ListAuditEntries", &body).await.ok();
    answer["entries"].as_array().expect("an array").clone()
}

async fn entries_are_listed_newest_first_and_narrowed(server: &TestServer) {
    let admin = server.admin();
    let ada = server.member("ada").await;
    let (runner, _) = ada.create_runner().await;
    ada.update_runner(&runner, &json!({})).await;
    ada.delete_runner(&runner).await.ok();
    let all = entries(&admin, &json!({})).await;
    let actions: Vec<_> = all.iter().map(|entry| entry["action"].as_str().expect("text")).collect();
    assert_eq!(
        actions,
        ["runner.delete", "runner.create", "token.create", "user.create", "organization.create"]
    );
    assert_eq!((&all[0]["actorKind"], &all[0]["actorId"]), (&json!("user"), &json!(ada.id)));
    assert_eq!((&all[4]["actorKind"], &all[4]["actorId"]), (&json!("server"), &Value::Null));
    let of = async |filter: Value| entries(&admin, &filter).await.len();
    assert_eq!(of(json!({ "actorId": ada.id })).await, 2);
    assert_eq!(of(json!({ "object": runner })).await, 2);
    assert_eq!(of(json!({ "object": runner, "action": "runner.create" })).await, 1);
    assert_eq!(of(json!({ "action": "runner.*" })).await, 2);
    assert_eq!(of(json!({ "action": "runner" })).await, 0);
    assert_eq!(of(json!({ "action": "*" })).await, 5);
    assert_eq!(of(json!({ "action": "%" })).await, 0);
    let (created, deleted) = (&all[1]["at"], &all[0]["at"]);
    assert_eq!(of(json!({ "since": created })).await, 2);
    assert_eq!(of(json!({ "since": created, "until": deleted })).await, 1);
    assert_eq!(of(json!({ "since": "2999-01-01T00:00:00Z" })).await, 0);
    assert_eq!(of(json!({ "until": "1999-01-01T00:00:00Z" })).await, 0);
    let bad = json!({ "filter": { "actorId": "ada" } });
    admin.call("AuditService/ListAuditEntries", &bad).await.blames("filter.actor_id");

    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let body = json!({ "pagination": { "pageSize": 2, "token": token } });
        let page = admin.call("AuditService/ListAuditEntries", &body).await.ok();
        paged.extend(page["entries"].as_array().expect("an array").iter().map(|entry| entry["id"].clone()));
        page["pagination"]["nextToken"].as_str().unwrap_or_default().clone_into(&mut token);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, all.iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>());
}

async fn every_change_is_chained_and_exported(server: &TestServer) {
    let admin = server.admin();
    let runner = admin.register().await.runner;
    for number in 0..20 {
        admin.integrate_pat(&runner, &format!("h{number}.example.com")).await;
    }
    let count = settled(server).await;
    assert_eq!(count, server.database().count("SELECT count(*) FROM audit_entry").await);
    is_whole(&admin, count).await;
    let body = json!({ "afterSequence": 3 });
    let exported = admin.call("AuditService/ExportAuditLog", &body).await.ok()["entries"].clone();
    let exported = exported.as_array().expect("an array");
    let sequences: Vec<_> = exported.iter().map(|entry| entry["sequence"].clone()).collect();
    assert_eq!(sequences, (4..=count).map(|place| json!(place.to_string())).collect::<Vec<_>>());
    assert_eq!(exported.last().expect("an entry")["mac"], head(&admin).await["mac"]);
    let none = json!({ "afterSequence": count });
    assert_eq!(admin.call("AuditService/ExportAuditLog", &none).await.ok()["entries"], json!([]));
    let bad = json!({ "afterSequence": -1 });
    admin.call("AuditService/ExportAuditLog", &bad).await.blames("after_sequence");
    let bad = json!({ "expected": { "count": 3, "mac": "00" } });
    admin.call("AuditService/VerifyAuditLog", &bad).await.blames("expected.mac");
}

/// More than one stretch, which only a client that goes on sees as a whole.
async fn a_long_chain_is_verified_in_stretches(server: &TestServer) {
    let insert = |id: &str, nil: &str, series: &str| {
        format!(
            "INSERT INTO audit_entry (id, organization_id, at, actor_kind, actor_id, token_id, action, object, details) \
             SELECT {id}, (SELECT id FROM organization), 1, 'server', {nil}, '', 'test.fill', 'x', '{{}}' FROM {series}"
        )
    };
    let (sqlite, postgres) = (
        insert(
            "randomblob(16)",
            "zeroblob(16)",
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT i FROM n)",
        ),
        insert("gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'", "generate_series(1, 2500)"),
    );
    server.database().run(&sqlite, &postgres).await;
    let count = settled(server).await;
    assert!(count > 2_500);
    let first = server.admin().call("AuditService/VerifyAuditLog", &json!({})).await.ok();
    assert_eq!((&first["verified"]["count"], &first["count"]), (&json!("1000"), &json!(count.to_string())));
    is_whole(&server.admin(), count).await;
}

async fn another_organization_has_a_chain_of_its_own(server: &TestServer) {
    let other = server.other_organization().await;
    let ours = settled(server).await;
    assert_eq!(entries(&other, &json!({})).await.len(), 0);
    assert!(head(&other).await["count"].is_null(), "an empty chain");
    is_whole(&server.admin(), ours).await;
    other.create_runner().await;
    server.admin().create_runner().await;
    assert_eq!(settled(server).await, ours + 2);
    is_whole(&server.admin(), ours + 1).await;
    is_whole(&other, 1).await;
    let foreign = head(&server.admin()).await;
    assert_eq!(verified(&other, Some(&foreign)).await["finding"]["fault"], "AUDIT_FAULT_CUT");
}

/// An entry whose id is older than what is chained already.
async fn what_is_committed_late_is_chained_too(server: &TestServer) {
    let id = new_id();
    let runner = server.admin().create_runner().await;
    let before = settled(server).await;
    let insert = |id: &str, nil: &str| {
        format!(
            "INSERT INTO audit_entry (id, organization_id, at, actor_kind, actor_id, token_id, action, object, details) \
             SELECT {id}, id, 1, 'server', {nil}, '', 'test.late', '{}', '{{}}' FROM organization",
            runner.0
        )
    };
    let (sqlite, postgres) = (
        insert(&format!("x'{}'", id.simple()), "zeroblob(16)"),
        insert(&format!("'{id}'"), "'00000000-0000-0000-0000-000000000000'"),
    );
    match server.database() {
        Database::Sqlite(_) => {
            server.database().run(&sqlite, "").await;
        }
        // Really late: the transaction is open while others are chained.
        Database::Postgres { pool, .. } => {
            let mut connection = pool.acquire().await.expect("a connection");
            let mut late = connection.begin().await.expect("a transaction");
            sqlx::raw_sql(sqlx::AssertSqlSafe(postgres)).execute(&mut *late).await.expect("an entry");
            server.admin().create_runner().await;
            assert_eq!(settled(server).await, before + 1);
            late.commit().await.expect("committed");
        }
    }
    let after = settled(server).await;
    assert!(after > before);
    is_whole(&server.admin(), after).await;
    let body = json!({ "afterSequence": after - 1 });
    let last = server.admin().call("AuditService/ExportAuditLog", &body).await.ok()["entries"][0].clone();
    assert_eq!((&last["action"], &last["id"]), (&json!("test.late"), &json!(id.to_string())));
}

async fn entries_and_links_are_never_changed(server: &TestServer) {
    server.admin().create_runner().await;
    settled(server).await;
    for sql in [
        "UPDATE audit_entry SET action = action",
        "DELETE FROM audit_entry",
        "UPDATE audit_link SET sequence = sequence",
        "DELETE FROM audit_link",
    ] {
        let refused = match server.database() {
            Database::Sqlite(pool) => sqlx::query(sql).execute(pool).await.map(|_| ()),
            Database::Postgres { pool, .. } => sqlx::query(sql).execute(pool).await.map(|_| ()),
        };
        let refused = refused.expect_err(sql).to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
    if let Database::Postgres { pool, .. } = server.database() {
        for sql in ["TRUNCATE audit_entry", "TRUNCATE audit_link"] {
            let refused = sqlx::query(sql).execute(pool).await.expect_err(sql).to_string();
            assert!(refused.contains("append-only"), "{sql}: {refused}");
        }
    }
}

on_both_stores! {
    entries_are_listed_newest_first_and_narrowed,
    every_change_is_chained_and_exported,
    a_long_chain_is_verified_in_stretches,
    another_organization_has_a_chain_of_its_own,
    what_is_committed_late_is_chained_too,
    entries_and_links_are_never_changed,
}

/// Two servers change and chain at once: no place is given twice, and none is left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn two_servers_make_one_chain() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let create = async |actor: Actor| {
        for _ in 0..40 {
            actor.create_runner().await;
        }
    };
    tokio::join!(create(server.admin()), create(replica.admin.clone()), create(server.admin()));
    let count = settled(&server).await;
    assert_eq!(count, 121, "the first start, and 120 runners");
    is_whole(&server.admin(), count).await;
    is_whole(&replica.admin, count).await;
    // The other one takes over when one ends.
    replica.stop().await;
    server.admin().create_runner().await;
    assert_eq!(settled(&server).await, count + 1);
    is_whole(&server.admin(), count + 1).await;
    server.stop().await;
}

#[test]
fn no_statement_changes_or_removes_entries() {
    let mut inserts = 0;
    for (path, text) in sources("src") {
        for table in ["audit_entry", "audit_link"] {
            for words in ["UPDATE", "DELETE FROM", "REPLACE INTO", "TRUNCATE"] {
                assert!(!text.contains(&format!("{words} {table}")), "{}: {words} {table}", path.display());
            }
            inserts += text.matches(&format!("INSERT INTO {table}")).count();
        }
    }
    assert_eq!(inserts, 3, "one statement writes entries, one in each dialect links");
}
