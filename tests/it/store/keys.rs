//! The keys of runners, from registration to revocation.
use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use sealink::{
    clock::Instant,
    domain::{
        id::RegistrationId,
        page::After,
        runner_key::{KeyAlgorithm, KeyState},
        secret::{Kid, Sealed},
    },
    error::{Error, Kind},
};

use super::world::{World, integration, new_id, now, page, registration};

pub(super) async fn the_first_key_is_active_and_the_next_waits(world: Arc<World>) {
    let (runner, first) = world.registered("first").await;
    let stored = world.store.runner(world.organization, runner).await.unwrap().unwrap();
    assert!(stored.registered);
    let key = stored.active_key.unwrap();
    assert_eq!((key.kid, key.runner, key.algorithm), (first.clone(), runner, KeyAlgorithm::X25519));
    assert_eq!((key.bits, key.public_key), (256, vec![5; 32]));
    assert!(key.activated_at.is_some() && key.revoked_at.is_none());

    let (second, state) = world.register(runner, "second", None).await.unwrap();
    assert_eq!((state, world.state(&first).await), (KeyState::Pending, KeyState::Active));
    let approved = world.store.approve_key(world.actor(), second.clone()).await.unwrap();
    assert_eq!((approved.kid, approved.state), (second.clone(), KeyState::Active));
    assert_eq!(world.state(&first).await, KeyState::Retired);
    let census = world.census().await;
    let again = world.store.approve_key(world.actor(), second).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Precondition);
    let absent = world.store.approve_key(world.actor(), Kid("absent".into())).await.unwrap_err();
    assert_eq!(absent.kind(), Kind::NotFound);
    assert_eq!(world.census().await, census, "a refused approval left something");
}

pub(super) async fn a_proved_replacement_is_active_at_once(world: Arc<World>) {
    let (runner, first) = world.registered("first").await;
    let (second, state) = world.register(runner, "second", Some(&first)).await.unwrap();
    assert_eq!(state, KeyState::Active);
    // The proof names a key that is ACTIVE no more.
    let (_, state) = world.register(runner, "third", Some(&first)).await.unwrap();
    assert_eq!((state, world.state(&second).await), (KeyState::Pending, KeyState::Active));
    // Offering what is in use changes nothing.
    let (_, state) = world.register(runner, "second", None).await.unwrap();
    assert_eq!(state, KeyState::Active);
}

pub(super) async fn a_replaced_key_retires_with_its_last_secret(world: Arc<World>) {
    let (runner, first) = world.registered("first").await;
    let sealed = world.integrate(runner, "github.com", Some(&first)).await;
    let (second, _) = world.register(runner, "second", Some(&first)).await.unwrap();
    assert_eq!(world.state(&first).await, KeyState::Retiring);
    assert!(world.store.delete_integration(world.actor(), sealed.id).await.unwrap());
    assert_eq!(
        (world.state(&first).await, world.state(&second).await),
        (KeyState::Retired, KeyState::Active)
    );
    let gone = world.register(runner, "first", Some(&second)).await.unwrap_err();
    assert_eq!(gone.kind(), Kind::Precondition);
}

