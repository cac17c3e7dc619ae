//! Groups and who is in them.
use serde_json::{Value, json};

use crate::support::{Actor, TestServer, on_both_stores};

const CREATE: &str = "GroupService/CreateGroup";
const GET: &str = "GroupService/GetGroup";
const LIST: &str = "GroupService/ListGroups";
const UPDATE: &str = "GroupService/UpdateGroup";
const ADD: &str = "GroupService/CreateMembership";
const MEMBER: &str = "GroupService/GetMembership";
const MEMBERS: &str = "GroupService/ListMemberships";
const NEVER: &str = "0198a7c0-0000-7000-8000-0000000000ff";

async fn organization(actor: &Actor) -> Value {
    actor.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok()["organizationId"].clone()
}

fn user(id: &str) -> Value {
    json!({ "id": id, "principal": "PRINCIPAL_USER" })
}

async fn names(actor: &Actor, method: &str, list: &str, body: &Value) -> Vec<String> {
    let listed = actor.call(method, body).await.ok();
    let rows = listed[list].as_array().expect("always there").clone();
    rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

async fn a_group_is_created_read_renamed_and_deleted(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("ada").await);
    let organization = organization(&admin).await;
    let body =
        json!({ "organizationId": organization, "name": "platform", "description": "runs the runners" });
    let group = admin.call(CREATE, &body).await.ok()["group"].clone();
    for name in ["organizationId", "name", "description"] {
        assert_eq!(group[name], body[name]);
    }
    assert_eq!((group.get("memberCount"), group.get("systemManaged")), (None, None), "none, and people's");
    for named in
        [json!({ "id": group["id"] }), json!({ "name": "platform" }), json!({ "groupId": group["id"] })]
    {
        assert_eq!(member.call(GET, &named).await.ok()["group"], group, "{named}");
    }
    admin.call(CREATE, &body).await.refused(409, "already_exists", "group already exists");

    let id = group["id"].as_str().expect("an id");
    let change = json!({ "groupId": id, "name": "platform-team", "description": "" });
    let renamed = admin.call(UPDATE, &change).await.ok()["group"].clone();
    assert_eq!((renamed["name"].as_str(), renamed.get("description")), (Some("platform-team"), None));
    assert_eq!(admin.call(GET, &json!({ "id": id })).await.ok()["group"], renamed);
    admin.call(GET, &json!({ "name": "platform" })).await.refused(404, "not_found", "group not found");
    admin.create_group("other").await;
    admin.call(UPDATE, &json!({ "groupId": id, "name": "other" })).await.refused(409, "already_exists", "");

    for (method, body, field) in [
        (CREATE, json!({ "organizationId": organization, "name": "ab" }), "name"),
        (CREATE, json!({ "organizationId": organization, "name": "a\nb" }), "name"),
        (CREATE, json!({ "organizationId": organization, "name": "x".repeat(81) }), "name"),
        (CREATE, json!({ "name": "abc" }), "organization_id"),
        (UPDATE, json!({ "groupId": id, "name": "abc", "description": "x".repeat(256) }), "description"),
        (UPDATE, json!({ "groupId": id }), "name"),
        (GET, json!({}), "id"),
        (GET, json!({ "id": "x" }), "id"),
        (GET, json!({ "name": "ab" }), "name"),
        (GET, json!({ "groupId": "x" }), "group_id"),
    ] {
        admin.call(method, &body).await.blames(field);
    }
    let foreign = json!({ "organizationId": NEVER, "name": "abc" });
    admin.call(CREATE, &foreign).await.refused(404, "not_found", "organization not found");

    admin.call("GroupService/DeleteGroup", &json!({ "groupId": id })).await.ok();
    admin.call("GroupService/DeleteGroup", &json!({ "groupId": id })).await.refused(404, "not_found", "");
    admin.call(GET, &json!({ "id": id })).await.refused(404, "not_found", "");
    let audited = "SELECT count(*) FROM audit_entry WHERE action LIKE 'group.%'";
    assert_eq!(server.database().count(audited).await, 4);
}

