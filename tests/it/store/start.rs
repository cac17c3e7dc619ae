//! What the first start writes, and what servers that start together agree on.
use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use sealink::{
    domain::{
        id::{OrganizationId, UserId},
        token::{TokenId, TokenKind},
        user::Role,
    },
    store::{FirstAdmin, NewTokenRow, StoredSeed, TokenOwner},
};

use super::world::{World, new_id, now, token, user};

fn another_first() -> FirstAdmin {
    let id = UserId(new_id());
    FirstAdmin {
        epoch: new_id(),
        organization: OrganizationId(new_id()),
        id,
        user: user("admin"),
        token: Some(token(TokenKind::Admin, Some(id), None)),
    }
}

pub(super) async fn the_first_start_happens_once(world: Arc<World>) {
    assert!(world.store.is_bootstrapped().await.unwrap());
    assert_eq!(world.store.first_organization().await.unwrap(), world.organization);
    let (census, epoch) = (world.census().await, world.store.epoch().await.unwrap());
    assert!(!world.store.bootstrap(world.actor(), another_first()).await.unwrap());
    assert_eq!(world.census().await, census);
    assert_eq!(world.store.epoch().await.unwrap(), epoch);
    assert_eq!(world.audited("organization.create").await, 1);
    world.store.ping().await.unwrap();
}

fn seed(byte: u8) -> StoredSeed {
    StoredSeed {
        key_id: 1,
        state: "ACTIVE".into(),
        wrapped_seed: vec![byte; 60],
        root_fingerprint: "f".into(),
        created_at: now(),
    }
}

pub(super) async fn the_first_seed_is_stored_once(world: Arc<World>) {
    assert!(world.store.seeds().await.unwrap().is_empty());
    for stored in join_all((1..=8).map(|byte| world.store.first_seed(seed(byte)))).await {
        stored.unwrap();
    }
    let seeds = world.store.seeds().await.unwrap();
    assert_eq!((seeds.len(), seeds[0].key_id, seeds[0].state.as_str()), (1, 1, "ACTIVE"));
    world.store.first_seed(StoredSeed { key_id: 2, ..seed(9) }).await.unwrap();
    assert_eq!(world.store.seeds().await.unwrap()[0].wrapped_seed, seeds[0].wrapped_seed);
    assert_eq!(world.store.seeds().await.unwrap().len(), 1, "one seed is ACTIVE");
}

pub(super) async fn a_preset_token_replaces_the_last_one(world: Arc<World>) {
    for hash in [[1; 32], [2; 32]] {
        world.store.preset_admin_token(world.actor(), hash, new_id()).await.unwrap();
        let found = world.store.token(TokenId::preset()).await.unwrap().unwrap();
        assert_eq!((found.hash, found.kind, found.revoked_at), (hash, TokenKind::Admin, None));
        assert_eq!(found.owner, TokenOwner::Member { id: world.admin, role: Role::Admin, disabled: false });
        assert_eq!((found.expires_at, found.last_used_at, found.read_only), (None, None, false));
        // What another token makes the next start forget.
        world.store.touch_token(TokenId::preset(), now()).await.unwrap();
        world.store.revoke_token(world.actor(), TokenId::preset()).await.unwrap();
    }
    assert_eq!(world.audited("token.preset").await, 2);
}

pub(super) async fn a_revoked_preset_token_stays_revoked(world: Arc<World>) {
    let preset = |hash| world.store.preset_admin_token(world.actor(), hash, new_id());
    let stored = || async { world.store.token(TokenId::preset()).await.unwrap() };
    preset([1; 32]).await.unwrap();
    world.store.revoke_token(world.actor(), TokenId::preset()).await.unwrap();
    let revoked = stored().await.unwrap().revoked_at;
    assert!(revoked.is_some());
    preset([1; 32]).await.unwrap();
    assert_eq!(stored().await.unwrap().revoked_at, revoked, "a restart is no pardon");
    world.store.drop_preset_admin_token(world.actor()).await.unwrap();
    preset([1; 32]).await.unwrap();
    assert_eq!(stored().await.unwrap().revoked_at, revoked, "nor is one without the variable in between");
    assert_eq!((world.audited("token.preset").await, world.audited("token.drop_preset").await), (1, 0));
    preset([2; 32]).await.unwrap();
    assert_eq!(stored().await.unwrap().revoked_at, None, "another token is another matter");
}

pub(super) async fn dropping_a_preset_token_is_audited_once(world: Arc<World>) {
    world.store.drop_preset_admin_token(world.actor()).await.unwrap();
    assert_eq!(world.audited("token.drop_preset").await, 0, "there was none");
    world.store.preset_admin_token(world.actor(), [1; 32], new_id()).await.unwrap();
    for _ in 0..2 {
        world.store.drop_preset_admin_token(world.actor()).await.unwrap();
        assert!(world.store.token(TokenId::preset()).await.unwrap().is_none());
    }
    assert_eq!(world.audited("token.drop_preset").await, 1);
}

pub(super) async fn an_administrators_token_is_found_while_it_works(world: Arc<World>) {
    let (later, sooner) = (now().plus(Duration::from_mins(2)), now().plus(Duration::from_mins(1)));
    let found = |at| world.store.has_administrator_token(world.organization, at);
    assert!(!found(now()).await.unwrap());
    let member = UserId(new_id());
    world.store.create_user(world.actor(), member, user("member")).await.unwrap();
    let runner = world.runner().await;
    let admin = |kind| token(kind, Some(world.admin), None);
    let read_only = NewTokenRow { read_only: true, ..admin(TokenKind::Personal) };
    for useless in [
        read_only,
        token(TokenKind::Personal, Some(member), None),
        token(TokenKind::Runner, None, Some(runner)),
    ] {
        world.store.create_token(world.actor(), useless, "token.create").await.unwrap();
    }
    assert!(!found(now()).await.unwrap(), "none of them administers");
    let short = NewTokenRow { expires_at: Some(sooner), ..admin(TokenKind::Personal) };
    world.store.create_token(world.actor(), short, "token.create").await.unwrap();
    assert!(found(now()).await.unwrap());
    assert!(!found(later).await.unwrap(), "expired");
    let lasting = admin(TokenKind::Admin);
    let id = lasting.token_id.clone();
    world.store.create_token(world.actor(), lasting, "token.create").await.unwrap();
    assert!(found(later).await.unwrap());
    world.store.revoke_token(world.actor(), id).await.unwrap();
    assert!(!found(later).await.unwrap(), "revoked");
    world.store.preset_admin_token(world.actor(), [1; 32], new_id()).await.unwrap();
    assert!(found(later).await.unwrap());
    world.raw.execute("UPDATE member SET disabled_at = 1").await;
    assert!(!found(later).await.unwrap(), "disabled");
}

pub(super) async fn servers_that_start_together_agree(world: Arc<World>) {
    let preset = || world.store.preset_admin_token(world.actor(), [3; 32], new_id());
    let boot = || world.store.bootstrap(world.actor(), another_first());
    let (preset, boot) = tokio::join!(join_all((0..8).map(|_| preset())), join_all((0..8).map(|_| boot())));
    preset.into_iter().for_each(Result::unwrap);
    assert!(boot.into_iter().all(|first| !first.unwrap()));
    assert_eq!(world.store.token(TokenId::preset()).await.unwrap().unwrap().hash, [3; 32]);
}
