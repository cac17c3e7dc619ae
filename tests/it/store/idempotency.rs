//! Keys of creates, past the API.
use std::{sync::Arc, time::Duration};

use sealink::{
    domain::{
        audit::Actor,
        id::UserId,
        idempotency::{Claim, IdempotencyKey, Once},
    },
    error::Kind,
};

use super::world::{World, new_id, now, user};

const METHOD: &str = "/sealink.v1.UserService/CreateUser";

fn actor(world: &World, once: Once) -> Actor {
    Actor { once: Some(once), ..world.actor() }
}

fn first(key: &IdempotencyKey, life: Duration) -> Once {
    let (key, expires_at) = (key.clone(), now().plus(life));
    Once::First(Claim { method: METHOD, key, key_id: 1, request_mac: vec![7; 32], expires_at })
}

/// More than one batch goes, and only what is expired.
pub(super) async fn expired_keys_are_swept_under_a_lease(world: Arc<World>) {
    let kept = IdempotencyKey::parse(b"kept").unwrap();
    let create = world.store.create_user(
        actor(&world, first(&kept, Duration::from_hours(1))),
        UserId(new_id()),
        user("anna"),
    );
    create.await.unwrap();
    let (id, series) = if world.raw.is_sqlite() {
        let numbers =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) SELECT i FROM n";
        ("randomblob(16)", numbers)
    } else {
        ("gen_random_uuid()", "SELECT i FROM generate_series(1, 700) AS n(i)")
    };
    let fill = format!(
        "INSERT INTO idempotency (id, organization_id, principal_id, method, idempotency_key, key_id, request_mac, \
         object, expires_at) SELECT {id}, {organization}, {id}, 'm', 'k', 1, {mac}, 'o', n.i FROM ({series}) n",
        organization = world.raw.id(world.organization.0),
        mac = if world.raw.is_sqlite() { "x'07'" } else { "'\\x07'::bytea" },
    );
    world.raw.execute(&fill).await;
    let (at, later) = (now(), now().plus(Duration::from_secs(10)));
    assert!(world.store.has_expired_keys(at).await.unwrap());
    let lost = world.store.lease("sweep", new_id(), (at, at)).await.unwrap().unwrap();
    let lease = world.store.lease("sweep", new_id(), (at, later)).await.unwrap().unwrap();
    assert_eq!(world.store.sweep_keys(lost, at).await.unwrap_err().kind(), Kind::Conflict);
    assert!(world.store.sweep_keys(lease, at).await.unwrap(), "a full batch: there may be more");
    assert!(!world.store.sweep_keys(lease, at).await.unwrap());
    assert!(!world.store.has_expired_keys(at).await.unwrap());
    assert_eq!(world.raw.number("SELECT count(*) FROM idempotency").await, 1);
    let found = world.store.remembered(uuid::Uuid::nil(), (METHOD, &kept), at).await.unwrap();
    assert!(found.is_some_and(|found| found.request_mac == [7; 32]));
}

/// A use case that forgets to answer repeats makes nothing twice, it fails.
pub(super) async fn a_repeat_that_makes_something_fails(world: Arc<World>) {
    let census = world.census().await;
    for once in [Once::Probe, Once::Again(new_id().to_string())] {
        let failed = world.store.create_user(actor(&world, once), UserId(new_id()), user("anna")).await;
        assert_eq!(failed.unwrap_err().kind(), Kind::Internal);
    }
    assert_eq!(world.census().await, census);
    // Two that are first at once: the key is the one's, and nothing of the other's stays.
    let key = IdempotencyKey::parse(b"key").unwrap();
    let create = |name: &str| {
        let once = first(&key, Duration::from_hours(1));
        world.store.create_user(actor(&world, once), UserId(new_id()), user(name))
    };
    let (anna, bert) = tokio::join!(create("anna"), create("bert"));
    let failed = anna.and(bert).unwrap_err();
    assert_eq!(failed.kind(), Kind::Conflict);
    assert_eq!(world.raw.number("SELECT count(*) FROM member").await, 2, "the administrator and one of them");
}
