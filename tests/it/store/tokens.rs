//! Tokens.
use std::sync::Arc;

use futures_util::future::join_all;
use sealink::{
    clock::Instant,
    domain::{
        id::UserId,
        token::{TokenId, TokenKind},
        user::Role,
    },
    error::Kind,
    store::TokenOwner,
};

use super::world::{World, new_id, now, token, user};

pub(super) async fn a_token_is_created_found_touched_and_revoked(world: Arc<World>) {
    let mut new = token(TokenKind::Personal, Some(world.admin), None);
    new.read_only = true;
    let id = new.token_id.clone();
    world.store.create_token(world.actor(), new.clone(), "token.create").await.unwrap();
    let found = world.store.token(id.clone()).await.unwrap().unwrap();
    assert_eq!((found.id, found.organization, found.kind), (id.clone(), world.organization, new.kind));
    assert_eq!(found.owner, TokenOwner::Member { id: world.admin, role: Role::Admin, disabled: false });
    assert_eq!((found.hash, found.read_only, found.expires_at), (new.hash, true, new.expires_at));
    assert_eq!((found.revoked_at, found.last_used_at), (None, None));

    world.store.touch_token(id.clone(), Instant(77)).await.unwrap();
    let actor = world.actor();
    assert!(world.store.revoke_token(actor.clone(), id.clone()).await.unwrap());
    let found = world.store.token(id.clone()).await.unwrap().unwrap();
    assert_eq!((found.last_used_at, found.revoked_at), (Some(Instant(77)), Some(actor.at)));
    assert!(world.store.revoke_token(world.actor(), id.clone()).await.unwrap(), "again");
    let found = world.store.token(id).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(actor.at), "the first time stays");
    assert_eq!((world.audited("token.create").await, world.audited("token.revoke").await), (1, 1));
}

pub(super) async fn absent_tokens(world: Arc<World>) {
    let census = world.census().await;
    let absent = || TokenId("absent".into());
    assert!(world.store.token(absent()).await.unwrap().is_none());
    assert!(!world.store.revoke_token(world.actor(), absent()).await.unwrap());
    world.store.touch_token(absent(), now()).await.unwrap();
    let new = token(TokenKind::Runner, Some(world.admin), None);
    assert!(!world.store.exchange_token(world.actor(), absent(), new).await.unwrap());
    let orphan = token(TokenKind::Personal, Some(UserId(new_id())), None);
    let refused = world.store.create_token(world.actor(), orphan, "token.create").await;
    assert_eq!(refused.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(world.census().await, census, "a failed change left something");
}

pub(super) async fn a_duplicate_token_is_refused(world: Arc<World>) {
    let new = token(TokenKind::Personal, Some(world.admin), None);
    world.store.create_token(world.actor(), new.clone(), "token.create").await.unwrap();
    let census = world.census().await;
    for again in [
        new.clone(),
        sealink::store::NewTokenRow { id: new_id(), ..new.clone() },
        sealink::store::NewTokenRow { token_id: TokenId("other".into()), ..new },
    ] {
        let refused = world.store.create_token(world.actor(), again, "token.create").await;
        assert_eq!(refused.unwrap_err().kind(), Kind::AlreadyExists);
    }
    assert_eq!(world.census().await, census, "a refused create left something");
}

pub(super) async fn an_exchange_token_works_once(world: Arc<World>) {
    let mut new = world.new_runner("r");
    let (runner, exchange) = (new.id, new.token.token_id.clone());
    new.token.kind = TokenKind::Exchange;
    world.store.create_runner(world.actor(), new).await.unwrap();
    let exchange_it = || {
        let access = token(TokenKind::Runner, None, Some(runner));
        world.store.exchange_token(world.actor(), exchange.clone(), access)
    };
    let exchanged = join_all((0..10).map(|_| exchange_it())).await;
    assert_eq!(exchanged.into_iter().map(Result::unwrap).filter(|used| *used).count(), 1);
    assert_eq!(world.audited("token.exchange").await, 1);
    assert_eq!(world.raw.number("SELECT count(*) FROM token WHERE kind = 'RUNNER'").await, 1);
    let used = world.store.token(exchange).await.unwrap().unwrap();
    assert!(used.revoked_at.is_some() && used.last_used_at == used.revoked_at);
    assert_eq!(used.owner, TokenOwner::Runner(runner));
}

pub(super) async fn an_expired_exchange_token_does_not_work(world: Arc<World>) {
    let runner = world.runner().await;
    let mut expired = token(TokenKind::Exchange, None, Some(runner));
    expired.expires_at = Some(Instant(now().0 - 1));
    let personal = token(TokenKind::Personal, Some(world.admin), None);
    for unusable in [expired, personal] {
        let id = unusable.token_id.clone();
        world.store.create_token(world.actor(), unusable, "token.create").await.unwrap();
        let census = world.census().await;
        let access = token(TokenKind::Runner, None, Some(runner));
        assert!(!world.store.exchange_token(world.actor(), id, access).await.unwrap());
        assert_eq!(world.census().await, census);
    }
}

pub(super) async fn of_ten_revocations_of_a_token_one_is_audited(world: Arc<World>) {
    let new = token(TokenKind::Personal, Some(world.admin), None);
    let id = new.token_id.clone();
    world.store.create_token(world.actor(), new, "token.create").await.unwrap();
    let revoked = join_all((0..10).map(|_| world.store.revoke_token(world.actor(), id.clone()))).await;
    assert!(revoked.into_iter().all(Result::unwrap));
    assert_eq!(world.audited("token.revoke").await, 1);
}

pub(super) async fn a_token_shows_its_owners_present_state(world: Arc<World>) {
    let member = UserId(new_id());
    world.store.create_user(world.actor(), member, user("anna")).await.unwrap();
    let new = token(TokenKind::Personal, Some(member), None);
    let id = new.token_id.clone();
    world.store.create_token(world.actor(), new, "token.create").await.unwrap();
    for disabled in [false, true] {
        let found = world.store.token(id.clone()).await.unwrap().unwrap();
        assert_eq!(found.owner, TokenOwner::Member { id: member, role: Role::Member, disabled });
        world.store.disable_user(world.actor(), member).await.unwrap();
    }
}
