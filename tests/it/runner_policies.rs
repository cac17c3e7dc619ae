//! Runner policies: groups' roles on runners, and what these let their members do.
use sealink::pb::gitpod::v1::{CreateRunnerPolicyRequest, CreateRunnerPolicyResponse};
use serde_json::{Value, json};

use crate::support::{Actor, Agent, Answer, TestServer, on_both_stores};

const CREATE: &str = "RunnerService/CreateRunnerPolicy";
const LIST: &str = "RunnerService/ListRunnerPolicies";
const UPDATE: &str = "RunnerService/UpdateRunnerPolicy";
const DELETE: &str = "RunnerService/DeleteRunnerPolicy";
const NEVER: &str = "0198a7c0-0000-7000-8000-0000000000ff";

fn policy(runner: &str, group: &str, role: &str) -> Value {
    json!({ "runnerId": runner, "groupId": group, "role": format!("RUNNER_ROLE_{role}") })
}

/// A runner of the administrator's with an integration, and somebody in a group.
struct Scene {
    admin: Actor,
    agent: Agent,
    integration: String,
    class: String,
    group: String,
    ada: Actor,
    membership: String,
}

impl Scene {
    async fn new(server: &TestServer) -> Self {
        let admin = server.admin();
        let agent = admin.register().await;
        let ada = server.member("ada").await;
        let group = admin.create_group("platform").await;
        let over = json!({ "honeycombApiKey": "canary" });
        admin.update_runner(&agent.runner, &json!({ "configuration": over })).await.ok();
        Self {
            integration: admin.integrate(&agent.runner, &json!({})).await,
            class: admin.create_class(&agent.runner).await,
            membership: admin.join(&group, "PRINCIPAL_USER", &ada.id).await,
            admin,
            agent,
            group,
            ada,
        }
    }

    async fn grant(&self, role: &str) {
        let body = policy(&self.agent.runner, &self.group, role);
        if self.admin.call(CREATE, &body).await.status == 409 {
            self.admin.call(UPDATE, &body).await.ok();
        }
    }

    async fn revoke(&self) {
        let body = json!({ "runnerId": self.agent.runner, "groupId": self.group });
        self.admin.call(DELETE, &body).await.ok();
    }

    /// Every way a client may see the runner's things, for `actor`: by id, and in lists with and without a filter.
    async fn seen(&self, actor: &Actor) -> [bool; 8] {
        let runner = &self.agent.runner;
        let narrowed = json!({ "filter": { "runnerIds": [runner] } });
        let classes = "RunnerConfigurationService/ListEnvironmentClasses";
        let listed = async |method: &str, list: &str, member: &str, id: &str, body: &Value| {
            let answer = actor.call(method, body).await.ok();
            answer[list].as_array().expect("always there").iter().any(|row| row[member] == *id)
        };
        let reads = async |method: &str, body: Value| {
            let answer = actor.call(method, &body).await;
            assert!(answer.status.is_success() || answer.code() == "PERMISSION_DENIED", "{answer:?}");
            answer.status.is_success()
        };
        [
            reads("RunnerService/GetRunner", json!({ "runnerId": runner })).await,
            listed("RunnerService/ListRunners", "runners", "runnerId", runner, &json!({})).await,
            reads("RunnerConfigurationService/GetSCMIntegration", json!({ "id": self.integration })).await,
            actor.listed(&json!({})).await.contains(&self.integration),
            actor.listed(&narrowed).await.contains(&self.integration),
            reads(
                "RunnerConfigurationService/GetEnvironmentClass",
                json!({ "environmentClassId": self.class }),
            )
            .await,
            listed(classes, "environmentClasses", "id", &self.class, &json!({})).await,
            listed(classes, "environmentClasses", "id", &self.class, &narrowed).await,
        ]
    }

    /// The ciphertexts that `actor` gets to see of the runner and its integration, each way it can ask.
    async fn ciphertexts(&self, actor: &Actor) -> Vec<Value> {
        let runner = &self.agent.runner;
        let in_list = async |body: &Value| {
            let answer = actor.list("", body).await.ok();
            let rows = answer["integrations"].as_array().expect("always there").clone();
            rows.into_iter().find(|row| row["id"] == *self.integration).expect("listed")
        };
        let two = json!({ "filter": { "runnerIds": [runner, NEVER] } });
        let shown = [
            actor.integration(&self.integration).await,
            in_list(&json!({})).await,
            in_list(&json!({ "filter": { "runnerIds": [runner] } })).await,
            in_list(&two).await,
        ];
        for integration in &shown {
            assert_eq!(integration["oauth"]["clientId"], "client_id", "that OAuth is on, everybody sees");
        }
        let runners = actor.call("RunnerService/ListRunners", &json!({})).await.ok();
        let runners = runners["runners"].as_array().expect("always there").clone();
        let listed = runners.into_iter().find(|row| row["runnerId"] == *runner).expect("listed");
        let specs = [actor.runner(runner).await, listed];
        let secret = |runner: &Value| runner["spec"]["configuration"]["encryptedHoneycombApiKey"].clone();
        let oauth = |integration: &Value| integration["oauth"]["encryptedClientSecret"].clone();
        shown.iter().map(oauth).chain(specs.iter().map(secret)).collect()
    }
}

