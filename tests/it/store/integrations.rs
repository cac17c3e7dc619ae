//! SCM integrations, one at a time.
use std::sync::Arc;

use futures_util::future::join_all;
use sealink::{
    domain::{
        id::{IntegrationId, RunnerId},
        secret::Kid,
    },
    error::Kind,
    store::IntegrationUpdate,
};

use super::world::{World, integration, new_id, now};

fn changed(mut integration: sealink::domain::integration::Integration) -> IntegrationUpdate {
    let expected_version = integration.version;
    integration.pat = !integration.pat;
    integration.version += 1;
    integration.updated_at = now();
    IntegrationUpdate { integration, expected_version, changed: vec!["pat"], drops: vec![] }
}

pub(super) async fn an_integration_is_created_read_updated_and_deleted(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    let before = world.changes(runner).await.len();
    let new = world.integrate(runner, "github.com", Some(&kid)).await;
    let (found, facts) = world.store.integration(world.organization, new.id).await.unwrap().unwrap();
    assert_eq!(found, new);
    assert_eq!((facts.id, facts.organization, facts.creator), (runner, world.organization, world.admin));

    let update = changed(found);
    world.store.update_integration(world.actor(), update.clone()).await.unwrap();
    assert_eq!(world.stored(new.id).await.unwrap(), update.integration);

    assert!(world.store.delete_integration(world.actor(), new.id).await.unwrap());
    assert_eq!(world.stored(new.id).await, None);
    let changes = world.changes(runner).await;
    let wanted = ["PUT scm_integration", "PUT scm_integration", "DELETE scm_integration"];
    assert_eq!(changes[before..], wanted);
    for action in ["scm_integration.create", "scm_integration.update", "scm_integration.delete"] {
        assert_eq!(world.audited(action).await, 1, "{action}");
    }
}

pub(super) async fn absent_integrations(world: Arc<World>) {
    let runner = world.runner().await;
    let census = world.census().await;
    let absent = integration(runner, "github.com", None);
    assert_eq!(world.stored(absent.id).await, None);
    assert!(!world.store.delete_integration(world.actor(), IntegrationId(new_id())).await.unwrap());
    let update = world.store.update_integration(world.actor(), changed(absent)).await;
    assert_eq!(update.unwrap_err().kind(), Kind::NotFound);
    let orphan = integration(RunnerId(new_id()), "github.com", None);
    let create = world.store.create_integration(world.actor(), world.admin, orphan).await.unwrap_err();
    assert_eq!((create.kind(), create.message()), (Kind::NotFound, "runner not found"));
    assert_eq!(world.census().await, census, "a failed change left something");
}

pub(super) async fn a_duplicate_is_refused_and_leaves_nothing(world: Arc<World>) {
    let (runner, other) = (world.runner().await, world.runner().await);
    world.integrate(runner, "github.com", None).await;
    let census = world.census().await;
    let duplicate = integration(runner, "GitHub.com", None);
    let refused = world.store.create_integration(world.actor(), world.admin, duplicate).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::AlreadyExists);
    assert_eq!(refused.violations()[0].field, "host");
    assert_eq!(world.census().await, census, "a refused create left something");

    let mut other_scm = integration(runner, "github.com", None);
    other_scm.scm_id = "gitlab".into();
    world.store.create_integration(world.actor(), world.admin, other_scm).await.unwrap();
    world.integrate(other, "github.com", None).await;
}

pub(super) async fn an_update_at_an_old_version_is_a_conflict(world: Arc<World>) {
    let runner = world.runner().await;
    let new = world.integrate(runner, "github.com", None).await;
    world.store.update_integration(world.actor(), changed(new.clone())).await.unwrap();
    let census = world.census().await;
    let late = world.store.update_integration(world.actor(), changed(new)).await.unwrap_err();
    assert_eq!(late.kind(), Kind::Conflict);
    assert_eq!(world.census().await, census, "a conflict left something");
}

pub(super) async fn ten_updates_of_one_integration_at_once_all_count(world: Arc<World>) {
    let runner = world.runner().await;
    let id = world.integrate(runner, "github.com", None).await.id;
    let update = || async {
        loop {
            let update = changed(world.stored(id).await.unwrap());
            match world.store.update_integration(world.actor(), update).await {
                Ok(()) => return,
                Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error}"),
            }
        }
    };
    join_all((0..10).map(|_| update())).await;
    assert_eq!(world.stored(id).await.unwrap().version, 11);
    assert_eq!(world.audited("scm_integration.update").await, 10);
    assert_eq!(world.revision(runner).await, 1 + 1 + 10);
}

pub(super) async fn of_fifty_equal_creates_at_once_one_wins(world: Arc<World>) {
    let runner = world.runner().await;
    let create =
        || world.store.create_integration(world.actor(), world.admin, integration(runner, "h.com", None));
    let results = join_all((0..50).map(|_| create())).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let errors = results.into_iter().filter_map(Result::err);
    errors.for_each(|error| assert_eq!(error.kind(), Kind::AlreadyExists, "{error}"));
    assert_eq!(world.audited("scm_integration.create").await, 1);
    assert_eq!(world.revision(runner).await, 2);
}

pub(super) async fn of_ten_deletes_at_once_one_wins(world: Arc<World>) {
    let runner = world.runner().await;
    let id = world.integrate(runner, "github.com", None).await.id;
    let deletes = join_all((0..10).map(|_| world.store.delete_integration(world.actor(), id))).await;
    let won: Vec<bool> = deletes.into_iter().map(Result::unwrap).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    assert_eq!(world.audited("scm_integration.delete").await, 1);
    assert_eq!(world.revision(runner).await, 3);
}

pub(super) async fn updates_and_deletes_at_once_never_break(world: Arc<World>) {
    let runner = world.runner().await;
    for round in 0..5 {
        let new = world.integrate(runner, &format!("h{round}.com"), None).await;
        let update = || world.store.update_integration(world.actor(), changed(new.clone()));
        let delete = || world.store.delete_integration(world.actor(), new.id);
        let (updates, deletes) =
            tokio::join!(join_all((0..8).map(|_| update())), join_all((0..8).map(|_| delete())));
        for error in updates.into_iter().filter_map(Result::err) {
            assert!(matches!(error.kind(), Kind::Conflict | Kind::NotFound), "{error}");
        }
        assert_eq!(deletes.into_iter().map(Result::unwrap).filter(|deleted| *deleted).count(), 1);
    }
}

pub(super) async fn a_secret_sealed_with_another_than_the_active_key_is_a_conflict(world: Arc<World>) {
    let (runner, old) = world.registered("old").await;
    let update = changed(world.integrate(runner, "github.com", Some(&old)).await);
    world.register(runner, "new", Some(&old)).await.unwrap();
    let census = world.census().await;
    for kid in [&old, &Kid("unknown".into())] {
        let late = integration(runner, "gitlab.com", Some(kid));
        let create = world.store.create_integration(world.actor(), world.admin, late).await;
        assert_eq!(create.unwrap_err().kind(), Kind::Conflict);
    }
    // Whatever an update says has changed, the ciphertexts tell.
    let mut late = update.clone();
    for sealed in late.integration.oauth.iter_mut().flat_map(|oauth| &mut oauth.secret) {
        sealed.bytes = vec![8; 700];
    }
    let late = world.store.update_integration(world.actor(), late).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(world.census().await, census, "a conflict left something");
    // Without a new secret the old ciphertext stays what it is.
    world.store.update_integration(world.actor(), update).await.unwrap();
}
