//! Which agent is asked again to renew a host token: what the forge gave may be in the memory of the one that was asked.
use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    host_token_refresh::{DUE_AGAIN, PLANNED, REFRESHED, TRIES, World, until},
    support::{EventStream, LiveAgent, TestServer, on_both_stores},
};

const END: &str = "2100-01-01T00:00:00Z";
const LIVE: &str = "SELECT count(*) FROM agent WHERE stream_id IS NOT NULL";

impl World {
    /// An agent that has few places, and was asked to renew the token.
    async fn asked(&self) -> (EventStream, Value) {
        self.agent.beat(&self.agent.id).await.ok();
        let mut stream = self.agent.requests(16).await;
        let call = renewal(&mut stream).await;
        (stream, call)
    }

    /// Another agent of the runner, which has many places and says nothing.
    async fn other(&self) -> LiveAgent {
        self.agent.twin().live(|_| None).await
    }
}

async fn renewal(stream: &mut EventStream) -> Value {
    let call = stream.next().await;
    assert!(call.get("refreshHostToken").is_some(), "{call}");
    call
}

/// Its answer is lost: the next try goes to the same agent, although another has more places, and the credential comes.
async fn who_was_asked_is_asked_again(server: &TestServer) {
    let world = World::new(server).await;
    let (mut stream, first) = world.asked().await;
    let other = world.other().await;
    for _ in 0..2 {
        server.database().execute(DUE_AGAIN).await;
        let again = renewal(&mut stream).await;
        assert_ne!(again["requestId"], first["requestId"]);
        if server.database().count(TRIES).await == 3 {
            world.agent.respond(&again, &world.renewed(END)).await.ok();
        }
    }
    assert_eq!(world.token().await["expiresAt"], END);
    assert_eq!((server.database().count(REFRESHED).await, other.asked().len()), (1, 0));
    // What is stored is in nobody's memory alone: the next time anybody is asked.
    assert_eq!(server.database().count(PLANNED).await, 1);
    server.database().execute(DUE_AGAIN).await;
    assert!(other.first().await.get("refreshHostToken").is_some());
}

/// It is away: nobody else is asked until it has been for as long as it keeps what the forge gave.
async fn who_may_come_back_is_waited_for(server: &TestServer) {
    let world = World::new(server).await;
    let (stream, _) = world.asked().await;
    drop(stream);
    until("it is away", server, LIVE, 0).await;
    let other = world.other().await;
    server.database().execute(DUE_AGAIN).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!((server.database().count(TRIES).await, other.asked().len()), (1, 0), "it may come back");
    let mut stream = world.agent.requests(16).await;
    renewal(&mut stream).await;
    drop(stream);
    until("it is away again", server, LIVE, 1).await;
    server.database().execute(DUE_AGAIN).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!((server.database().count(TRIES).await, other.asked().len()), (2, 0), "it may come back");
    let long_ago = "UPDATE agent SET stream_seen_at = stream_seen_at - 7200000000 WHERE stream_id IS NULL";
    server.database().execute(long_ago).await;
    let call = other.first().await;
    assert!(call.get("refreshHostToken").is_some(), "{call}");
    assert_eq!(server.database().count(TRIES).await, 3);
}

/// Who says that the forge gave nothing has nothing: another may have better luck. Who fails for a reason of its own may
/// have it.
async fn who_has_nothing_is_not_asked_again(server: &TestServer) {
    let world = World::new(server).await;
    let (mut stream, call) = world.asked().await;
    let other = world.other().await;
    let error = |code| json!({ "error": { "code": code, "message": "failed" } });
    world.agent.respond(&call, &error("CALL_ERROR_CODE_FAILED_PRECONDITION")).await.ok();
    server.database().execute(DUE_AGAIN).await;
    let call = renewal(&mut stream).await;
    world.agent.respond(&call, &error("CALL_ERROR_CODE_UNAVAILABLE")).await.ok();
    assert_eq!(other.asked().len(), 0);
    server.database().execute(DUE_AGAIN).await;
    assert!(other.first().await.get("refreshHostToken").is_some());
    assert_eq!(server.database().count(TRIES).await, 3);
}

on_both_stores!(
    who_was_asked_is_asked_again,
    who_may_come_back_is_waited_for,
    who_has_nothing_is_not_asked_again,
);