/// What only those may who administer the runner: everything that changes it, and who else may what.
fn administration(scene: &Scene) -> Vec<(&'static str, Value)> {
    let runner = &scene.agent.runner;
    vec![
        ("RunnerConfigurationService/UpdateSCMIntegration", json!({ "id": scene.integration, "pat": true })),
        (
            "RunnerConfigurationService/CreateSCMIntegration",
            json!({ "runnerId": runner, "scmId": "gitlab", "host": "gitlab.com", "pat": true }),
        ),
        (
            "RunnerConfigurationService/CreateEnvironmentClass",
            json!({ "runnerId": runner, "displayName": "Small", "description": "one core" }),
        ),
        (
            "RunnerConfigurationService/UpdateEnvironmentClass",
            json!({ "environmentClassId": scene.class, "enabled": false }),
        ),
        ("RunnerService/UpdateRunner", json!({ "runnerId": runner, "name": "renamed" })),
        ("RunnerService/CreateRunnerToken", json!({ "runnerId": runner })),
        (LIST, json!({ "runnerId": runner })),
        (UPDATE, policy(runner, &scene.group, "ADMIN")),
        ("RunnerKeyService/ListKeys", json!({ "runnerId": runner })),
        ("RunnerService/CreateRunnerLogsToken", json!({ "runnerId": runner })),
        (
            "RunnerKeyService/BeginKeyRegistration",
            json!({ "runnerId": runner, "publicKey": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=" }),
        ),
        ("RunnerConfigurationService/DeleteSCMIntegration", json!({ "id": scene.integration })),
        (DELETE, json!({ "runnerId": runner, "groupId": scene.group })),
    ]
}

async fn a_policy_is_created_changed_listed_and_deleted(server: &TestServer) {
    let admin = server.admin();
    let (runner, other) = (admin.create_runner().await.0, admin.create_runner().await.0);
    let (one, two) = (admin.create_group("one").await, admin.create_group("two").await);
    let made = admin.call(CREATE, &policy(&runner, &one, "USER")).await.ok();
    assert_eq!(made["policy"], json!({ "groupId": one, "role": "RUNNER_ROLE_USER" }));
    admin.call(CREATE, &policy(&runner, &one, "ADMIN")).await.refused(
        409,
        "already_exists",
        "already has a role",
    );
    admin.call(CREATE, &policy(&runner, &two, "ADMIN")).await.ok();
    let changed = admin.call(UPDATE, &policy(&runner, &one, "ADMIN")).await.ok();
    assert_eq!(changed["policy"]["role"], "RUNNER_ROLE_ADMIN");

    let first = admin.call(&format!("{LIST}?pageSize=1"), &json!({ "runnerId": runner })).await.ok();
    assert_eq!(first["policies"], json!([{ "groupId": one, "role": "RUNNER_ROLE_ADMIN" }]));
    let next =
        format!("{LIST}?pageSize=1&token={}", first["pagination"]["nextToken"].as_str().expect("more"));
    let last = admin.call(&next, &json!({ "runnerId": runner })).await.ok();
    assert_eq!(last["policies"][0]["groupId"], json!(two));
    assert_eq!(last["pagination"].get("nextToken"), None);
    admin.call(&next, &json!({ "runnerId": other })).await.blames("pagination.token");
    assert_eq!(admin.call(LIST, &json!({ "runnerId": other })).await.ok()["policies"], json!([]));

    for (body, field) in [
        (json!({ "runnerId": runner, "groupId": one }), "role"),
        (json!({ "runnerId": runner, "groupId": "x", "role": 1 }), "group_id"),
        (json!({ "runnerId": "x", "groupId": one, "role": 1 }), "runner_id"),
    ] {
        for method in [CREATE, UPDATE] {
            admin.call(method, &body).await.blames(field);
        }
    }
    let odd = CreateRunnerPolicyRequest { runner_id: runner.clone(), group_id: one.clone(), role: 9 };
    admin.proto::<_, CreateRunnerPolicyResponse>(&odd).await.expect_err("no such role").blames("role");
    for (runner, group, what) in [(NEVER, &*one, "runner not found"), (&*runner, NEVER, "group not found")] {
        admin.call(CREATE, &policy(runner, group, "USER")).await.refused(404, "not_found", what);
    }
    let unknown = admin.call(UPDATE, &policy(&other, &one, "USER")).await;
    unknown.refused(404, "not_found", "runner policy not found");
    let gone = json!({ "runnerId": runner, "groupId": one });
    admin.call(DELETE, &gone).await.ok();
    admin.call(DELETE, &gone).await.refused(404, "not_found", "runner policy not found");
    // Groups and runners take their policies with them.
    admin.call(CREATE, &policy(&other, &two, "USER")).await.ok();
    admin.call("GroupService/DeleteGroup", &json!({ "groupId": two })).await.ok();
    admin.call(CREATE, &policy(&other, &one, "USER")).await.ok();
    admin.delete_runner(&other).await.ok();
    assert_eq!(server.database().count("SELECT count(*) FROM runner_policy").await, 0);
    let audited = "SELECT count(*) FROM audit_entry WHERE action LIKE 'runner_policy.%'";
    assert_eq!(server.database().count(audited).await, 6);
}

async fn a_user_of_a_runner_sees_it_without_its_secrets_and_changes_nothing(server: &TestServer) {
    let scene = Scene::new(server).await;
    assert_eq!(scene.seen(&scene.ada).await, [false; 8], "no policy yet");
    scene.grant("USER").await;
    assert_eq!(scene.seen(&scene.ada).await, [true; 8]);
    let hidden = scene.ciphertexts(&scene.ada).await;
    assert!(hidden.iter().all(Value::is_null), "{hidden:?}");
    for actor in [&scene.admin, &scene.agent.actor] {
        let shown = scene.ciphertexts(actor).await;
        assert!(shown.iter().all(Value::is_string), "{shown:?}");
    }
    let schema = json!({ "runnerId": scene.agent.runner });
    scene.ada.call("RunnerConfigurationService/GetRunnerConfigurationSchema", &schema).await.ok();
    for (method, body) in administration(&scene) {
        let answer: Answer = scene.ada.call(method, &body).await;
        answer.refused(403, "permission_denied", "only those who administer this runner");
    }
    // What a runner is for, its users may: each with a credential of its own.
    let live =
        scene.agent.live(|_| Some(json!({ "parseContextUrl": { "response": { "scmId": "github" } } }))).await;
    for runner in [json!(""), json!(scene.agent.runner)] {
        let body = json!({ "runnerId": runner, "contextUrl": "https://github.com/octo/hello" });
        let answer = scene.ada.call("RunnerService/ParseContextURL", &body).await.ok();
        assert_eq!(answer["scmId"], "github", "{body}");
        let asked = live.asked().pop().expect("a call");
        assert_eq!(asked["parseContextUrl"]["caller"]["subject"]["id"], json!(scene.ada.id));
    }
    drop(live);
    // Rights come before what a request says: a wrong one gets the same answer.
    let bad = json!({ "id": scene.integration, "oauthPlaintextClientSecret": "" });
    let refused = scene.ada.call("RunnerConfigurationService/UpdateSCMIntegration", &bad).await;
    refused.refused(403, "permission_denied", "");
    let deleted = scene.ada.delete_runner(&scene.agent.runner).await;
    deleted.refused(403, "permission_denied", "only those who administer this runner");
    assert_eq!(scene.agent.opened(&scene.integration).await, "canary-client-secret-4711");
}

async fn an_administrator_by_policy_may_what_the_creator_may(server: &TestServer) {
    let scene = Scene::new(server).await;
    scene.grant("ADMIN").await;
    assert_eq!(scene.seen(&scene.ada).await, [true; 8]);
    let shown = scene.ciphertexts(&scene.ada).await;
    assert!(shown.iter().all(Value::is_string), "{shown:?}");
    let rotate = json!({ "oauthPlaintextClientSecret": "rotated" });
    scene.ada.update_integration(&scene.integration, &rotate).await.ok();
    assert_eq!(scene.agent.opened(&scene.integration).await, "rotated");
    for (method, body) in administration(&scene) {
        let answer = scene.ada.call(method, &body).await;
        // The key is refused for what it is, not for who sends it.
        let fine = answer.status.is_success()
            || method.ends_with("BeginKeyRegistration") && answer.code() == "INVALID_ARGUMENT";
        assert!(fine, "{method}: {answer:?}");
    }
    let runner = json!({ "runnerId": scene.agent.runner });
    let after = scene.ada.call("RunnerService/GetRunner", &runner).await;
    after.refused(403, "permission_denied", "you may not use this runner");
    scene.grant("ADMIN").await;
    scene.ada.delete_runner(&scene.agent.runner).await.ok();
}

/// A role ends at once with whatever it hung on, and the highest of several counts.
async fn roles_come_and_go_with_policies_and_memberships(server: &TestServer) {
    let scene = Scene::new(server).await;
    let secret = async |scene: &Scene| scene.ciphertexts(&scene.ada).await[0].is_string();
    scene.grant("USER").await;
    let second = scene.admin.create_group("second").await;
    scene.admin.call(CREATE, &policy(&scene.agent.runner, &second, "ADMIN")).await.ok();
    assert!(!secret(&scene).await, "not in the second group");
    let membership = scene.admin.join(&second, "PRINCIPAL_USER", &scene.ada.id).await;
    assert!(secret(&scene).await, "ADMIN of two");
    scene.admin.call("GroupService/DeleteMembership", &json!({ "membershipId": membership })).await.ok();
    assert!(!secret(&scene).await);
    scene.grant("ADMIN").await;
    assert!(secret(&scene).await);
    scene.revoke().await;
    assert_eq!(scene.seen(&scene.ada).await, [false; 8]);
    scene.grant("USER").await;
    assert_eq!(scene.seen(&scene.ada).await, [true; 8]);
    scene
        .admin
        .call("GroupService/DeleteMembership", &json!({ "membershipId": scene.membership }))
        .await
        .ok();
    assert_eq!(scene.seen(&scene.ada).await, [false; 8]);
    scene.admin.join(&scene.group, "PRINCIPAL_USER", &scene.ada.id).await;
    assert_eq!(scene.seen(&scene.ada).await, [true; 8]);
    scene.admin.call("GroupService/DeleteGroup", &json!({ "groupId": scene.group })).await.ok();
    assert_eq!(scene.seen(&scene.ada).await, [false; 8]);

    // Service accounts have roles like people.
    let ci = scene.admin.create_service_account("ci", "ORGANIZATION_ROLE_MEMBER").await;
    assert_eq!(scene.seen(&ci).await, [false; 8]);
    scene.admin.join(&second, "PRINCIPAL_SERVICE_ACCOUNT", &ci.id).await;
    assert_eq!(scene.seen(&ci).await, [true; 8]);
    assert!(scene.ciphertexts(&ci).await.iter().all(Value::is_string));
}

/// Lists of a member are of what it made and of what it was given: in order, nothing twice, page by page.
async fn lists_show_own_and_granted_once_and_in_order(server: &TestServer) {
    let (admin, ada) = (server.admin(), server.member("ada").await);
    let group = admin.create_group("platform").await;
    admin.join(&group, "PRINCIPAL_USER", &ada.id).await;
    let (mut runners, mut integrations, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..9 {
        // Its own, one it was given, one it was not; and one of its own that it was given besides.
        let maker = if number % 3 == 0 { &ada } else { &admin };
        let runner = maker.create_runner().await.0;
        if number % 3 == 1 || number == 3 {
            maker.call(CREATE, &policy(&runner, &group, "USER")).await.ok();
        }
        let integration = maker.integrate_pat(&runner, "git.example.com").await;
        let class = maker.create_class(&runner).await;
        if number % 3 != 2 {
            runners.push(runner);
            integrations.push(integration);
            classes.push(class);
        }
    }
    for (method, list, member, expected) in [
        ("RunnerService/ListRunners", "runners", "runnerId", runners),
        ("RunnerConfigurationService/ListSCMIntegrations", "integrations", "id", integrations),
        ("RunnerConfigurationService/ListEnvironmentClasses", "environmentClasses", "id", classes),
    ] {
        for size in [1, 2, 4, 5, 6, 100] {
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let page =
                    ada.call(&format!("{method}?pageSize={size}&token={token}"), &json!({})).await.ok();
                let rows = page[list].as_array().expect("always there").clone();
                assert!(rows.len() <= size && !rows.is_empty(), "{page}");
                seen.extend(rows.iter().map(|row| row[member].as_str().expect("an id").to_owned()));
                match page["pagination"]["nextToken"].as_str() {
                    Some(next) if !next.is_empty() => next.clone_into(&mut token),
                    _ => break,
                }
            }
            assert_eq!(seen, expected, "{method} in pages of {size}");
        }
    }
}

on_both_stores!(
    a_policy_is_created_changed_listed_and_deleted,
    a_user_of_a_runner_sees_it_without_its_secrets_and_changes_nothing,
    an_administrator_by_policy_may_what_the_creator_may,
    roles_come_and_go_with_policies_and_memberships,
    lists_show_own_and_granted_once_and_in_order,
);
