//! Environment classes, and the schema their settings come from.
use serde_json::{Value, json};

use crate::support::{Actor, Answer, TestServer, on_both_stores};

const CREATE: &str = "RunnerConfigurationService/CreateEnvironmentClass";
const GET: &str = "RunnerConfigurationService/GetEnvironmentClass";
const LIST: &str = "RunnerConfigurationService/ListEnvironmentClasses";
const UPDATE: &str = "RunnerConfigurationService/UpdateEnvironmentClass";
const SCHEMA: &str = "RunnerConfigurationService/GetRunnerConfigurationSchema";
const REPORT: &str = "RunnerAgentService/UpdateConfigurationSchema";
const NEVER: &str = "0198a7c0-0000-7000-8000-0000000000ff";

fn draft(runner: &str, name: &str) -> Value {
    json!({
        "runnerId": runner, "displayName": name, "description": "eight cores",
        "configuration": [{ "key": "type", "value": "m6" }],
    })
}

async fn create(actor: &Actor, runner: &str, name: &str) -> String {
    let made = actor.call(CREATE, &draft(runner, name)).await.ok();
    made["id"].as_str().expect("an id").to_owned()
}

async fn get(actor: &Actor, id: &str) -> Value {
    actor.call(GET, &json!({ "environmentClassId": id })).await.ok()["environmentClass"].clone()
}

async fn update(actor: &Actor, id: &str, change: &Value) -> Answer {
    let mut body = change.clone();
    body["environmentClassId"] = json!(id);
    actor.call(UPDATE, &body).await
}

/// The names of the first page of a list, in order.
async fn names(actor: &Actor, filter: &Value) -> Vec<String> {
    let listed = actor.call(LIST, &json!({ "filter": filter })).await.ok();
    let classes = listed["environmentClasses"].as_array().expect("always there").clone();
    classes.iter().map(|class| class["displayName"].as_str().expect("a name").to_owned()).collect()
}

fn schema() -> Value {
    json!({
        "version": "7",
        "environmentClasses": [
            { "id": "type", "name": "Machine", "required": true, "enum": {
                "defaultValue": { "title": "m6" },
                "possibleValues": [{ "title": "m6", "subtitle": "8 cores" }, { "title": "m7" }],
            } },
            { "id": "disk", "name": "Disk", "int": { "default": 80, "min": 10, "max": 500 } },
        ],
        "runnerConfig": [{ "id": "old", "name": "Old", "enum": { "default": "a", "values": ["a", "b"] } }],
        "scm": [{ "scmId": "github", "name": "GitHub", "defaultHosts": ["github.com"],
            "oauth": { "callbackUrl": "https://runner.example.com/callback" }, "pat": {} }],
    })
}

async fn a_class_is_created_enabled_read_changed_and_disabled(server: &TestServer) {
    let admin = server.admin();
    let runner = admin.create_runner().await.0;
    let id = create(&admin, &runner, "Large").await;
    let expected = json!({
        "id": id, "runnerId": runner, "displayName": "Large", "description": "eight cores", "enabled": true,
        "configuration": [{ "key": "type", "value": "m6" }],
    });
    assert_eq!(get(&admin, &id).await, expected);

    assert_eq!(
        update(&admin, &id, &json!({ "enabled": false, "displayName": "Larger" })).await.ok(),
        json!({})
    );
    let changed = get(&admin, &id).await;
    // `false` is left out of canonical JSON.
    assert_eq!((changed["displayName"].as_str(), changed.get("enabled")), (Some("Larger"), None));
    assert_eq!(
        (&changed["description"], &changed["configuration"]),
        (&expected["description"], &expected["configuration"])
    );
    let nulls = json!({ "enabled": null, "displayName": null, "description": null });
    update(&admin, &id, &nulls).await.ok();
    assert_eq!(get(&admin, &id).await, changed);
    update(&admin, &id, &json!({ "enabled": true, "description": "sixteen" })).await.ok();
    assert_eq!(get(&admin, &id).await["description"], "sixteen");

    for (change, field) in [
        (json!({ "displayName": "ab" }), "display_name"),
        (json!({ "displayName": "" }), "display_name"),
        (json!({ "displayName": "x".repeat(128) }), "display_name"),
        (json!({ "displayName": "a\nb" }), "display_name"),
        (json!({ "description": "x".repeat(201) }), "description"),
    ] {
        update(&admin, &id, &change).await.blames(field);
    }
    for (member, value) in [("display_name", "ab"), ("description", ""), ("runner_id", "x")] {
        let mut bad = draft(&runner, "Large");
        bad.as_object_mut().expect("an object").remove("displayName");
        bad["display_name"] = json!("Large");
        bad.as_object_mut().expect("an object").remove("runnerId");
        bad["runner_id"] = json!(runner);
        bad[member] = json!(value);
        admin.call(CREATE, &bad).await.blames(member);
    }
    let gone = update(&admin, NEVER, &json!({ "enabled": true })).await;
    gone.refused(404, "not_found", "environment class not found");
    assert_eq!(admin.call(CREATE, &draft(NEVER, "Large")).await.message(), "runner not found");
}

