//! Who renews a host token, and for how long nobody else does.
use std::{sync::Arc, time::Duration};

use sealink::{
    clock::Instant,
    domain::{
        host::Host,
        host_token::{HostToken, Source, Subject, SubjectKind},
        host_token_refresh::{LEASE, next_try},
        id::{AgentId, CallId, HostTokenId, RunnerId},
        live_call::{CallKind, PATIENCE},
        secret::{Kid, Sealed},
    },
    error::Kind,
    store::{Agent, DueRefresh, NewCallRow, NewHostTokenRow, NewSecret, StreamChange},
};

use super::world::{World, new_id, now};

/// A runner with a live agent and a token that is due.
async fn due(world: &World) -> (RunnerId, DueRefresh) {
    let (runner, kid) = world.registered("key").await;
    let secret =
        |kid: &Kid| NewSecret { id: new_id(), sealed: Sealed { bytes: vec![7; 100], kid: kid.clone() } };
    let at = now();
    let token = HostToken {
        id: HostTokenId(new_id()),
        runner,
        host: Host::from_stored("github.com".into()),
        subject: Subject { id: world.admin.0, kind: SubjectKind::User },
        source: Source::Oauth,
        integration: None,
        scopes: Vec::new(),
        expires_at: Some(at),
        version: 1,
        created_at: at,
        updated_at: at,
    };
    let row = NewHostTokenRow { token, value: secret(&kid), refresh: Some(secret(&kid)) };
    world.store.create_host_token(world.actor(), world.admin, row).await.unwrap();
    let agent = Agent { runner, id: AgentId(new_id()), now: at };
    world.store.heartbeat(agent).await.unwrap();
    world.store.change_stream(agent, new_id(), StreamChange::Open).await.unwrap();
    let found = world.store.due_refreshes(at, Instant(0), 10).await.unwrap();
    (runner, found[0])
}

fn call(runner: RunnerId, id: CallId, now: Instant) -> NewCallRow {
    NewCallRow {
        id,
        runner,
        kind: CallKind::RefreshHostToken,
        request: vec![1],
        now,
        deadline: now.plus(PATIENCE),
        meant_for: None,
        claim: None,
    }
}

/// One who claimed the token and was held up until its time was nearly over, or until another had it, asks nobody.
pub(super) async fn only_who_has_a_token_to_itself_asks_for_it(world: Arc<World>) {
    let (runner, due) = due(&world).await;
    let (first, second) = (CallId(new_id()), CallId(new_id()));
    let now = now();
    let refused = async |id, at| world.store.open_call(call(runner, id, at)).await.unwrap_err().kind();
    assert_eq!(refused(first, now).await, Kind::Conflict, "it is not claimed");
    assert!(world.store.claim_refresh(due, first, next_try(now, 0)).await.unwrap());
    assert!(!world.store.claim_refresh(due, second, next_try(now, 0)).await.unwrap(), "one has it");
    assert_eq!(refused(second, now).await, Kind::Conflict);
    let late = now.plus(LEASE.checked_sub(PATIENCE).unwrap());
    assert_eq!(refused(first, late).await, Kind::Conflict, "another may have it before this is answered");
    let later = now.plus(LEASE + Duration::from_secs(1));
    let again = world.store.due_refreshes(later, Instant(0), 10).await.unwrap()[0];
    assert!(world.store.claim_refresh(again, second, next_try(later, 1)).await.unwrap());
    assert_eq!(refused(first, now).await, Kind::Conflict, "another has it");
    world.store.open_call(call(runner, second, later)).await.unwrap();
}