pub(super) async fn revoking_wipes_and_is_remembered(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    let first = world.integrate(runner, "a.com", Some(&kid)).await;
    let second = world.integrate(runner, "b.com", Some(&kid)).await;
    let plain = world.integrate(runner, "c.com", None).await;
    let mut update = world.renamed(runner, "r").await;
    update.honeycomb_key = Some(Sealed { bytes: vec![3; 64], kid: kid.clone() });
    world.store.update_runner(world.actor(), update).await.unwrap();

    let actor = world.actor();
    let (key, wiped) =
        world.store.revoke_key(actor.clone(), kid.clone(), "laptop lost".into()).await.unwrap();
    assert_eq!((key.state, key.revoked_at, wiped), (KeyState::Revoked, Some(actor.at), 3));
    assert_eq!(key.revocation_reason, "laptop lost");
    for integration in [first, second] {
        let stored = world.stored(integration.id).await.unwrap();
        assert_eq!(stored.oauth.unwrap().secret, None);
        assert_eq!((stored.version, stored.updated_at), (2, actor.at));
    }
    assert_eq!(world.stored(plain.id).await.unwrap(), plain);
    let stored = world.store.runner(world.organization, runner).await.unwrap().unwrap();
    assert!(stored.honeycomb_key.is_none() && stored.active_key.is_none() && stored.registered);
    assert!(world.store.is_revoked(world.organization, kid.clone()).await.unwrap());

    let census = world.census().await;
    let (again, wiped) = world.store.revoke_key(world.actor(), kid, "again".into()).await.unwrap();
    assert_eq!((again, wiped), (key, 0));
    let absent = world.store.revoke_key(world.actor(), Kid("absent".into()), String::new()).await;
    assert_eq!(absent.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(world.census().await, census, "revoking again left something");
}

pub(super) async fn of_ten_revocations_at_once_one_counts(world: Arc<World>) {
    let (runner, kid) = world.registered("k").await;
    world.integrate(runner, "a.com", Some(&kid)).await;
    let revoke = |number: usize| world.store.revoke_key(world.actor(), kid.clone(), number.to_string());
    let revoked: Vec<_> = join_all((0..10).map(revoke)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(revoked.iter().filter(|(_, wiped)| *wiped == 1).count(), 1);
    assert!(revoked.iter().all(|(key, _)| *key == revoked[0].0), "the first reason stays");
    assert_eq!(world.audited("runner_key.revoke").await, 1);
}

pub(super) async fn a_registration_is_used_once(world: Arc<World>) {
    let runner = world.runner().await;
    let offer = registration(runner, "k");
    let id = offer.id;
    world.store.begin_registration(world.actor(), offer).await.unwrap();
    let found = world.store.registration(world.organization, id).await.unwrap().unwrap();
    assert_eq!((found.runner_id, found.kid.0.as_str(), found.wrong_answers), (runner, "k", 0));
    assert_eq!((found.answer_new_hash, found.answer_old_hash, found.old_kid), (vec![1; 32], None, None));
    let complete = || world.store.complete_registration(world.actor(), id, None);
    let completed = join_all((0..10).map(|_| complete())).await;
    assert_eq!(completed.iter().filter(|result| result.is_ok()).count(), 1);
    for error in completed.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), Kind::NotFound, "{error}");
    }
    assert!(world.store.registration(world.organization, id).await.unwrap().is_none());
    assert_eq!(world.audited("runner_key.register").await, 1);
}

async fn active_keys(world: &World) -> i64 {
    world.raw.number("SELECT count(*) FROM runner_key WHERE state = 'ACTIVE'").await
}

pub(super) async fn first_registrations_at_once_make_one_active_key(world: Arc<World>) {
    let runner = world.runner().await;
    let names: Vec<_> = (0..10).map(|number| format!("k{number}")).collect();
    let registered = join_all(names.iter().map(|name| world.register(runner, name, None))).await;
    let states: Vec<_> = registered.into_iter().map(|result| result.unwrap().1).collect();
    assert_eq!(states.iter().filter(|state| **state == KeyState::Active).count(), 1, "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == KeyState::Pending).count(), 9, "{states:?}");
    assert_eq!(active_keys(&world).await, 1);
}

pub(super) async fn approvals_at_once_leave_one_active_key(world: Arc<World>) {
    let (runner, _) = world.registered("first").await;
    let mut waiting = Vec::new();
    for number in 0..6 {
        waiting.push(world.register(runner, &format!("k{number}"), None).await.unwrap().0);
    }
    let approvals =
        join_all(waiting.iter().map(|kid| world.store.approve_key(world.actor(), kid.clone()))).await;
    for approved in approvals {
        assert_eq!(approved.unwrap().state, KeyState::Active);
    }
    assert_eq!(active_keys(&world).await, 1);
    let retired = world.raw.number("SELECT count(*) FROM runner_key WHERE state = 'RETIRED'").await;
    assert_eq!(retired, 6);
}

pub(super) async fn a_key_belongs_to_one_runner(world: Arc<World>) {
    let (_, kid) = world.registered("k").await;
    let other = world.runner().await;
    let refused = world.register(other, &kid.0, None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Precondition);
    assert!(world.store.runner(world.organization, other).await.unwrap().unwrap().active_key.is_none());
    let keys = world.store.runner_keys(other, page(100, After::START)).await.unwrap();
    assert!(keys.rows.is_empty());
}

pub(super) async fn a_key_revoked_during_its_registration_stays_out(world: Arc<World>) {
    let other = world.runner().await;
    let begun = registration(other, "k");
    let id = begun.id;
    world.store.begin_registration(world.actor(), begun).await.unwrap();
    let (runner, kid) = world.registered("k").await;
    world.store.revoke_key(world.actor(), kid.clone(), String::new()).await.unwrap();
    world.store.delete_runner(world.actor(), runner).await.unwrap();
    let refused = world.store.complete_registration(world.actor(), id, None).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Precondition);
    assert!(world.store.runner_key(world.organization, kid).await.unwrap().is_none());
}

