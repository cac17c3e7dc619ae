//! Runners.
use std::sync::Arc;

use futures_util::future::join_all;
use sealink::{
    domain::{
        access::Visible,
        id::{RunnerId, UserId},
        page::After,
        runner::{LogLevel, RunnerFilter, RunnerKind, RunnerProvider},
        schema::Schema,
        secret::Sealed,
        token::TokenKind,
    },
    error::Kind,
    store::{RecordUpdate, SealedColumn, Store},
};
use uuid::Uuid;

use super::world::{World, integration, new_id, page, registration, token, user};

/// Every stored metrics password, with whose it is.
pub(super) async fn passwords(store: &Store) -> Vec<(RunnerId, Vec<u8>)> {
    let all = (Uuid::nil(), 100);
    let found = store.stale_records(SealedColumn::MetricsPassword, 0, all).await.unwrap();
    found.into_iter().map(|one| (RunnerId(one.row_id), one.record)).collect()
}

pub(super) async fn a_runner_is_created_read_updated_and_deleted(world: Arc<World>) {
    let mut new = world.new_runner("build-1");
    new.metrics_password = RecordUpdate::Set(vec![1, 2, 3]);
    let id = new.id;
    let exchange = new.token.token_id.clone();
    let actor = world.actor();
    world.store.create_runner(actor.clone(), new.clone()).await.unwrap();
    let runner = world.store.runner(world.organization, id).await.unwrap().unwrap();
    assert_eq!((runner.id, runner.organization, runner.creator), (id, world.organization, world.admin));
    assert_eq!((runner.name.as_str(), runner.kind, runner.provider), ("build-1", new.kind, new.provider));
    assert_eq!((runner.registered, runner.revision, runner.version), (false, 1, 1));
    assert_eq!((runner.created_at, runner.updated_at), (actor.at, actor.at));
    assert_eq!(runner.configuration, new.configuration);
    assert!(runner.active_key.is_none() && runner.honeycomb_key.is_none());
    assert!(world.store.token(exchange.clone()).await.unwrap().is_some());
    assert_eq!(passwords(&world.store).await, vec![(id, vec![1, 2, 3])]);

    let mut update = world.renamed(id, "build-2").await;
    update.configuration.log_level = LogLevel::Debug;
    update.metrics_password = RecordUpdate::Keep;
    world.store.update_runner(world.actor(), update.clone()).await.unwrap();
    assert_eq!(passwords(&world.store).await, vec![(id, vec![1, 2, 3])]);
    update.expected_version += 1;
    update.metrics_password = RecordUpdate::Remove;
    world.store.update_runner(world.actor(), update.clone()).await.unwrap();
    let runner = world.store.runner(world.organization, id).await.unwrap().unwrap();
    assert_eq!((runner.name.as_str(), runner.version, runner.revision), ("build-2", 3, 3));
    assert_eq!(runner.configuration, update.configuration);
    assert!(passwords(&world.store).await.is_empty());
    let facts = world.store.runner_facts(world.organization, id).await.unwrap().unwrap();
    assert_eq!(facts, runner.facts());

    assert!(world.store.delete_runner(world.actor(), id).await.unwrap());
    assert!(world.store.runner(world.organization, id).await.unwrap().is_none());
    assert!(world.store.token(exchange).await.unwrap().is_none());
    for (action, times) in [("runner.create", 1), ("runner.update", 2), ("runner.delete", 1)] {
        assert_eq!(world.audited(action).await, times, "{action}");
    }
}

