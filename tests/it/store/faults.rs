//! SQLite when things go wrong beside it, and how many writes share a COMMIT.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sealink::error::Kind;

use super::{
    database::{Raw, on_sqlite},
    world::{World, integration, user},
};
use crate::store::world::new_id;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_creates_at_once_share_commits() {
    on_sqlite(async |world: Arc<World>| {
        let runner = world.runner().await;
        let (writes, commits) = world.store.write_counts();
        let create = |number: usize| {
            let new = integration(runner, &format!("h{number}.com"), None);
            world.store.create_integration(world.actor(), world.admin, new)
        };
        let created = join_all((0..64).map(create)).await;
        assert!(created.into_iter().all(|created| created.is_ok()));
        let (writes, commits) =
            (world.store.write_counts().0 - writes, world.store.write_counts().1 - commits);
        assert_eq!(writes, 64);
        assert!(commits * 4 <= writes, "{writes} writes took {commits} COMMITs");
    })
    .await;
}

/// A step may end the whole transaction, as a full disk does: then nobody in it is told that it succeeded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_transaction_fails_its_batch_and_nothing_after_it() {
    on_sqlite(async |world: Arc<World>| {
        let runner = world.runner().await;
        world
            .raw
            .execute(
                "CREATE TRIGGER poison BEFORE INSERT ON scm_integration WHEN NEW.host_key = 'poison.com' \
                 BEGIN SELECT RAISE(ROLLBACK, 'poisoned'); END",
            )
            .await;
        let create = |number: usize| {
            let host = if number == 20 { "poison.com".to_owned() } else { format!("h{number}.com") };
            let new = integration(runner, &host, None);
            let world = &world;
            async move {
                let created = world.store.create_integration(world.actor(), world.admin, new.clone()).await;
                (new.id, created)
            }
        };
        let mut lost = 0;
        for (id, created) in join_all((0..40).map(create)).await {
            assert_eq!(world.stored(id).await.is_some(), created.is_ok(), "{created:?}");
            lost += usize::from(created.is_err());
        }
        assert!(lost > 1, "the poison met nobody else: the test shows nothing");
        world.integrate(runner, "after.com", None).await;
    })
    .await;
}

/// Another process that holds the write lock: reads go on, writes wait once for it and say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locked_by_another_process() {
    on_sqlite(async |world: Arc<World>| {
        let runner = world.runner().await;
        let Raw::Sqlite(raw) = &world.raw else { unreachable!("on SQLite") };
        let mut other = raw.acquire().await.unwrap();
        sqlx::raw_sql("BEGIN EXCLUSIVE").execute(&mut *other).await.unwrap();

        let started = Instant::now();
        let create = |number: usize| {
            let new = integration(runner, &format!("h{number}.com"), None);
            world.store.create_integration(world.actor(), world.admin, new)
        };
        let late = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let read = Instant::now();
            assert!(world.store.runner(world.organization, runner).await.unwrap().is_some());
            assert!(read.elapsed() < Duration::from_millis(500), "reads go on");
            world.store.create_user(world.actor(), sealink::domain::id::UserId(new_id()), user("late")).await
        };
        let (refused, late) = tokio::join!(join_all((0..200).map(create)), late);
        for error in refused.into_iter().map(Result::unwrap_err).chain(late.err()) {
            assert_eq!(error.kind(), Kind::Unavailable, "{error}");
            assert!(error.retry_delay().is_some());
        }
        assert!(started.elapsed() < Duration::from_secs(9), "the writes piled up: {:?}", started.elapsed());

        sqlx::raw_sql("ROLLBACK").execute(&mut *other).await.unwrap();
        world.integrate(runner, "after.com", None).await;
        assert_eq!(world.revision(runner).await, 2);
    })
    .await;
}

/// What was queued before the end is done, what comes later is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_finishes_what_is_queued() {
    on_sqlite(async |world: Arc<World>| {
        let runner = world.runner().await;
        let creates: Vec<_> = (0..100)
            .map(|number| {
                let world = Arc::clone(&world);
                tokio::spawn(async move {
                    let new = integration(runner, &format!("h{number}.com"), None);
                    world.store.create_integration(world.actor(), world.admin, new).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        world.store.close().await;
        let mut done = 0;
        for create in creates {
            match create.await.unwrap() {
                Ok(()) => done += 1,
                Err(error) => assert_eq!(error.kind(), Kind::Unavailable, "{error}"),
            }
        }
        assert_eq!(world.raw.number("SELECT count(*) FROM scm_integration").await, done);
        let late = world.store.delete_runner(world.actor(), runner).await.unwrap_err();
        assert_eq!(late.kind(), Kind::Unavailable);
    })
    .await;
}
