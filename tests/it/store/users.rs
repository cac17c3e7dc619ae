//! Users.
use std::sync::Arc;

use futures_util::future::join_all;
use sealink::{domain::id::UserId, error::Kind};

use super::world::{World, new_id, user};

pub(super) async fn a_user_is_created_read_and_disabled(world: Arc<World>) {
    let (id, actor) = (UserId(new_id()), world.actor());
    let mut anna = user("anna");
    anna.fullname = "Anna Ångström 🦭".into();
    let created = world.store.create_user(actor.clone(), id, anna.clone()).await.unwrap();
    let found = world.store.user(world.organization, id).await.unwrap().unwrap();
    for shown in [created, found] {
        assert_eq!((shown.id, shown.name, shown.email), (id, anna.name.clone(), anna.email.clone()));
        assert_eq!((shown.fullname, shown.role), (anna.fullname.clone(), anna.role));
        assert_eq!((shown.disabled_at, shown.created_at), (None, actor.at));
    }
    let actor = world.actor();
    let disabled = world.store.disable_user(actor.clone(), id).await.unwrap().unwrap();
    assert_eq!(disabled.disabled_at, Some(actor.at));
    let found = world.store.user(world.organization, id).await.unwrap().unwrap();
    assert_eq!(found.disabled_at, Some(actor.at));
    assert_eq!(world.audited("user.create").await, 1);
}

pub(super) async fn absent_users(world: Arc<World>) {
    let census = world.census().await;
    let id = UserId(new_id());
    assert!(world.store.user(world.organization, id).await.unwrap().is_none());
    assert!(world.store.disable_user(world.actor(), id).await.unwrap().is_none());
    assert_eq!(world.census().await, census);
}

pub(super) async fn a_duplicate_user_is_refused(world: Arc<World>) {
    let first = UserId(new_id());
    world.store.create_user(world.actor(), first, user("anna")).await.unwrap();
    let census = world.census().await;
    let refused = world.store.create_user(world.actor(), UserId(new_id()), user("anna")).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::AlreadyExists);
    assert_eq!(refused.violations()[0].field, "name");
    assert_eq!(world.census().await, census, "a refused create left something");
    // Another organization has names of its own.
    let (stranger, _) = world.stranger().await;
    world.store.create_user(stranger, UserId(new_id()), user("anna")).await.unwrap();
}

pub(super) async fn names_differ_by_case(world: Arc<World>) {
    for name in ["anna", "Anna", "ANNA", "änna", "Änna"] {
        world.store.create_user(world.actor(), UserId(new_id()), user(name)).await.unwrap();
    }
    let ordered = world.raw.texts("SELECT name FROM member ORDER BY name").await;
    assert_eq!(ordered, ["ANNA", "Anna", "admin", "anna", "Änna", "änna"], "text is ordered by its bytes");
}

pub(super) async fn of_ten_disablings_one_is_audited(world: Arc<World>) {
    let id = UserId(new_id());
    world.store.create_user(world.actor(), id, user("anna")).await.unwrap();
    let disabled = join_all((0..10).map(|_| world.store.disable_user(world.actor(), id))).await;
    let times: Vec<_> = disabled.into_iter().map(|user| user.unwrap().unwrap().disabled_at).collect();
    assert!(times.iter().all(|time| time.is_some() && *time == times[0]), "the first time stays");
    assert_eq!(world.audited("user.disable").await, 1);
}
