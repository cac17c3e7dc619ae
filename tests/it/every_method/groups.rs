//! Groups and who is in them.
use serde_json::{Value, json};

use super::{Case, Cases, cases, column};
use crate::support::{Answer, new_id};

pub(super) const CASES: Cases = cases! {
    "CreateGroup" => create,
    "GetGroup" => get,
    "ListGroups" => list,
    "UpdateGroup" => update,
    "DeleteGroup" => delete,
    "CreateMembership" => join,
    "GetMembership" => get_membership,
    "ListMemberships" => list_memberships,
    "DeleteMembership" => leave,
};

async fn group(case: &Case<'_>) -> String {
    case.admin.create_group(&format!("group-{}", new_id().simple())).await
}

async fn read(case: &Case<'_>, id: &str) -> Answer {
    case.admin.call("GroupService/GetGroup", &json!({ "id": id })).await
}

async fn create(case: &Case<'_>) {
    let me = case.admin.call("IdentityService/GetAuthenticatedIdentity", &json!({})).await.ok();
    let request = json!({ "organizationId": me["organizationId"], "name": "created" });
    let made = case.ask(&request).await["group"].clone();
    assert_eq!(made["name"], "created");
    assert_eq!(read(case, made["id"].as_str().expect("an id")).await.ok()["group"], made);
}

async fn get(case: &Case<'_>) {
    let id = group(case).await;
    assert_eq!(case.ask(&json!({ "id": id })).await["group"]["id"], *id);
}

async fn list(case: &Case<'_>) {
    let id = group(case).await;
    let listed = case.ask(&json!({ "filter": { "groupIds": [id] } })).await;
    assert_eq!(column(&listed, "groups", "id"), [json!(id)]);
}

async fn update(case: &Case<'_>) {
    let id = group(case).await;
    case.ask(&json!({ "groupId": id, "name": "group renamed" })).await;
    assert_eq!(read(case, &id).await.ok()["group"]["name"], "group renamed");
}

async fn delete(case: &Case<'_>) {
    let id = group(case).await;
    case.ask(&json!({ "groupId": id })).await;
    read(case, &id).await.refused(404, "not_found", "");
}

/// A group with one member: its id, the member, the membership's id.
async fn company(case: &Case<'_>) -> (String, Value, String) {
    let (group, user) = (group(case).await, case.server.member(&format!("user-{}", new_id().simple())).await);
    let membership = case.admin.join(&group, "PRINCIPAL_USER", &user.id).await;
    (group, json!({ "id": user.id, "principal": "PRINCIPAL_USER" }), membership)
}

async fn members(case: &Case<'_>, group: &str) -> Vec<Value> {
    let body = json!({ "groupId": group });
    column(&case.admin.call("GroupService/ListMemberships", &body).await.ok(), "members", "subject")
}

async fn join(case: &Case<'_>) {
    let (group, user) = (group(case).await, case.server.member("newcomer").await);
    let subject = json!({ "id": user.id, "principal": "PRINCIPAL_USER" });
    case.ask(&json!({ "groupId": group, "subject": subject })).await;
    assert_eq!(members(case, &group).await, [subject]);
}

async fn get_membership(case: &Case<'_>) {
    let (group, subject, membership) = company(case).await;
    let got = case.ask(&json!({ "groupId": group, "subject": subject })).await;
    assert_eq!((&got["member"]["id"], &got["member"]["subject"]), (&json!(membership), &subject));
}

async fn list_memberships(case: &Case<'_>) {
    let (group, subject, _) = company(case).await;
    assert_eq!(column(&case.ask(&json!({ "groupId": group })).await, "members", "subject"), [subject]);
}

async fn leave(case: &Case<'_>) {
    let (group, _, membership) = company(case).await;
    case.ask(&json!({ "membershipId": membership })).await;
    assert_eq!(members(case, &group).await, Vec::<Value>::new());
}
