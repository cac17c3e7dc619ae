//! PostgreSQL when things go wrong beside us: conflicts it asks to retry, lost connections, a full pool.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sealink::error::Kind;

use super::{
    database::{Raw, on_postgres},
    world::{World, integration},
};

/// Lets the next `times` audit entries fail with `code`; a sequence counts, which no rollback resets.
async fn fail(world: &World, code: &str, times: u32) {
    let sql = format!(
        "DROP SEQUENCE IF EXISTS tries CASCADE; CREATE SEQUENCE tries; \
         CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END IF; \
         RETURN NEW; END $$; \
         CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON audit_entry \
         FOR EACH ROW EXECUTE FUNCTION refuse()"
    );
    world.raw.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn what_asks_to_be_retried_is_retried_twice() {
    on_postgres(async |world: Arc<World>| {
        let runner = world.runner().await;
        for (number, code) in ["40001", "40P01"].into_iter().enumerate() {
            let audited = world.audited("scm_integration.create").await;
            fail(&world, code, 2).await;
            world.integrate(runner, &format!("h{number}.com"), None).await;
            assert_eq!(world.audited("scm_integration.create").await, audited + 1);
            fail(&world, code, 3).await;
            let new = integration(runner, "third.com", None);
            let error = world.store.create_integration(world.actor(), world.admin, new).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict, "{error}");
        }
        // What nobody asks to retry is tried once.
        fail(&world, "53100", 1).await;
        let new = integration(runner, "full.com", None);
        let error = world.store.create_integration(world.actor(), world.admin, new).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_delay()), (Kind::Exhausted, None));
        assert_eq!(world.revision(runner).await, 3);
    })
    .await;
}

/// Distributed databases know no weaker isolation: a change may be a conflict there, but never a lie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn serializable_changes_count_or_conflict() {
    on_postgres(async |world: Arc<World>| {
        let runner = world.runner().await;
        let serializable = "DO $$ BEGIN EXECUTE format( \
            'ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database()); END $$";
        world.raw.execute(serializable).await;
        end_connections(&world).await;
        let create = |number: usize| {
            let new = integration(runner, &format!("h{number}.com"), None);
            world.store.create_integration(world.actor(), world.admin, new)
        };
        let mut done = 0;
        for created in join_all((0..40).map(create)).await {
            match created {
                Ok(()) => done += 1,
                Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error}"),
            }
        }
        assert!(done > 0);
        assert_eq!(world.revision(runner).await, 1 + done);
        assert_eq!(world.audited("scm_integration.create").await.unsigned_abs(), done);
    })
    .await;
}

/// Ends every connection of the store, as a restart or a failover does.
async fn end_connections(world: &World) {
    let ended = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'sealink') x";
    assert!(world.raw.number(ended).await > 0, "the store had no connection to lose");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn lost_connections_are_made_again() {
    on_postgres(async |world: Arc<World>| {
        let runner = world.runner().await;
        for number in 0..5 {
            end_connections(&world).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(world.store.runner(world.organization, runner).await.unwrap().is_some());
            end_connections(&world).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            world.integrate(runner, &format!("h{number}.com"), None).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a_full_pool_is_unavailable_after_two_seconds() {
    on_postgres(async |world: Arc<World>| {
        let runner = world.runner().await;
        let Raw::Postgres(raw) = &world.raw else { unreachable!("on PostgreSQL") };
        let mut other = raw.begin().await.unwrap();
        sqlx::query("SELECT id FROM runner FOR UPDATE").execute(&mut *other).await.unwrap();
        let creates: Vec<_> = (0..40)
            .map(|number| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let new = integration(runner, &format!("h{number}.com"), None);
                    world.store.create_integration(world.actor(), world.admin, new).await
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let started = Instant::now();
        let error = world.store.runner(world.organization, runner).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.retry_delay().is_some());
        assert!((1..=4).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
        other.rollback().await.unwrap();
        let mut done = 0;
        for create in creates {
            match create.await.unwrap() {
                Ok(()) => done += 1,
                Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "{error}"),
            }
        }
        // Those that had a connection went through; the others were told within two seconds.
        assert_eq!((done, world.revision(runner).await), (16, 17));
        world.integrate(runner, "after.com", None).await;
    })
    .await;
}
