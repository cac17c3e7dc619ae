//! The change log of a runner does not grow for ever.
use std::{sync::Arc, time::Duration};

use sealink::clock::Instant;

use super::world::World;

/// What is old and not among the newest goes; what is either stays.
pub(super) async fn old_changes_are_forgotten_and_the_newest_kept(world: Arc<World>) {
    let (runner, other) = (world.runner().await, world.runner().await);
    for host in ["a.com", "b.com", "c.com", "d.com", "e.com"] {
        world.integrate(runner, host, None).await;
    }
    let revisions = async || {
        let changes = world.store.changes_after(runner, 0, 100).await.unwrap();
        changes.iter().map(sealink::store::Change::revision).collect::<Vec<_>>()
    };
    assert_eq!(revisions().await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(world.store.forget_changes(Instant(0), 0).await.unwrap(), 0, "nothing is that old");
    let later = world.actor().at.plus(Duration::from_hours(1));
    assert_eq!(world.store.forget_changes(later, 100_000).await.unwrap(), 0, "there are so few");
    assert_eq!(world.store.forget_changes(later, 3).await.unwrap(), 3);
    assert_eq!(revisions().await, [4, 5, 6]);
    assert_eq!(world.store.changes_after(other, 0, 100).await.unwrap().len(), 1, "others keep theirs");
    // The world looks for gaps in the end, and there is one by intent.
    assert!(world.store.delete_runner(world.actor(), runner).await.unwrap());
    assert_eq!(world.store.revisions(&[runner, other]).await.unwrap().len(), 1);
}
