//! Runners: kinds, phases, settings, secrets in settings, deletion.
use sealink::pb::gitpod::v1::{CreateRunnerRequest, CreateRunnerResponse};
use serde_json::{Value, json};

use crate::support::{Actor, TestServer, new_id, on_both_stores};

async fn create(actor: &Actor, over: Value) -> crate::support::Answer {
    let mut body = json!({ "name": "a runner" });
    body.as_object_mut().expect("an object").extend(over.as_object().expect("an object").clone());
    actor.call("RunnerService/CreateRunner", &body).await
}

async fn kind_follows_from_provider(server: &TestServer) {
    let admin = server.admin();
    for (over, kind) in [
        (json!({}), "RUNNER_KIND_REMOTE"),
        (json!({ "kind": "RUNNER_KIND_REMOTE" }), "RUNNER_KIND_REMOTE"),
        (json!({ "kind": "RUNNER_KIND_LOCAL" }), "RUNNER_KIND_LOCAL"),
        (json!({ "provider": "RUNNER_PROVIDER_AWS_EC2" }), "RUNNER_KIND_REMOTE"),
        (json!({ "provider": "RUNNER_PROVIDER_GCP" }), "RUNNER_KIND_REMOTE"),
        (json!({ "provider": "RUNNER_PROVIDER_LINUX_HOST" }), "RUNNER_KIND_LOCAL"),
        (json!({ "provider": "RUNNER_PROVIDER_DESKTOP_MAC" }), "RUNNER_KIND_LOCAL"),
    ] {
        let made = create(&admin, over.clone()).await.ok();
        let runner = &made["runner"];
        assert_eq!(runner["kind"], kind, "{over}");
        assert_eq!(runner["status"]["phase"], "RUNNER_PHASE_CREATED");
        assert_eq!(runner.get("provider"), over.get("provider"));
        assert!(made["exchangeToken"].as_str().expect("a token").starts_with("sealink_exc_"));
        assert_eq!(made.get("accessToken"), None);
        assert_eq!(admin.runner(runner["runnerId"].as_str().expect("an id")).await, *runner);
    }
    let both = json!({ "kind": "RUNNER_KIND_REMOTE", "provider": "RUNNER_PROVIDER_AWS_EC2" });
    create(&admin, both).await.blames("kind");
    create(&admin, json!({ "kind": "RUNNER_KIND_LOCAL_CONFIGURATION" })).await.blames("kind");
    create(&admin, json!({ "provider": "RUNNER_PROVIDER_MANAGED" })).await.blames("provider");
    let unknown =
        CreateRunnerRequest { name: "a runner".to_owned(), kind: 99, ..CreateRunnerRequest::default() };
    let refused = admin.proto::<_, CreateRunnerResponse>(&unknown).await.expect_err("no such kind");
    refused.blames("kind");
    create(&admin, json!({ "name": "ab" })).await.blames("name");
    create(&admin, json!({ "name": "x".repeat(128) })).await.blames("name");
    create(&admin, json!({ "name": "new\nline" })).await.blames("name");
    create(&admin, json!({ "spec": { "desiredPhase": "RUNNER_PHASE_DELETED" } }))
        .await
        .blames("spec.desired_phase");
}