pub(super) async fn absent_runners(world: Arc<World>) {
    let mut update = world.renamed(world.runner().await, "x").await;
    let (census, id) = (world.census().await, RunnerId(new_id()));
    update.id = id;
    assert!(world.store.runner(world.organization, id).await.unwrap().is_none());
    assert!(world.store.runner_facts(world.organization, id).await.unwrap().is_none());
    assert!(world.store.configuration(world.organization, id).await.unwrap().is_none());
    assert!(world.store.revision(id).await.unwrap().is_none());
    assert!(!world.store.delete_runner(world.actor(), id).await.unwrap());
    let updated = world.store.update_runner(world.actor(), update).await;
    assert_eq!(updated.unwrap_err().kind(), Kind::NotFound);
    let token = token(TokenKind::Exchange, None, Some(id));
    let created = world.store.create_token(world.actor(), token, "runner.create_token").await;
    assert_eq!(created.unwrap_err().kind(), Kind::NotFound);
    let offer = registration(id, "k");
    let begun = world.store.begin_registration(world.actor(), offer).await;
    assert_eq!(begun.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(world.census().await, census, "a failed change left something");
}

pub(super) async fn an_update_of_an_old_version_is_a_conflict(world: Arc<World>) {
    let id = world.runner().await;
    let (first, second) = (world.renamed(id, "first").await, world.renamed(id, "second").await);
    world.store.update_runner(world.actor(), first).await.unwrap();
    let census = world.census().await;
    let late = world.store.update_runner(world.actor(), second).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(world.census().await, census, "a conflict left something");
    let runner = world.store.runner(world.organization, id).await.unwrap().unwrap();
    assert_eq!(runner.name, "first");
}

pub(super) async fn ten_updates_of_one_runner_at_once_all_count(world: Arc<World>) {
    let id = world.runner().await;
    let update = |number: usize| {
        let world = &world;
        async move {
            loop {
                let update = world.renamed(id, &format!("name-{number}")).await;
                match world.store.update_runner(world.actor(), update).await {
                    Ok(()) => return,
                    Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error}"),
                }
            }
        }
    };
    join_all((0..10).map(update)).await;
    let runner = world.store.runner(world.organization, id).await.unwrap().unwrap();
    assert_eq!((runner.version, runner.revision), (11, 11));
    assert_eq!(world.audited("runner.update").await, 10);
}

pub(super) async fn a_list_is_narrowed(world: Arc<World>) {
    let other = UserId(new_id());
    world.store.create_user(world.actor(), other, user("other")).await.unwrap();
    let mut ids = Vec::new();
    for (kind, provider, creator) in [
        (RunnerKind::Remote, RunnerProvider::AwsEc2, world.admin),
        (RunnerKind::Remote, RunnerProvider::Gcp, other),
        (RunnerKind::Local, RunnerProvider::LinuxHost, other),
    ] {
        let mut new = world.new_runner("r");
        (new.kind, new.provider, new.creator) = (kind, provider, creator);
        ids.push(new.id);
        world.store.create_runner(world.actor(), new).await.unwrap();
    }
    let list = |visible, filter| {
        let (world, ids) = (&world, &ids);
        async move {
            let all = page(100, After::START);
            let found = world.store.runners(world.organization, visible, filter, all).await.unwrap();
            let place = |id| ids.iter().position(|known| *known == id).unwrap();
            found.rows.iter().map(|runner| place(runner.id)).collect::<Vec<_>>()
        }
    };
    let all = RunnerFilter::default();
    assert_eq!(list(Visible::Organization, all.clone()).await, [0, 1, 2]);
    assert_eq!(list(Visible::CreatedBy(other), all.clone()).await, [1, 2]);
    assert_eq!(list(Visible::Only(ids[1]), all.clone()).await, [1]);
    let remote = RunnerFilter { kinds: vec![Some(RunnerKind::Remote)], ..all.clone() };
    assert_eq!(list(Visible::Organization, remote.clone()).await, [0, 1]);
    assert_eq!(list(Visible::CreatedBy(other), remote).await, [1]);
    let providers = vec![Some(RunnerProvider::AwsEc2), Some(RunnerProvider::LinuxHost), None];
    let providers = RunnerFilter { providers, ..all.clone() };
    assert_eq!(list(Visible::Organization, providers).await, [0, 2]);
    let none = RunnerFilter { kinds: vec![None], ..all.clone() };
    assert!(list(Visible::Organization, none).await.is_empty());
    let creators = RunnerFilter { creators: vec![world.admin], ..all.clone() };
    assert_eq!(list(Visible::Organization, creators).await, [0]);
    let mut creators: Vec<_> = (0..24).map(|_| UserId(new_id())).collect();
    creators.push(other);
    assert_eq!(list(Visible::Organization, RunnerFilter { creators, ..all }).await, [1, 2]);
}

