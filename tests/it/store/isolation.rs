//! No row crosses from one organization to another.
use std::sync::Arc;

use sealink::{
    domain::{
        access::Visible,
        environment_class::{ClassFilter, Patch},
        page::After,
        runner::RunnerFilter,
        schema::Schema,
        token::{TokenId, TokenKind},
    },
    error::Kind,
    store::{ClassScope, IntegrationScope, IntegrationUpdate},
};

use super::world::{World, environment_class, integration, page, registration, token};

pub(super) async fn a_stranger_sees_nothing(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    let integration = world.integrate(runner, "github.com", Some(&kid)).await;
    let class = world.class(runner).await;
    let offer = registration(runner, "next");
    let id = offer.id;
    world.store.begin_registration(world.actor(), offer).await.unwrap();
    let (stranger, member) = world.stranger().await;
    let (store, other) = (&world.store, stranger.organization);
    assert!(store.environment_class(other, class).await.unwrap().is_none());
    assert!(store.integration(other, integration.id).await.unwrap().is_none());
    assert!(store.runner(other, runner).await.unwrap().is_none());
    assert!(store.runner_facts(other, runner).await.unwrap().is_none());
    assert!(store.configuration(other, runner).await.unwrap().is_none());
    assert!(store.runner_key(other, kid.clone()).await.unwrap().is_none());
    assert!(store.registration(other, id).await.unwrap().is_none());
    assert!(store.user(other, world.admin).await.unwrap().is_none());
    world.store.revoke_key(world.actor(), kid.clone(), String::new()).await.unwrap();
    assert!(!store.is_revoked(other, kid).await.unwrap());

    let all = page(100, After::START);
    for scope in [IntegrationScope::Organization(other), IntegrationScope::CreatedBy(member)] {
        assert!(store.integrations(scope, all).await.unwrap().rows.is_empty());
    }
    for scope in [ClassScope::Organization(other), ClassScope::CreatedBy(member)] {
        let classes = store.environment_classes(scope, &ClassFilter::default(), all).await.unwrap();
        assert!(classes.rows.is_empty());
    }
    for visible in [Visible::Organization, Visible::CreatedBy(member)] {
        let runners = store.runners(other, visible, RunnerFilter::default(), all).await.unwrap();
        assert!(runners.rows.is_empty());
    }
    assert!(store.tokens(other, None, all).await.unwrap().rows.is_empty());
    assert!(store.tokens(other, Some(world.admin), all).await.unwrap().rows.is_empty());
    assert_eq!(store.users(other, all).await.unwrap().rows.len(), 1);
}

pub(super) async fn a_stranger_changes_nothing(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    let (waiting, _) = world.register(runner, "waiting", None).await.unwrap();
    let stored = world.integrate(runner, "github.com", Some(&kid)).await;
    let offer = registration(runner, "next");
    let id = offer.id;
    world.store.begin_registration(world.actor(), offer).await.unwrap();
    let own = token(TokenKind::Personal, Some(world.admin), None);
    let own_id = own.token_id.clone();
    world.store.create_token(world.actor(), own, "token.create").await.unwrap();
    let rename = world.renamed(runner, "stolen").await;
    let class = world.class(runner).await;
    let (stranger, member) = world.stranger().await;
    let (store, census) = (&world.store, world.census().await);

    assert!(!store.delete_integration(stranger.clone(), stored.id).await.unwrap());
    assert!(!store.delete_runner(stranger.clone(), runner).await.unwrap());
    assert!(!store.revoke_token(stranger.clone(), own_id.clone()).await.unwrap());
    assert!(store.disable_user(stranger.clone(), world.admin).await.unwrap().is_none());
    let disable = Patch { enabled: Some(false), ..Patch::default() };
    assert!(!store.update_environment_class(stranger.clone(), class, disable).await.unwrap());
    let create = store.create_integration(stranger.clone(), member, integration(runner, "x.com", None)).await;
    let update = IntegrationUpdate {
        expected_version: stored.version,
        changed: vec!["pat"],
        integration: stored,
        drops: vec![],
    };
    let not_found = [
        create.err(),
        store.update_integration(stranger.clone(), update).await.err(),
        store.update_runner(stranger.clone(), rename).await.err(),
        store.report_schema(stranger.clone(), runner, Schema::default()).await.err(),
        store.create_environment_class(stranger.clone(), member, environment_class(runner)).await.err(),
        store.approve_key(stranger.clone(), waiting).await.err(),
        store.revoke_key(stranger.clone(), kid, String::new()).await.err(),
        store.complete_registration(stranger.clone(), id, None).await.err(),
    ];
    for (number, error) in not_found.into_iter().enumerate() {
        assert_eq!(error.map(|error| error.kind()), Some(Kind::NotFound), "number {number}");
    }
    assert_eq!(world.census().await, census, "a stranger changed something");
    let token = store.token(own_id).await.unwrap().unwrap();
    assert_eq!((token.revoked_at, token.organization), (None, world.organization));
    assert!(store.token(TokenId("absent".into())).await.unwrap().is_none());
}