async fn settings_are_kept_and_changed_member_by_member(server: &TestServer) {
    let admin = server.admin();
    let spec = json!({
        "variant": "RUNNER_VARIANT_ENTERPRISE",
        "configuration": {
            "region": "eu-1", "releaseChannel": "RUNNER_RELEASE_CHANNEL_STABLE", "autoUpdate": true,
            "logLevel": "LOG_LEVEL_DEBUG", "devcontainerImageCacheEnabled": true, "continuousProfiling": true,
            "updateWindow": { "startHour": 22, "endHour": 2 },
            "metrics": {
                "enabled": true, "url": "https://metrics.example.com", "username": "me", "password": "canary-metrics",
                "managedMetricsEnabled": true, "includeVerboseMetrics": true,
            },
        },
    });
    let made = create(&admin, json!({ "spec": spec })).await.ok();
    let id = made["runner"]["runnerId"].as_str().expect("an id").to_owned();
    let mut shown = spec.clone();
    shown["configuration"]["metrics"].as_object_mut().expect("an object").remove("password");
    assert_eq!(made["runner"]["spec"], shown);
    assert_eq!(made["runner"]["status"]["region"], "eu-1");

    // Nothing sent, nothing changed.
    for nothing in [json!({}), json!({ "configuration": {} }), json!({ "configuration": { "metrics": {} } })]
    {
        assert_eq!(admin.update_runner(&id, &nothing).await.ok(), json!({}));
        assert_eq!(admin.runner(&id).await["spec"], shown);
    }
    let change = json!({ "configuration": {
        "autoUpdate": false, "logLevel": "LOG_LEVEL_ERROR", "releaseChannel": "RUNNER_RELEASE_CHANNEL_LATEST",
        "metrics": { "enabled": false, "url": "" },
    } });
    admin.update_runner(&id, &change).await.ok();
    let after = admin.runner(&id).await["spec"]["configuration"].clone();
    assert_eq!((after.get("autoUpdate"), &after["logLevel"]), (None, &json!("LOG_LEVEL_ERROR")));
    assert_eq!(after["releaseChannel"], "RUNNER_RELEASE_CHANNEL_LATEST");
    let metrics = json!({ "username": "me", "managedMetricsEnabled": true, "includeVerboseMetrics": true });
    assert_eq!(after["metrics"], metrics);
    assert_eq!((&after["region"], &after["continuousProfiling"]), (&json!("eu-1"), &json!(true)));
    let renamed =
        admin.call("RunnerService/UpdateRunner", &json!({ "runnerId": id, "name": "renamed" })).await;
    renamed.ok();
    assert_eq!(admin.runner(&id).await["name"], "renamed");
    let phase = json!({ "desiredPhase": "RUNNER_PHASE_INACTIVE" });
    admin.update_runner(&id, &phase).await.blames("spec.desired_phase");
}

async fn update_windows(server: &TestServer) {
    let admin = server.admin();
    let (id, _) = admin.create_runner().await;
    let window = |window: Value| json!({ "configuration": { "updateWindow": window } });
    for (sent, shown) in [
        (json!({ "startHour": 3 }), json!({ "startHour": 3, "endHour": 5 })),
        (json!({ "startHour": 23 }), json!({ "startHour": 23, "endHour": 1 })),
        (json!({ "startHour": 0, "endHour": 2 }), json!({ "startHour": 0, "endHour": 2 })),
        (json!({ "startHour": 22, "endHour": 0 }), json!({ "startHour": 22, "endHour": 0 })),
        (json!({ "startHour": 5, "endHour": 4 }), json!({ "startHour": 5, "endHour": 4 })),
    ] {
        admin.update_runner(&id, &window(sent.clone())).await.ok();
        assert_eq!(admin.runner(&id).await["spec"]["configuration"]["updateWindow"], shown, "{sent}");
    }
    let at = |member: &str| format!("spec.configuration.update_window.{member}");
    for (sent, member) in [
        (json!({ "endHour": 4 }), "start_hour"),
        (json!({ "startHour": 24 }), "start_hour"),
        (json!({ "startHour": 3, "endHour": 24 }), "end_hour"),
        (json!({ "startHour": 3, "endHour": 3 }), "end_hour"),
        (json!({ "startHour": 3, "endHour": 4 }), "end_hour"),
        (json!({ "startHour": 23, "endHour": 0 }), "end_hour"),
    ] {
        admin.update_runner(&id, &window(sent)).await.blames(&at(member));
    }
    admin.update_runner(&id, &json!({ "configuration": { "autoUpdate": true } })).await.ok();
    assert!(admin.runner(&id).await["spec"]["configuration"]["updateWindow"].is_object());
    admin.update_runner(&id, &window(json!({}))).await.ok();
    assert_eq!(admin.runner(&id).await["spec"]["configuration"].get("updateWindow"), None);
}