/// One row of the runner's change log per change, and none for what changes nothing.
async fn every_change_is_in_the_runners_change_log_and_the_audit(server: &TestServer) {
    let admin = server.admin();
    let runner = admin.create_runner().await.0;
    let id = create(&admin, &runner, "Large").await;
    update(&admin, &id, &json!({ "enabled": false })).await.ok();
    update(&admin, &id, &json!({ "enabled": false })).await.ok();
    let database = server.database();
    let changes = "SELECT count(*) FROM configuration_change WHERE object_kind = 'environment_class'";
    assert_eq!(database.count(changes).await, 2);
    let gaps = "SELECT count(*) FROM runner r WHERE r.revision <> \
        (SELECT count(*) FROM configuration_change c WHERE c.runner_id = r.id)";
    assert_eq!(database.count(gaps).await, 0);
    let audited = "SELECT count(*) FROM audit_entry WHERE action LIKE 'environment_class.%'";
    assert_eq!(database.count(audited).await, 2);
    admin.delete_runner(&runner).await.ok();
    admin.call(GET, &json!({ "environmentClassId": id })).await.refused(
        404,
        "not_found",
        "environment class",
    );
    assert_eq!(database.count("SELECT count(*) FROM environment_class").await, 0);
}

async fn lists_are_narrowed_and_paged(server: &TestServer) {
    let admin = server.admin();
    let (one, other) = (admin.create_runner().await.0, admin.create_runner().await.0);
    let local = json!({ "name": "local", "provider": "RUNNER_PROVIDER_LINUX_HOST" });
    let local = admin.call("RunnerService/CreateRunner", &local).await.ok()["runner"]["runnerId"].clone();
    let local = local.as_str().expect("an id");
    for (runner, name) in
        [(&*one, "one"), (&*other, "two"), (local, "three"), (&*one, "four"), (&*other, "five")]
    {
        let id = create(&admin, runner, name).await;
        if name == "four" {
            update(&admin, &id, &json!({ "enabled": false })).await.ok();
        }
    }
    for (filter, expected) in [
        (json!({}), vec!["one", "two", "three", "four", "five"]),
        (json!({ "runnerIds": [other, one, one] }), vec!["one", "two", "four", "five"]),
        (json!({ "runnerIds": [NEVER] }), vec![]),
        (json!({ "enabled": true }), vec!["one", "two", "three", "five"]),
        (json!({ "enabled": false }), vec!["four"]),
        (json!({ "runnerIds": [one], "enabled": true }), vec!["one"]),
        (json!({ "runnerKinds": ["RUNNER_KIND_LOCAL"] }), vec!["three"]),
        (json!({ "runnerKinds": ["RUNNER_KIND_LOCAL_CONFIGURATION"] }), vec![]),
        (json!({ "runnerProviders": ["RUNNER_PROVIDER_LINUX_HOST", "RUNNER_PROVIDER_GCP"] }), vec!["three"]),
        (json!({ "canCreateEnvironments": true, "enabled": false }), vec!["four"]),
    ] {
        assert_eq!(names(&admin, &filter).await, expected, "{filter}");
    }
    let ids: Vec<_> = (0..26).map(|_| NEVER).collect();
    admin.call(LIST, &json!({ "filter": { "runnerIds": ids } })).await.blames("filter.runner_ids");

    for filter in [json!({}), json!({ "runnerIds": [one, other, local] })] {
        let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            // As official clients page: the query turns the page, the body stays.
            let page = admin
                .call(&format!("{LIST}?pageSize=2&token={token}"), &json!({ "filter": filter }))
                .await
                .ok();
            let rows = page["environmentClasses"].as_array().expect("always there").clone();
            assert!((1..=2).contains(&rows.len()), "{page}");
            seen.extend(rows.into_iter().map(|row| row["displayName"].as_str().expect("a name").to_owned()));
            pages += 1;
            match page["pagination"]["nextToken"].as_str() {
                Some(next) if !next.is_empty() => next.clone_into(&mut token),
                _ => break,
            }
        }
        assert_eq!((pages, seen), (3, ["one", "two", "three", "four", "five"].map(str::to_owned).to_vec()));
        // A token is good for its own filter only.
        let wrong = json!({ "filter": { "enabled": true } });
        admin.call(&format!("{LIST}?token={token}"), &wrong).await.blames("pagination.token");
    }
}