async fn users_and_service_accounts_join_and_leave(server: &TestServer) {
    let (admin, ada) = (server.admin(), server.member("ada").await);
    let ci = admin.create_service_account("ci", "ORGANIZATION_ROLE_MEMBER").await;
    let (group, other) = (admin.create_group("platform").await, admin.create_group("other").await);
    let body = json!({ "groupId": group, "subject": user(&ada.id) });
    let joined = admin.call(ADD, &body).await.ok()["member"].clone();
    assert_eq!((&joined["groupId"], &joined["subject"]), (&json!(group), &user(&ada.id)));
    assert_eq!(joined["name"], "ada");
    admin.call(ADD, &body).await.refused(409, "already_exists", "already has this member");
    let machine = json!({ "id": ci.id, "principal": "PRINCIPAL_SERVICE_ACCOUNT" });
    admin.call(ADD, &json!({ "groupId": group, "subject": machine })).await.ok();

    assert_eq!(ada.call(MEMBER, &body).await.ok()["member"], joined);
    let found = ci.call(MEMBER, &json!({ "groupId": group, "subject": machine })).await.ok();
    assert_eq!((&found["member"]["name"], &found["member"]["subject"]), (&json!("ci"), &machine));
    for (group, subject) in [(&other, user(&ada.id)), (&group, user(&ci.id)), (&group, user(NEVER))] {
        let absent = ada.call(MEMBER, &json!({ "groupId": group, "subject": subject })).await;
        assert_eq!(absent.ok(), json!({}), "absence is no error");
    }
    let all = json!({ "groupId": group });
    assert_eq!(names(&ada, MEMBERS, "members", &all).await, ["ada", "ci"]);
    let narrowed = json!({ "groupId": group, "filter": { "search": "C" } });
    assert_eq!(names(&ada, MEMBERS, "members", &narrowed).await, ["ci"]);
    assert_eq!(admin.call(GET, &json!({ "id": group })).await.ok()["group"]["memberCount"], 2);

    for (subject, field) in [
        (Value::Null, "subject"),
        (json!({ "id": ada.id }), "subject.principal"),
        (json!({ "id": ada.id, "principal": "PRINCIPAL_RUNNER" }), "subject.principal"),
        (json!({ "id": "x", "principal": "PRINCIPAL_USER" }), "subject.id"),
        (json!({ "principal": "PRINCIPAL_USER" }), "subject.id"),
    ] {
        let bad = json!({ "groupId": group, "subject": subject });
        admin.call(ADD, &bad).await.blames(field);
        admin.call(MEMBER, &bad).await.blames(field);
    }
    for (subject, what) in [
        (user(NEVER), "user not found"),
        (user(&ci.id), "user not found"),
        (json!({ "id": ada.id, "principal": "PRINCIPAL_SERVICE_ACCOUNT" }), "service account not found"),
    ] {
        admin.call(ADD, &json!({ "groupId": group, "subject": subject })).await.refused(
            404,
            "not_found",
            what,
        );
    }

    let leave = json!({ "membershipId": joined["id"] });
    admin.call("GroupService/DeleteMembership", &leave).await.ok();
    admin.call("GroupService/DeleteMembership", &leave).await.refused(404, "not_found", "group membership");
    assert_eq!(names(&ada, MEMBERS, "members", &all).await, ["ci"]);
    admin.call("GroupService/DeleteGroup", &all).await.ok();
    assert_eq!(server.database().count("SELECT count(*) FROM group_membership").await, 0);
    assert_eq!(names(&admin, "UserService/ListUsers", "users", &json!({})).await, ["admin", "ada"]);
}

async fn lists_are_narrowed_and_paged(server: &TestServer) {
    let admin = server.admin();
    let mut ids = Vec::new();
    for name in ["Platform", "plate", "100%_sure", "other"] {
        ids.push(admin.create_group(name).await);
    }
    server.other_organization().await.create_group("foreign").await;
    for (filter, expected) in [
        (json!({}), vec!["Platform", "plate", "100%_sure", "other"]),
        (json!({ "search": "PLAT" }), vec!["Platform", "plate"]),
        (json!({ "search": "%_" }), vec!["100%_sure"]),
        (json!({ "search": "p_a" }), vec![]),
        (json!({ "groupIds": [ids[3], ids[0], NEVER] }), vec!["Platform", "other"]),
        (
            json!({ "systemManaged": false, "directShare": false }),
            vec!["Platform", "plate", "100%_sure", "other"],
        ),
        (json!({ "systemManaged": true }), vec![]),
        (json!({ "directShare": true }), vec![]),
    ] {
        assert_eq!(names(&admin, LIST, "groups", &json!({ "filter": filter })).await, expected, "{filter}");
    }
    admin.call(LIST, &json!({ "filter": { "search": "x".repeat(257) } })).await.blames("filter.search");
    let many: Vec<_> = (0..26).map(|_| NEVER).collect();
    admin.call(LIST, &json!({ "filter": { "groupIds": many } })).await.blames("filter.group_ids");

    let first = admin.call(&format!("{LIST}?pageSize=3"), &json!({})).await.ok();
    let token = first["pagination"]["nextToken"].as_str().expect("there is more");
    assert_eq!(first["groups"].as_array().map(Vec::len), Some(3));
    let next = format!("{LIST}?pageSize=3&token={token}");
    assert_eq!(names(&admin, &next, "groups", &json!({})).await, ["other"]);
    admin.call(&next, &json!({ "filter": { "search": "o" } })).await.blames("pagination.token");
}

on_both_stores!(
    a_group_is_created_read_renamed_and_deleted,
    users_and_service_accounts_join_and_leave,
    lists_are_narrowed_and_paged,
);