async fn an_update_that_changes_nothing_writes_nothing(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let update = async |spec: Value| {
        admin.update_runner(&agent.runner, &json!({ "configuration": spec })).await.ok();
        let written = "SELECT count(*) FROM audit_entry WHERE action = 'runner.update'";
        server.database().count(written).await
    };
    let revision = async || agent.configuration().await["revision"].clone();
    let before = revision().await;
    for same in [
        json!({}),
        json!({ "autoUpdate": false, "metrics": { "url": "" } }),
        json!({ "honeycombApiKey": "", "metrics": { "password": "" } }),
    ] {
        assert_eq!(update(same.clone()).await, 0, "{same}");
    }
    assert_eq!(revision().await, before);
    let canary = json!({ "autoUpdate": true, "metrics": { "url": "https://canary", "password": "canary" } });
    assert_eq!(update(canary).await, 1);
    assert_ne!(revision().await, before);
    let told = "SELECT count(*) FROM audit_entry WHERE action = 'runner.update' AND details LIKE \
        '%\"changed\":[\"auto_update\",\"metrics.url\",\"metrics.password\"]%' AND details NOT LIKE '%canary%'";
    assert_eq!(server.database().count(told).await, 1);
    assert_eq!(update(json!({ "autoUpdate": true })).await, 1);
    assert_eq!(update(json!({ "metrics": { "password": "" } })).await, 2);
}

async fn the_metrics_password_never_comes_back(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let stored = "SELECT count(*) FROM runner WHERE metrics_password IS NOT NULL";
    let set = |password: &str| json!({ "configuration": { "metrics": { "password": password } } });
    admin.update_runner(&agent.runner, &set("canary-metrics")).await.ok();
    assert_eq!(server.database().count(stored).await, 1);
    for (actor, method, body) in [
        (&admin, "RunnerService/GetRunner", json!({ "runnerId": agent.runner })),
        (&admin, "RunnerService/ListRunners", json!({})),
        (&agent.actor, "RunnerAgentService/GetConfiguration", json!({})),
    ] {
        let answer = actor.call(method, &body).await;
        answer.ok();
        let text = String::from_utf8(answer.body.to_vec()).expect("UTF-8");
        assert!(text.contains("metrics") && !text.contains("canary"), "{text}");
    }
    for bad in ["line\n", " x", &"x".repeat(4_097)] {
        let refused = admin.update_runner(&agent.runner, &set(bad)).await;
        refused.blames("spec.configuration.metrics.password");
    }
    admin.update_runner(&agent.runner, &set("")).await.ok();
    assert_eq!(server.database().count(stored).await, 0);
}

async fn the_honeycomb_key_is_sealed_to_the_runner(server: &TestServer) {
    let admin = server.admin();
    let mut agent = admin.enroll().await;
    let set = |key: &str| json!({ "configuration": { "honeycombApiKey": key } });
    let refused = admin.update_runner(&agent.runner, &set("hc")).await;
    refused.refused(400, "failed_precondition", "runner does not have a public key");
    agent.register_x25519().await;
    admin.update_runner(&agent.runner, &set("hc-1")).await.ok();
    assert_eq!(agent.opened_honeycomb().await, "hc-1");
    admin.update_runner(&agent.runner, &set("hc-2")).await.ok();
    assert_eq!(agent.opened_honeycomb().await, "hc-2");
    admin.update_runner(&agent.runner, &json!({ "configuration": { "autoUpdate": true } })).await.ok();
    assert_eq!(agent.opened_honeycomb().await, "hc-2");
    admin.update_runner(&agent.runner, &set("bad\n")).await.blames("spec.configuration.honeycomb_api_key");
    admin.update_runner(&agent.runner, &set("")).await.ok();
    let spec = &admin.runner(&agent.runner).await["spec"]["configuration"];
    assert_eq!(spec.get("encryptedHoneycombApiKey"), None);
}

