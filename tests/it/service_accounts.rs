//! Service accounts: principals without a login.
use serde_json::json;

use crate::support::{TestServer, on_both_stores};

const WHO: &str = "IdentityService/GetAuthenticatedIdentity";
const CREATE: &str = "ServiceAccountService/CreateServiceAccount";
const TOKEN: &str = "TokenService/CreateToken";

async fn a_service_account_acts_by_its_tokens_until_it_is_disabled(server: &TestServer) {
    let admin = server.admin();
    let made = admin.call(CREATE, &json!({ "name": "ci", "description": "builds" })).await.ok();
    let account = &made["serviceAccount"];
    assert_eq!((&account["name"], &account["description"]), (&json!("ci"), &json!("builds")));
    assert_eq!(account["role"], "ORGANIZATION_ROLE_MEMBER");
    let id = account["id"].as_str().expect("an id");
    let made = admin.call(TOKEN, &json!({ "serviceAccountId": id })).await.ok();
    assert_eq!(made["apiToken"]["kind"], "TOKEN_KIND_SERVICE_ACCOUNT");
    assert_eq!((&made["apiToken"]["subjectId"], made["apiToken"].get("expiresAt")), (&json!(id), None));
    let text = made["token"].as_str().expect("a token");
    assert!(text.starts_with("sealink_sat_"), "the kind is in the token");

    let ci = server.bearer(text);
    let me = ci.call(WHO, &json!({})).await.ok();
    assert_eq!(me["subject"], json!({ "id": id, "principal": "PRINCIPAL_SERVICE_ACCOUNT" }));
    // It administers what it makes, and is named as its maker; nothing else is its to see.
    let foreign = admin.create_runner().await.0;
    let agent = ci.register().await;
    ci.integrate(&agent.runner, &json!({})).await;
    assert_eq!(ci.runner(&agent.runner).await["creator"], me["subject"]);
    assert_eq!(admin.runner(&agent.runner).await["creator"], me["subject"]);
    assert_eq!(admin.runner(&foreign).await["creator"]["principal"], "PRINCIPAL_USER");
    let other = ci.call("RunnerService/GetRunner", &json!({ "runnerId": foreign })).await;
    other.refused(403, "permission_denied", "");
    let audited = "SELECT count(*) FROM audit_entry WHERE actor_kind = 'service_account'";
    assert!(server.database().count(audited).await > 0);

    let disable = json!({ "serviceAccountId": id });
    let disabled = admin.call("ServiceAccountService/DisableServiceAccount", &disable).await.ok();
    assert_eq!(disabled["serviceAccount"]["disabled"], true);
    ci.call(WHO, &json!({})).await.refused(401, "unauthenticated", "");
    ci.list("", &json!({})).await.refused(401, "unauthenticated", "");
    let more = admin.call(TOKEN, &json!({ "serviceAccountId": id })).await;
    more.refused(400, "failed_precondition", "disabled");
}

async fn users_and_service_accounts_are_told_apart(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("ada").await);
    let ci = admin.create_service_account("ci", "ORGANIZATION_ROLE_MEMBER").await;
    let names = async |method: &str, list: &str| {
        let listed = admin.call(method, &json!({})).await.ok();
        let rows = listed[list].as_array().expect("always there").clone();
        rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("UserService/ListUsers", "users").await, ["admin", "ada"]);
    let accounts = names("ServiceAccountService/ListServiceAccounts", "serviceAccounts").await;
    assert_eq!(accounts, ["ci"]);
    for name in ["ci", "ada"] {
        admin.call(CREATE, &json!({ "name": name })).await.refused(409, "already_exists", "");
    }
    admin.call("UserService/CreateUser", &json!({ "name": "ci", "email": "a@b" })).await.refused(
        409,
        "already_exists",
        "",
    );
    for (method, body) in [
        ("UserService/DisableUser", json!({ "userId": ci.id })),
        ("ServiceAccountService/DisableServiceAccount", json!({ "serviceAccountId": member.id })),
        (TOKEN, json!({ "userId": ci.id })),
        (TOKEN, json!({ "serviceAccountId": member.id })),
        ("TokenService/ListTokens", json!({ "userId": ci.id })),
    ] {
        admin.call(method, &body).await.refused(404, "not_found", "");
    }
    let both = json!({ "userId": member.id, "serviceAccountId": ci.id });
    admin.call(TOKEN, &both).await.blames("service_account_id");
    for (member, value) in [("name", json!("A")), ("name", json!("")), ("description", json!("a\nb"))] {
        let mut bad = json!({ "name": "other" });
        bad[member] = value;
        admin.call(CREATE, &bad).await.blames(member);
    }
}

async fn only_administrators_make_their_tokens(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("ada").await);
    let ci = admin.create_service_account("ci", "ORGANIZATION_ROLE_MEMBER").await;
    let of_ci = json!({ "serviceAccountId": ci.id });
    for actor in [&member, &ci] {
        actor.call(TOKEN, &of_ci).await.refused(403, "permission_denied", "only an administrator");
        actor.call(CREATE, &json!({ "name": "other" })).await.refused(403, "permission_denied", "");
    }
    ci.call(TOKEN, &json!({})).await.refused(403, "permission_denied", "only an administrator");
    member.call("TokenService/ListTokens", &of_ci).await.refused(403, "permission_denied", "");
    server.other_organization().await.call(TOKEN, &of_ci).await.refused(404, "not_found", "service account");
    let own = ci.call("TokenService/ListTokens", &json!({})).await.ok();
    assert_eq!(own["tokens"].as_array().map(Vec::len), Some(1));
    assert_eq!(own, admin.call("TokenService/ListTokens", &of_ci).await.ok());

    // Its life may be limited, and its reach; more than 90 days are no limit here.
    let (reader, _) = admin
        .create_token(&json!({ "serviceAccountId": ci.id, "readOnly": true, "validFor": "31536000s" }))
        .await;
    let made = reader.call("RunnerService/CreateRunner", &json!({ "name": "a runner" })).await;
    made.refused(403, "permission_denied", "read-only");
    admin.call(TOKEN, &json!({ "serviceAccountId": ci.id, "validFor": "0s" })).await.blames("valid_for");

    // An administrator among them does what administrators do, but does not lock itself out.
    let robot = admin.create_service_account("robot", "ORGANIZATION_ROLE_ADMIN").await;
    robot.create_user("bob", "ORGANIZATION_ROLE_MEMBER").await;
    robot.call(TOKEN, &of_ci).await.ok();
    let own = json!({ "serviceAccountId": robot.id });
    let refused = robot.call("ServiceAccountService/DisableServiceAccount", &own).await;
    refused.refused(400, "failed_precondition", "disable itself");
}

on_both_stores!(
    a_service_account_acts_by_its_tokens_until_it_is_disabled,
    users_and_service_accounts_are_told_apart,
    only_administrators_make_their_tokens,
);