async fn members_see_and_change_only_those_of_their_runners(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("member").await);
    let (theirs, own) = (admin.create_runner().await.0, member.enroll().await);
    let foreign = create(&admin, &theirs, "foreign").await;
    let id = create(&member, &own.runner, "mine").await;
    assert_eq!(names(&member, &json!({})).await, ["mine"]);
    assert_eq!(names(&own.actor, &json!({})).await, ["mine"]);
    assert_eq!(names(&member, &json!({ "runnerIds": [theirs, own.runner] })).await, ["mine"]);
    assert_eq!(names(&server.other_organization().await, &json!({ "runnerIds": [theirs] })).await, [""; 0]);
    member.call(GET, &json!({ "environmentClassId": foreign })).await.refused(403, "permission_denied", "");
    update(&member, &foreign, &json!({ "enabled": false })).await.refused(403, "permission_denied", "");
    member.call(CREATE, &draft(&theirs, "mine")).await.refused(403, "permission_denied", "");
    update(&own.actor, &id, &json!({ "enabled": false })).await.refused(403, "permission_denied", "");
    assert_eq!(get(&own.actor, &id).await["displayName"], "mine");
}

async fn before_a_report_the_schema_offers_every_scm(server: &TestServer) {
    let admin = server.admin();
    let runner = admin.create_runner().await.0;
    let found = admin.call(SCHEMA, &json!({ "runnerId": runner })).await.ok()["schema"].clone();
    let ids: Vec<_> =
        found["scm"].as_array().expect("a list").iter().map(|scm| scm["scmId"].clone()).collect();
    let all =
        ["github", "gitlab", "bitbucket", "azuredevops_entra", "azuredevops_server", "gitea", "forgejo"];
    assert_eq!(ids, all);
    for scm in found["scm"].as_array().expect("a list") {
        let server_only = scm["scmId"] == "azuredevops_server";
        assert_eq!(scm.get("oauth").is_none(), server_only, "presence is the signal: {scm}");
        assert!(scm["pat"].is_object());
        let hosted =
            ["github", "gitlab", "bitbucket", "azuredevops_entra"].iter().any(|id| scm["scmId"] == *id);
        assert_eq!(scm.get("defaultHosts").is_some(), hosted, "{scm}");
    }
}