async fn deletion_is_immediate_and_takes_everything(server: &TestServer) {
    let admin = server.admin();
    for force in [false, true] {
        let agent = admin.register().await;
        let id = admin.integrate(&agent.runner, &json!({})).await;
        let body = json!({ "runnerId": agent.runner, "force": force });
        assert_eq!(admin.call("RunnerService/DeleteRunner", &body).await.ok(), json!({}));
        let again = admin.call("RunnerService/DeleteRunner", &body).await;
        again.refused(404, "not_found", "runner not found");
        let got = admin.call("RunnerConfigurationService/GetSCMIntegration", &json!({ "id": id })).await;
        got.refused(404, "not_found", "SCM integration not found");
        let token = agent.actor.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await;
        token.refused(401, "unauthenticated", "");
    }
    for left in [
        "SELECT count(*) FROM runner",
        "SELECT count(*) FROM scm_integration",
        "SELECT count(*) FROM runner_key",
        "SELECT count(*) FROM key_registration",
        "SELECT count(*) FROM token WHERE runner_id IS NOT NULL",
    ] {
        assert_eq!(server.database().count(left).await, 0, "{left}");
    }
}

async fn lists_are_narrowed(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("member").await);
    let list = async |actor: &Actor, filter: Value| {
        let answer = actor.call("RunnerService/ListRunners", &json!({ "filter": filter })).await.ok();
        answer["runners"].as_array().expect("an array").len()
    };
    assert_eq!(list(&admin, json!({})).await, 0);
    create(&admin, json!({ "provider": "RUNNER_PROVIDER_AWS_EC2" })).await.ok();
    create(&admin, json!({ "kind": "RUNNER_KIND_LOCAL" })).await.ok();
    let made = create(&member, json!({})).await.ok();
    assert_eq!(made["runner"]["creator"], json!({ "id": member.id, "principal": "PRINCIPAL_USER" }));
    for (filter, rows) in [
        (json!({}), 3),
        (json!({ "creatorIds": [member.id] }), 1),
        (json!({ "creatorIds": ["0198a7c0-0000-7000-8000-0000000000ff"] }), 0),
        (json!({ "kinds": ["RUNNER_KIND_LOCAL"] }), 1),
        (json!({ "kinds": ["RUNNER_KIND_LOCAL", "RUNNER_KIND_REMOTE"] }), 3),
        (json!({ "kinds": ["RUNNER_KIND_LOCAL_CONFIGURATION"] }), 0),
        (json!({ "providers": ["RUNNER_PROVIDER_AWS_EC2"] }), 1),
        (json!({ "providers": ["RUNNER_PROVIDER_AWS_EC2"], "kinds": ["RUNNER_KIND_LOCAL"] }), 0),
        (json!({ "providers": ["RUNNER_PROVIDER_MANAGED"] }), 0),
    ] {
        assert_eq!(list(&admin, filter.clone()).await, rows, "{filter}");
    }
    assert_eq!(list(&member, json!({})).await, 1);
    let ids: Vec<_> = (0..26).map(|_| new_id().to_string()).collect();
    let many = json!({ "filter": { "creatorIds": ids } });
    admin.call("RunnerService/ListRunners", &many).await.blames("filter.creator_ids");
}

on_both_stores!(
    kind_follows_from_provider,
    settings_are_kept_and_changed_member_by_member,
    update_windows,
    an_update_that_changes_nothing_writes_nothing,
    the_metrics_password_never_comes_back,
    the_honeycomb_key_is_sealed_to_the_runner,
    deletion_is_immediate_and_takes_everything,
    lists_are_narrowed,
);
