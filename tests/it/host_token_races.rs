//! What happens to a host token while it is renewed: the forge has forgotten the old refresh token by then, so the
//! new one must be kept, and nobody else may ask meanwhile.
use std::time::Duration;

use serde_json::json;

use crate::{
    host_token_refresh::{DUE_AGAIN, PLANNED, REFRESHED, TRIES, World, until},
    support::{TestServer, on_both_stores},
};

const END: &str = "2100-01-01T00:00:00Z";

/// Its owner changes something else of the token: nobody else renews it in the meantime, and the answer is kept
/// beside the change.
async fn the_owners_change_costs_neither_lease_nor_answer(server: &TestServer) {
    let world = World::new(server).await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    assert!(call.get("refreshHostToken").is_some(), "{call}");
    let twin = world.agent.twin().live(|_| None).await;
    for change in [json!({ "scopes": ["read"] }), json!({ "expiresAt": "2002-01-01T00:00:00Z" })] {
        world.admin.update_token(&world.token, &change).await.ok();
    }
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert_eq!(twin.asked().len(), 0, "one renews it");
    world.agent.respond(&call, &world.renewed(END)).await.ok();
    let token = world.token().await;
    assert_eq!((&token["expiresAt"], &token["scopes"]), (&json!(END), &json!(["read"])));
    assert_eq!(server.database().count(REFRESHED).await, 1);
}

/// The runner's key is replaced between sealing and storing: the answer is refused for that, and taken when it is
/// sealed to the new key, though its call is over.
async fn a_key_that_is_replaced_costs_no_answer(server: &TestServer) {
    let mut world = World::new(server).await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    world.agent.register_x25519().await;
    let refused = world.agent.respond(&call, &world.renewed_with(0, END)).await;
    refused.refused(400, "failed_precondition", "ACTIVE key");
    server.database().execute("UPDATE live_call SET deadline = 1").await;
    until("the call is forgotten", server, "SELECT count(*) FROM live_call", 0).await;
    world.agent.respond(&call, &world.renewed_with(1, END)).await.ok();
    assert_eq!(world.token().await["expiresAt"], END);
}

/// Whoever has the call dies before the forge is asked, or the server before the agent is: when the time is up the
/// token is as it was, and another renews it.
async fn a_crash_before_the_forge_costs_a_minute(server: &TestServer) {
    let world = World::new(server).await;
    world.agent.beat(&world.agent.id).await.ok();
    // The agent is gone with the call.
    let mut stream = world.agent.requests(16).await;
    stream.next().await;
    drop(stream);
    // The server is gone between the claim and the call.
    for tries in [2, 3] {
        server.database().execute("DELETE FROM live_call").await;
        server.database().execute(DUE_AGAIN).await;
        let mut stream = world.agent.requests(16).await;
        let call = stream.next().await;
        assert!(call.get("refreshHostToken").is_some(), "{call}");
        assert_eq!(server.database().count(TRIES).await, tries);
        if tries == 3 {
            world.agent.respond(&call, &world.renewed(END)).await.ok();
        }
    }
    assert_eq!(world.token().await["expiresAt"], END);
}

/// The answer is stored and the server dies before it says so: sent again it changes nothing.
async fn an_answer_that_comes_twice_counts_once(server: &TestServer) {
    let world = World::new(server).await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    let call = stream.next().await;
    let answer = world.renewed(END);
    world.agent.respond(&call, &answer).await.ok();
    let version = server.database().count("SELECT version FROM host_token").await;
    for code in ["ABORTED", "NOT_FOUND"] {
        assert_eq!(world.agent.respond(&call, &answer).await.code(), code);
        server.database().execute("DELETE FROM live_call").await;
    }
    assert_eq!(server.database().count("SELECT version FROM host_token").await, version);
    assert_eq!(server.database().count(REFRESHED).await, 1);
}

/// The agent dies with what the forge gave it: the forge takes the old refresh token no more, so the credential
/// counts as none, its owner sees that it has ended, and a new one makes it good again.
async fn a_credential_that_was_lost_is_shown_as_ended(server: &TestServer) {
    let world = World::new(server).await;
    world.agent.beat(&world.agent.id).await.ok();
    let mut stream = world.agent.requests(16).await;
    stream.next().await;
    server.database().execute("DELETE FROM live_call").await;
    server.database().execute(DUE_AGAIN).await;
    let call = stream.next().await;
    let spent = json!({ "error": { "code": "CALL_ERROR_CODE_UNAUTHENTICATED", "message": "spent" } });
    world.agent.respond(&call, &spent).await.ok();
    assert_eq!(world.handed(&mut stream).await, json!(null), "no credential");
    let ended = world.token().await["expiresAt"].clone();
    assert!(ended.as_str().expect("an end") < END, "{ended}");
    assert_eq!(server.database().count(PLANNED).await, 0, "nobody tries in vain");
    let new = json!({ "token": "canary-own-value-4716", "refreshToken": "canary-own-refresh-4717", "expiresAt": END });
    world.admin.update_token(&world.token, &new).await.ok();
    assert_eq!(world.handed(&mut stream).await.as_array().expect("credentials").len(), 1);
    assert_eq!(server.database().count(PLANNED).await, 1);
}

on_both_stores!(
    the_owners_change_costs_neither_lease_nor_answer,
    a_key_that_is_replaced_costs_no_answer,
    a_crash_before_the_forge_costs_a_minute,
    an_answer_that_comes_twice_counts_once,
    a_credential_that_was_lost_is_shown_as_ended,
);