async fn a_runner_reports_its_schema_and_it_rules_from_then_on(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let runner = &agent.runner;
    let body = json!({ "schema": schema() });
    assert_eq!(agent.actor.call(REPORT, &body).await.ok(), json!({}));
    agent.actor.call(REPORT, &body).await.ok();
    let audited = "SELECT count(*) FROM audit_entry WHERE action = 'runner.report_schema'";
    assert_eq!(server.database().count(audited).await, 1, "the same again leaves no trace");

    let shown = admin.call(SCHEMA, &json!({ "runnerId": runner })).await.ok()["schema"].clone();
    assert_eq!(shown, agent.actor.call(SCHEMA, &json!({ "runnerId": runner })).await.ok()["schema"]);
    assert_eq!(shown["version"], "7");
    // Both generations of an enum's members are filled, whichever was reported.
    let (machine, old) = (&shown["environmentClasses"][0]["enum"], &shown["runnerConfig"][0]["enum"]);
    assert_eq!((&machine["default"], &machine["values"]), (&json!("m6"), &json!(["m6", "m7"])));
    assert_eq!(machine["possibleValues"][0], json!({ "title": "m6", "subtitle": "8 cores" }));
    assert_eq!(old["possibleValues"], json!([{ "title": "a" }, { "title": "b" }]));
    assert_eq!((&old["defaultValue"], &old["values"]), (&json!({ "title": "a" }), &json!(["a", "b"])));
    assert_eq!(shown["scm"], schema()["scm"]);

    // Settings of classes are the schema's.
    create(&admin, runner, "Large").await;
    for (settings, field) in [
        (json!([]), "configuration"),
        (json!([{ "key": "type", "value": "m8" }]), "configuration[0].value"),
        (
            json!([{ "key": "type", "value": "m6" }, { "key": "disk", "value": "9" }]),
            "configuration[1].value",
        ),
        (json!([{ "key": "type", "value": "m6" }, { "key": "cores", "value": "9" }]), "configuration[1].key"),
    ] {
        let mut bad = draft(runner, "Large");
        bad["configuration"] = settings;
        admin.call(CREATE, &bad).await.blames(field);
    }
    // And so are SCMs.
    admin.integrate(runner, &json!({})).await;
    let other = json!({ "scmId": "gitlab", "host": "gitlab.com" });
    admin.try_integrate(runner, &other).await.blames("scm_id");
    // Another runner's schema is another.
    let next = admin.register().await;
    admin.integrate(&next.runner, &other).await;
}

async fn a_report_is_checked_and_the_runners_own(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("member").await);
    let agent = admin.enroll().await;
    let body = json!({ "schema": schema() });
    for actor in [&admin, &member] {
        actor.call(REPORT, &body).await.refused(403, "permission_denied", "only the runner's own token");
    }
    agent.actor.call(REPORT, &json!({})).await.blames("schema");
    for (member, value, field) in [
        ("scm", json!([{ "scmId": "" }]), "schema.scm[0].scm_id"),
        ("scm", json!([{ "scmId": "github" }, { "scmId": "github" }]), "schema.scm[1].scm_id"),
        ("runnerConfig", json!([{ "id": "x" }]), "schema.runner_config[0].type"),
        (
            "runnerConfig",
            json!([{ "id": "x", "int": { "default": 5, "max": 2 } }]),
            "schema.runner_config[0].int.default",
        ),
        (
            "environmentClasses",
            json!([{ "id": "x", "secret": true, "bool": {} }]),
            "schema.environment_classes[0].secret",
        ),
        ("version", json!("x".repeat(128)), "schema.version"),
    ] {
        let mut bad = body.clone();
        bad["schema"][member] = value;
        agent.actor.call(REPORT, &bad).await.blames(field);
    }
    let fields: Vec<_> = (0..101).map(|id| json!({ "id": id.to_string(), "bool": {} })).collect();
    agent
        .actor
        .call(REPORT, &json!({ "schema": { "runnerConfig": fields } }))
        .await
        .blames("schema.runner_config");
    assert_eq!(server.database().count("SELECT count(*) FROM runner_schema").await, 0);
    member.call(SCHEMA, &json!({ "runnerId": agent.runner })).await.refused(403, "permission_denied", "");
    server.other_organization().await.call(SCHEMA, &json!({ "runnerId": agent.runner })).await.refused(
        404,
        "not_found",
        "runner",
    );
}

on_both_stores!(
    a_class_is_created_enabled_read_changed_and_disabled,
    every_change_is_in_the_runners_change_log_and_the_audit,
    lists_are_narrowed_and_paged,
    members_see_and_change_only_those_of_their_runners,
    before_a_report_the_schema_offers_every_scm,
    a_runner_reports_its_schema_and_it_rules_from_then_on,
    a_report_is_checked_and_the_runners_own,
);
