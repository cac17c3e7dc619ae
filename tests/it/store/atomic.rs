//! A change is its row, its audit entry and its change-log entry: all three or none.
use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use sealink::{
    domain::{id::UserId, runner_key::KeyState, token::TokenKind},
    error::{Error, Kind},
    store::IntegrationUpdate,
};

use super::world::{World, integration, new_id, registration, token, user};

/// Lets every audit entry fail, which is the last thing a change writes.
async fn refuse_audit(world: &World) {
    let sql = if world.raw.is_sqlite() {
        "CREATE TRIGGER refuse BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'refused'); END"
    } else {
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse()"
    };
    world.raw.execute(sql).await;
}

pub(super) async fn a_failing_audit_leaves_nothing(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    let (waiting, _) = world.register(runner, "waiting", None).await.unwrap();
    let stored = world.integrate(runner, "github.com", Some(&kid)).await;
    let offer = registration(runner, "next");
    let begun = offer.id;
    world.store.begin_registration(world.actor(), offer).await.unwrap();
    let exchange = token(TokenKind::Exchange, None, Some(runner));
    let exchange_id = exchange.token_id.clone();
    world.store.create_token(world.actor(), exchange, "token.create").await.unwrap();
    let anna = UserId(new_id());
    world.store.create_user(world.actor(), anna, user("anna")).await.unwrap();
    let rename = world.renamed(runner, "renamed").await;
    let census = world.census().await;

    refuse_audit(&world).await;
    let (store, actor) = (&world.store, || world.actor());
    let mut changed = stored.clone();
    (changed.pat, changed.version) = (false, 2);
    let update =
        IntegrationUpdate { integration: changed, expected_version: 1, changed: vec!["pat"], drops: vec![] };
    let access = token(TokenKind::Runner, None, Some(runner));
    let personal = token(TokenKind::Personal, Some(anna), None);
    let failed: [Option<Error>; 17] = [
        store
            .create_integration(actor(), world.admin, integration(runner, "new.com", Some(&kid)))
            .await
            .err(),
        store.update_integration(actor(), update).await.err(),
        store.delete_integration(actor(), stored.id).await.err(),
        store.create_runner(actor(), world.new_runner("new")).await.err(),
        store.update_runner(actor(), rename).await.err(),
        store.delete_runner(actor(), runner).await.err(),
        store.begin_registration(actor(), registration(runner, "another")).await.err(),
        store.count_wrong_answer(actor(), begun).await.err(),
        store.complete_registration(actor(), begun, None).await.err(),
        store.approve_key(actor(), waiting.clone()).await.err(),
        store.revoke_key(actor(), kid.clone(), String::new()).await.err(),
        store.create_token(actor(), personal, "token.create").await.err(),
        store.exchange_token(actor(), exchange_id.clone(), access).await.err(),
        store.revoke_token(actor(), exchange_id.clone()).await.err(),
        store.create_user(actor(), UserId(new_id()), user("bert")).await.err(),
        store.disable_user(actor(), anna).await.err(),
        store.preset_admin_token(actor(), [1; 32], new_id()).await.err(),
    ];
    for (number, error) in failed.into_iter().enumerate() {
        assert_eq!(error.map(|error| error.kind()), Some(Kind::Internal), "number {number}");
    }
    assert_eq!(world.census().await, census, "a failed change left something");
    assert_eq!(world.stored(stored.id).await.unwrap(), stored);
    assert_eq!((world.state(&kid).await, world.state(&waiting).await), (KeyState::Active, KeyState::Pending));
    assert_eq!(store.registration(world.organization, begun).await.unwrap().unwrap().wrong_answers, 0);
    assert!(store.token(exchange_id).await.unwrap().unwrap().revoked_at.is_none());
    assert!(store.user(world.organization, anna).await.unwrap().unwrap().disabled_at.is_none());
    let kept = store.runner(world.organization, runner).await.unwrap().unwrap();
    assert_eq!(kept.name, "runner");

    let table = if world.raw.is_sqlite() { "" } else { " ON audit_entry" };
    world.raw.execute(&format!("DROP TRIGGER refuse{table}")).await;
    world.integrate(runner, "new.com", Some(&kid)).await;
}

pub(super) async fn parallel_changes_of_one_runner_are_counted_without_gaps(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    let before = world.raw.number("SELECT count(*) FROM audit_entry").await;
    let create = |number: usize| {
        let new = integration(runner, &format!("h{number}.com"), Some(&kid));
        let world = &world;
        async move {
            let id = new.id;
            world.store.create_integration(world.actor(), world.admin, new).await.unwrap();
            if number.is_multiple_of(3) {
                assert!(world.store.delete_integration(world.actor(), id).await.unwrap());
            }
        }
    };
    join_all((0..60).map(create)).await;
    assert_eq!(world.revision(runner).await, 2 + 60 + 20);
    assert_eq!(world.raw.number("SELECT count(*) FROM audit_entry").await - before, 80);
    world.revisions_have_no_gaps().await;
}

pub(super) async fn a_caller_that_goes_away_leaves_no_half_change(world: Arc<World>) {
    let runner = world.runner().await;
    let before = world.audited("scm_integration.create").await;
    for number in 0..60_u64 {
        let world = Arc::clone(&world);
        let create = async move {
            let new = integration(runner, &format!("h{number}.com"), None);
            world.store.create_integration(world.actor(), world.admin, new).await
        };
        // Some are answered in time, some are not, and what is not answered may have happened.
        drop(tokio::time::timeout(Duration::from_micros(number * 50), create).await);
    }
    // One that is answered, then time for those that still run.
    world.integrate(runner, "last.com", None).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let rows = world.raw.number("SELECT count(*) FROM scm_integration").await;
    assert_eq!(world.audited("scm_integration.create").await - before, rows);
    assert_eq!(world.revision(runner).await, 1 + rows.unsigned_abs());
    assert!(rows >= 1);
}