pub(super) async fn deleting_takes_everything_of_the_runner_and_nothing_else(world: Arc<World>) {
    let (kept, kept_kid) = world.registered("kept").await;
    world.integrate(kept, "github.com", Some(&kept_kid)).await;
    let before = world.census().await;

    let (runner, kid) = world.registered("gone").await;
    for host in ["a.com", "b.com", "c.com"] {
        world.integrate(runner, host, Some(&kid)).await;
    }
    world.class(runner).await;
    world.store.report_schema(world.actor(), runner, Schema::before_any_report()).await.unwrap();
    world.store.begin_registration(world.actor(), registration(runner, "next")).await.unwrap();
    let access = token(TokenKind::Runner, None, Some(runner));
    world.store.create_token(world.actor(), access, "token.create").await.unwrap();
    world.store.revoke_key(world.actor(), kid.clone(), "lost".into()).await.unwrap();
    let audited = world.raw.number("SELECT count(*) FROM audit_entry").await;

    assert!(world.store.delete_runner(world.actor(), runner).await.unwrap());
    let after = world.census().await;
    // The audit log and the memory of revoked keys outlive the runner.
    for (number, table) in super::world::TABLES.iter().enumerate() {
        match *table {
            "audit_entry" => assert_eq!(after[number], audited + 1),
            "revoked_key" => assert_eq!(after[number], before[number] + 1),
            _ => assert_eq!(after[number], before[number], "{table}"),
        }
    }
    assert!(world.store.is_revoked(world.organization, kid).await.unwrap());
}

pub(super) async fn creating_while_deleting_leaves_no_orphan(world: Arc<World>) {
    for _ in 0..5 {
        let runner = world.runner().await;
        let create = |number: usize| {
            let new = integration(runner, &format!("h{number}.com"), None);
            world.store.create_integration(world.actor(), world.admin, new)
        };
        let (created, deleted) =
            tokio::join!(join_all((0..16).map(create)), world.store.delete_runner(world.actor(), runner));
        assert!(deleted.unwrap());
        for error in created.into_iter().filter_map(Result::err) {
            assert_eq!((error.kind(), error.message()), (Kind::NotFound, "runner not found"));
        }
    }
    assert_eq!(world.raw.number("SELECT count(*) FROM scm_integration").await, 0);
    assert_eq!(world.raw.number("SELECT count(*) FROM configuration_change").await, 0);
}

pub(super) async fn a_configuration_is_one_moment(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    let epoch = world.store.epoch().await.unwrap();
    let writing = async {
        for number in 0..40 {
            world.integrate(runner, &format!("h{number}.com"), Some(&kid)).await;
        }
    };
    let reading = async {
        for _ in 0..40 {
            let found = world.store.configuration(world.organization, runner).await.unwrap().unwrap();
            // Two changes made the runner and its key; every further one added an integration.
            assert_eq!(found.runner.revision, 2 + found.integrations.len() as u64);
            assert!(found.integrations.is_sorted_by_key(|integration| integration.id));
        }
    };
    tokio::join!(writing, reading);
    let found = world.store.configuration(world.organization, runner).await.unwrap().unwrap();
    assert_eq!(found.integrations.len(), 40);
    assert_eq!(found.runner.active_key.unwrap().kid, kid);
    assert_eq!(world.store.epoch().await.unwrap(), epoch);
}

pub(super) async fn a_honeycomb_key_sealed_with_a_replaced_key_is_a_conflict(world: Arc<World>) {
    let (runner, old) = world.registered("old").await;
    let sealed =
        |byte, kid: &sealink::domain::secret::Kid| Sealed { bytes: vec![byte; 64], kid: kid.clone() };
    let mut update = world.renamed(runner, "r").await;
    update.honeycomb_key = Some(sealed(1, &old));
    world.store.update_runner(world.actor(), update).await.unwrap();
    // Decided on the old key, and late.
    let mut late = world.renamed(runner, "r").await;
    late.honeycomb_key = Some(sealed(2, &old));
    let (new, _) = world.register(runner, "new", Some(&old)).await.unwrap();
    let refused = world.store.update_runner(world.actor(), late.clone()).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    // What is stored already stays, and the old key with it.
    let rename = world.renamed(runner, "renamed").await;
    world.store.update_runner(world.actor(), rename).await.unwrap();
    let mut fresh = world.renamed(runner, "r").await;
    fresh.honeycomb_key = Some(sealed(3, &new));
    world.store.update_runner(world.actor(), fresh).await.unwrap();
    let stored = world.store.runner(world.organization, runner).await.unwrap().unwrap();
    assert_eq!(stored.honeycomb_key.unwrap().kid, new);
    assert_eq!(world.state(&old).await, sealink::domain::runner_key::KeyState::Retired);
}
