//! A list of behaviours that cannot fail proves nothing: with a fault planted, it does.
use std::{future::Future, sync::Arc};

use super::{integrations, world::World};

/// Whether the behaviour notices what was planted.
async fn notices<F>(world: Arc<World>, behaviour: impl FnOnce(Arc<World>) -> F) -> bool
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(behaviour(world)).await.is_err_and(|error| error.is_panic())
}

pub(super) async fn a_missing_unique_index_is_noticed(world: Arc<World>) {
    let without = if world.raw.is_sqlite() {
        "ALTER TABLE scm_integration RENAME TO moved; \
         CREATE TABLE scm_integration AS SELECT * FROM moved; DROP TABLE moved"
    } else {
        "ALTER TABLE scm_integration DROP CONSTRAINT scm_integration_runner_id_scm_id_host_key_key"
    };
    world.raw.execute(without).await;
    assert!(notices(world, integrations::of_fifty_equal_creates_at_once_one_wins).await);
}

pub(super) async fn a_lost_audit_entry_is_noticed(world: Arc<World>) {
    let losing = if world.raw.is_sqlite() {
        "CREATE TRIGGER lose BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(IGNORE); END"
    } else {
        "CREATE RULE lose AS ON INSERT TO audit_entry DO INSTEAD NOTHING"
    };
    world.raw.execute(losing).await;
    assert!(notices(world, integrations::ten_updates_of_one_integration_at_once_all_count).await);
}

pub(super) async fn a_gap_in_a_change_log_is_noticed(world: Arc<World>) {
    let runner = world.runner().await;
    world.integrate(runner, "github.com", None).await;
    world.raw.execute("UPDATE configuration_change SET revision = 3 WHERE revision = 2").await;
    assert!(notices(Arc::clone(&world), |world| async move { world.revisions_have_no_gaps().await }).await);
    world.raw.execute("UPDATE configuration_change SET revision = 2 WHERE revision = 3").await;
}
