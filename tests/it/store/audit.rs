//! Leases with fences, and a chain that is appended under one.
use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use sealink::{
    clock::Instant,
    domain::audit_chain::{Head, Link},
    error::Kind,
    store::Lease,
};
use uuid::Uuid;

use super::world::{World, new_id, now};

const JOB: &str = "a job";

async fn lease(world: &World, holder: Uuid, at: Instant) -> Option<Lease> {
    let until = at.plus(Duration::from_secs(10));
    world.store.lease(JOB, holder, (at, until)).await.unwrap()
}

/// Links for everything that waits; their MACs are the sequence, which the store does not mind.
async fn prepared(world: &World) -> Vec<(Uuid, Link)> {
    let head = world.store.audit_head(world.organization).await.unwrap();
    let pending = world.store.pending_audit_entries(500).await.unwrap();
    (head.count + 1..)
        .zip(pending)
        .map(|(sequence, pending)| (pending.entry.id, Link { sequence, key_id: 1, mac: vec![7; 32] }))
        .collect()
}

pub(super) async fn a_lease_has_one_holder_until_it_expires(world: Arc<World>) {
    let (one, other, start) = (new_id(), new_id(), now());
    let first = lease(&world, one, start).await.expect("nobody has it");
    assert_eq!(lease(&world, other, start.plus(Duration::from_secs(9))).await, None);
    let renewed = lease(&world, one, start.plus(Duration::from_secs(9))).await.expect("its own");
    assert_ne!(first, renewed);
    assert_eq!(lease(&world, other, start.plus(Duration::from_secs(18))).await, None, "it was renewed");
    assert!(lease(&world, other, start.plus(Duration::from_secs(19))).await.is_some());
    assert_eq!(lease(&world, one, start.plus(Duration::from_secs(20))).await, None);
    let late = start.plus(Duration::from_hours(1));
    let tries = join_all((0..20).map(|_| lease(&world, new_id(), late))).await;
    assert_eq!(tries.into_iter().flatten().count(), 1, "of twenty that try at once one has it");
}

/// Dead, or only slow: whoever lost its lease between reading and writing writes nothing.
pub(super) async fn a_lost_lease_appends_nothing(world: Arc<World>) {
    let (slow, next, start) = (new_id(), new_id(), now());
    world.runner().await;
    let stale = lease(&world, slow, start).await.unwrap();
    let links = prepared(&world).await;
    assert!(links.len() >= 2);
    let taken = lease(&world, next, start.plus(Duration::from_mins(1))).await.unwrap();
    let error = world.store.append_audit_links(stale, world.organization, links.clone()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(world.store.audit_head(world.organization).await.unwrap(), Head::START);
    assert_eq!(prepared(&world).await.len(), links.len(), "all wait still");
    world.store.append_audit_links(taken, world.organization, links.clone()).await.unwrap();
    let head = world.store.audit_head(world.organization).await.unwrap();
    assert_eq!(head.count, links.len() as u64);
    assert!(!world.store.has_pending_audit_entries().await.unwrap());
    // Twice is once, even for who holds the lease.
    let again = world.store.append_audit_links(taken, world.organization, links).await.unwrap_err();
    assert_eq!(again.kind(), Kind::AlreadyExists);
    assert_eq!(world.store.stray_audit_entries(world.organization).await.unwrap(), 0);
}

/// An entry has one place, whoever gives it.
pub(super) async fn of_ten_appends_at_once_one_counts(world: Arc<World>) {
    world.runner().await;
    let taken = lease(&world, new_id(), now()).await.unwrap();
    let links = prepared(&world).await;
    let append = |_| world.store.append_audit_links(taken, world.organization, links.clone());
    let done = join_all((0..10).map(append)).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    let count = world.raw.number("SELECT count(*) FROM audit_link").await;
    assert_eq!(count, i64::try_from(links.len()).unwrap());
    assert_eq!(world.store.stray_audit_entries(world.organization).await.unwrap(), 0);
}

/// What fails takes its entry's place in the queue with it.
pub(super) async fn a_change_that_fails_waits_for_nothing(world: Arc<World>) {
    let runner = world.runner().await;
    world.integrate(runner, "github.com", None).await;
    let waiting = prepared(&world).await.len();
    let twice = super::world::integration(runner, "github.com", None);
    world.store.create_integration(world.actor(), world.admin, twice).await.unwrap_err();
    assert_eq!(prepared(&world).await.len(), waiting);
    assert_eq!(world.raw.number("SELECT count(*) FROM audit_pending").await, i64::try_from(waiting).unwrap());
}