pub(super) async fn wrong_answers_are_counted(world: Arc<World>) {
    let runner = world.runner().await;
    let offer = registration(runner, "k");
    let id = offer.id;
    world.store.begin_registration(world.actor(), offer).await.unwrap();
    for left in [4, 3, 2, 1, 0] {
        assert_eq!(world.store.count_wrong_answer(world.actor(), id).await.unwrap(), left);
    }
    assert_used_up(&world.store.count_wrong_answer(world.actor(), id).await.unwrap_err());
    let found = world.store.registration(world.organization, id).await.unwrap().unwrap();
    assert_eq!(found.wrong_answers, 5);
    assert_eq!(world.audited("runner_key.wrong_answer").await, 5);
    let absent = world.store.count_wrong_answer(world.actor(), RegistrationId(new_id())).await;
    assert_eq!(absent.unwrap_err().kind(), Kind::NotFound);
    let foreign = world.store.count_wrong_answer(world.stranger().await.0, id).await;
    assert_eq!(foreign.unwrap_err().kind(), Kind::NotFound);
}

#[track_caller]
fn assert_used_up(error: &Error) {
    assert_eq!((error.kind(), error.message()), (Kind::Precondition, "too many wrong answers: begin again"));
}

pub(super) async fn of_sixty_wrong_answers_at_once_five_are_judged(world: Arc<World>) {
    let runner = world.runner().await;
    let offer = registration(runner, "k");
    let id = offer.id;
    world.store.begin_registration(world.actor(), offer).await.unwrap();
    let counted = join_all((0..60).map(|_| world.store.count_wrong_answer(world.actor(), id))).await;
    let mut left: Vec<_> = counted.iter().filter_map(|result| result.as_ref().ok().copied()).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    counted.iter().filter_map(|result| result.as_ref().err()).for_each(assert_used_up);
    assert_eq!(world.audited("runner_key.wrong_answer").await, 5);
    // The right answer comes too late, and leaves nothing.
    let census = world.census().await;
    assert_used_up(&world.store.complete_registration(world.actor(), id, None).await.unwrap_err());
    assert_eq!(world.census().await, census);
    let keys = world.store.runner_keys(runner, page(100, After::START)).await.unwrap();
    assert!(keys.rows.is_empty());
}

pub(super) async fn expired_registrations_are_swept(world: Arc<World>) {
    let (runner, old) = world.registered("old").await;
    let mut expired = registration(runner, "late");
    expired.expires_at = Instant(now().0 - 1);
    let mut open = registration(runner, "open");
    open.old = Some(([2; 32], old.clone()));
    open.expires_at = now().plus(Duration::from_mins(1));
    let (expired_id, open_id) = (expired.id, open.id);
    world.store.begin_registration(world.actor(), expired).await.unwrap();
    world.store.begin_registration(world.actor(), open).await.unwrap();
    assert!(world.store.registration(world.organization, expired_id).await.unwrap().is_none());
    let found = world.store.registration(world.organization, open_id).await.unwrap().unwrap();
    assert_eq!((found.answer_old_hash, found.old_kid), (Some(vec![2; 32]), Some(old.clone())));
    // A key that was never ACTIVE seals nothing.
    let census = world.census().await;
    let new = integration(runner, "github.com", Some(&Kid("open".into())));
    let refused = world.store.create_integration(world.actor(), world.admin, new).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(world.census().await, census);
}
