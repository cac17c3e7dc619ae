//! Host tokens: who may store, see and delete whose.
use serde_json::{Value, json};

use crate::support::{Actor, TestServer, on_both_stores};

/// A member who administers a runner stores tokens for others too; without a role nobody does anything.
async fn a12_tokens_without_rights(server: &TestServer) {
    let (admin, creator) = (server.admin(), server.member("creator").await);
    let (member, stranger) = (server.member("member").await, server.other_organization().await);
    let agent = creator.register().await;
    let own = creator.store_token(&agent.runner, &json!({})).await;
    let of_member = creator.store_token(&agent.runner, &json!({ "userId": member.id })).await;
    let of_creator =
        admin.store_token(&agent.runner, &json!({ "userId": creator.id, "host": "x.org" })).await;

    member.try_store_token(&agent.runner, &json!({})).await.refused(403, "permission_denied", "");
    stranger.try_store_token(&agent.runner, &json!({})).await.refused(404, "not_found", "runner not found");
    agent.actor.try_store_token(&agent.runner, &json!({})).await.refused(403, "permission_denied", "");
    for id in [&own, &of_member, &of_creator] {
        for actor in [&member, &stranger] {
            let never = "0198a7c0-0000-7000-8000-0000000000ff";
            let change = json!({ "token": "stolen" });
            assert_eq!(actor.get_token(id).await.visible(), actor.get_token(never).await.visible());
            assert_eq!(
                actor.update_token(id, &change).await.visible(),
                actor.update_token(never, &change).await.visible()
            );
            assert_eq!(actor.delete_token(id).await.visible(), actor.delete_token(never).await.visible());
            actor.delete_token(id).await.refused(404, "not_found", "host authentication token not found");
        }
        for actor in [&admin, &creator, &agent.actor] {
            actor.get_token(id).await.ok();
        }
        agent.actor.delete_token(id).await.refused(403, "permission_denied", "");
    }
    let all = [own.clone(), of_member.clone(), of_creator.clone()];
    for (actor, sees) in
        [(&admin, &all[..]), (&creator, &all), (&agent.actor, &all), (&member, &[]), (&stranger, &[])]
    {
        assert_eq!(actor.listed_tokens(&json!({})).await, sees);
        assert_eq!(actor.listed_tokens(&json!({ "runnerId": agent.runner })).await, sees);
    }
    creator.delete_token(&of_member).await.ok();
    admin.update_token(&own, &json!({ "token": "canary-by-an-administrator-4711" })).await.ok();
}

/// A service account has tokens like a person: its own, or stored for it by who administers the runner.
async fn service_accounts_have_tokens(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let machine = admin.create_service_account("ci", "ORGANIZATION_ROLE_MEMBER").await;
    let subject = json!({ "id": machine.id, "principal": "PRINCIPAL_SERVICE_ACCOUNT" });
    let stored =
        admin.try_store_token(&agent.runner, &json!({ "subject": subject })).await.ok()["token"].clone();
    assert_eq!((&stored["subject"], stored.get("userId")), (&subject, None));
    let id = stored["id"].as_str().expect("an id").to_owned();
    assert_eq!(admin.listed_tokens(&json!({ "subjectId": machine.id })).await, [id]);
    assert_eq!(admin.listed_tokens(&json!({ "userId": machine.id })).await, [] as [String; 0]);
    let person = json!({ "host": "x.org", "subject": { "id": machine.id, "principal": "PRINCIPAL_USER" } });
    admin.try_store_token(&agent.runner, &person).await.refused(404, "not_found", "subject not found");
    let own = machine.register().await;
    let mine = machine.try_store_token(&own.runner, &json!({})).await.ok()["token"].clone();
    assert_eq!(mine["subject"], subject);
    let id = mine["id"].as_str().expect("an id");
    machine.get_token(id).await.ok();
    machine.delete_token(id).await.ok();
}

fn page_of(answer: &Value) -> Vec<String> {
    let rows = answer["tokens"].as_array().expect("an array");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

async fn pages(actor: &Actor, filter: &Value) -> Vec<Vec<String>> {
    let (mut token, mut found) = (String::new(), Vec::new());
    loop {
        let method =
            format!("RunnerConfigurationService/ListHostAuthenticationTokens?pageSize=2&token={token}");
        let answer = actor.call(&method, &json!({ "filter": filter })).await.ok();
        found.push(page_of(&answer));
        match answer["pagination"]["nextToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => return found,
        }
    }
}

async fn lists_are_narrowed_and_paged(server: &TestServer) {
    let admin = server.admin();
    let user = server.member("user").await;
    let agents = [admin.register().await, admin.register().await];
    let mut ids = Vec::new();
    for (number, agent) in [0, 1, 0, 1, 0].into_iter().zip([0, 0, 1, 1, 0]) {
        let host = format!("h{}.example.com", ids.len());
        let over =
            if number == 0 { json!({ "host": host }) } else { json!({ "host": host, "userId": user.id }) };
        ids.push(admin.store_token(&agents[agent].runner, &over).await);
    }
    let pick = |picked: &[usize]| picked.iter().map(|at| ids[*at].clone()).collect::<Vec<_>>();
    for (filter, expected) in [
        (json!({}), pick(&[0, 1, 2, 3, 4])),
        (json!({ "runnerId": agents[0].runner }), pick(&[0, 1, 4])),
        (json!({ "subjectId": user.id }), pick(&[1, 3])),
        (json!({ "userId": user.id }), pick(&[1, 3])),
        (json!({ "userId": user.id, "subjectId": user.id }), pick(&[1, 3])),
        (json!({ "userId": user.id, "subjectId": agents[0].runner }), pick(&[])),
        (json!({ "runnerId": agents[1].runner, "subjectId": user.id }), pick(&[3])),
        (json!({ "runnerId": "0198a7c0-0000-7000-8000-0000000000ff" }), pick(&[])),
        (json!({ "subjectId": agents[0].runner }), pick(&[])),
    ] {
        let found = pages(&admin, &filter).await;
        assert_eq!(found.concat(), expected, "{filter}");
        assert_eq!(found.len(), expected.len().div_ceil(2).max(1), "{filter}: an empty or short page");
    }
    let list = "RunnerConfigurationService/ListHostAuthenticationTokens";
    let bad = admin.call(list, &json!({ "filter": { "runnerId": "x" } })).await;
    bad.blames("filter.runner_id");
    let token =
        admin.call(&format!("{list}?pageSize=1"), &json!({})).await.ok()["pagination"]["nextToken"].clone();
    let moved = json!({ "filter": { "userId": user.id }, "pagination": { "token": token } });
    admin.call(list, &moved).await.blames("pagination.token");
}

on_both_stores!(a12_tokens_without_rights, service_accounts_have_tokens, lists_are_narrowed_and_paged);
