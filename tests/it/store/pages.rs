//! Pages of every list, while rows come and go: nothing twice, nothing lost, always in order.
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::join_all;
use sealink::{
    domain::{
        access::Visible,
        audit::Actor,
        id::{IntegrationId, RegistrationId, RunnerId, UserId},
        page::{After, Page, PageRequest},
        runner::RunnerFilter,
        token::{TokenId, TokenKind},
    },
    store::{IntegrationScope, RunnerPageQuery},
};
use uuid::Uuid;

use super::world::{World, integration, page, registration, token, user};

/// Page sizes around the number of rows, and the extremes.
const SIZES: [i32; 7] = [1, 2, 5, 16, 53, 54, 100];
/// Rows that stay.
const ROWS: u128 = 53;

/// Places spread over the whole range, so that others fit between them.
fn place(number: u128) -> Uuid {
    Uuid::from_u128((number + 1) << 120)
}

/// A place among the rows that stay, another one each time.
fn between(number: u128) -> Uuid {
    Uuid::from_u128((((number * 17) % (ROWS + 2)) << 120) + 1_000 + number)
}

fn ids<T>(page: &Page<T>, id: impl Fn(&T) -> Uuid) -> Page<Uuid> {
    Page { rows: page.rows.iter().map(id).collect(), next: page.next }
}

/// Walks the list in pages of every size, quietly and while `come` and `go` change it.
async fn walk_all<F, C, G>(
    descending: bool,
    fetch: impl Fn(PageRequest) -> F,
    come: impl Fn(Uuid) -> C,
    go: impl Fn(Uuid) -> G,
) where
    F: Future<Output = Page<Uuid>>,
    C: Future<Output = ()>,
    G: Future<Output = ()>,
{
    let mut stable: Vec<_> = (0..ROWS).map(place).collect();
    for id in &stable {
        come(*id).await;
    }
    if descending {
        stable.reverse();
    }
    for size in SIZES {
        assert_eq!(walk(size, &fetch).await, stable, "pages of {size} of a list that rests");
    }
    let done = AtomicBool::new(false);
    let churn = async {
        let mut number = 0;
        while !done.load(Ordering::Relaxed) {
            come(between(number)).await;
            if number >= 3 {
                go(between(number - 3)).await;
            }
            number += 1;
        }
    };
    let walks = async {
        for size in SIZES {
            let seen = walk(size, &fetch).await;
            let sorted = seen.is_sorted_by(|a, b| if descending { a > b } else { a < b });
            assert!(sorted, "pages of {size} repeat or reorder rows");
            let kept: Vec<_> = seen.into_iter().filter(|id| stable.contains(id)).collect();
            assert_eq!(kept, stable, "pages of {size} lose rows");
        }
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(churn, walks);
}

/// Every row of the list, page by page.
async fn walk<F: Future<Output = Page<Uuid>>>(size: i32, fetch: impl Fn(PageRequest) -> F) -> Vec<Uuid> {
    let (mut seen, mut after) = (Vec::new(), After::START);
    loop {
        let got = fetch(page(size, after)).await;
        let full = got.rows.len() == usize::try_from(size).unwrap();
        assert!(full || got.next.is_none(), "a page that is not full has no next");
        assert!(got.rows.len() <= usize::try_from(size).unwrap());
        seen.extend(got.rows);
        match got.next {
            Some(next) => after = next,
            None => return seen,
        }
    }
}

impl World {
    async fn integrate_at(&self, runner: RunnerId, id: Uuid) {
        let mut new = integration(runner, &format!("h{id}.com"), None);
        new.id = IntegrationId(id);
        self.store.create_integration(self.actor(), self.admin, new).await.unwrap();
    }

    async fn disintegrate(&self, id: Uuid) {
        assert!(self.store.delete_integration(self.actor(), IntegrationId(id)).await.unwrap());
    }

    async fn runner_at(&self, id: Uuid) {
        let mut new = self.new_runner("r");
        new.id = RunnerId(id);
        new.token.runner = Some(new.id);
        self.store.create_runner(self.actor(), new).await.unwrap();
    }

    async fn token_at(&self, id: Uuid) {
        let mut new = token(TokenKind::Personal, Some(self.admin), None);
        new.id = id;
        self.store.create_token(self.actor(), new, "token.create").await.unwrap();
    }

    async fn forget(&self, table: &str, id: Uuid) {
        self.raw.execute(&format!("DELETE FROM {table} WHERE id = {}", self.raw.id(id))).await;
    }
}

pub(super) async fn integrations_of_a_runner(world: Arc<World>) {
    let (runner, other) = (world.runner().await, world.runner().await);
    world.integrate(other, "github.com", None).await;
    let fetch = |page| {
        let query = RunnerPageQuery { token: TokenId("t".into()), runner, page };
        let world = &world;
        async move { ids(&world.store.runner_page(query).await.unwrap().page, |row| row.id.0) }
    };
    walk_all(false, fetch, |id| world.integrate_at(runner, id), |id| world.disintegrate(id)).await;
}

pub(super) async fn integrations_of_an_organization(world: Arc<World>) {
    scoped(&world, IntegrationScope::Organization(world.organization)).await;
}

pub(super) async fn integrations_of_a_creator(world: Arc<World>) {
    scoped(&world, IntegrationScope::CreatedBy(world.admin)).await;
}

async fn scoped(world: &World, scope: IntegrationScope) {
    let runners = [world.runner().await, world.runner().await];
    let fetch =
        |page| async move { ids(&world.store.integrations(scope, page).await.unwrap(), |row| row.id.0) };
    let come = |id: Uuid| world.integrate_at(runners[usize::from(id.as_bytes()[0] % 2)], id);
    walk_all(false, fetch, come, |id| world.disintegrate(id)).await;
}

pub(super) async fn runners_of_an_organization(world: Arc<World>) {
    runners(&world, Visible::Organization).await;
}

pub(super) async fn runners_of_a_creator(world: Arc<World>) {
    runners(&world, Visible::CreatedBy(world.admin)).await;
}

async fn runners(world: &World, visible: Visible) {
    let fetch = |page| async move {
        let filter = RunnerFilter::default();
        let found = world.store.runners(world.organization, visible, filter, page).await.unwrap();
        ids(&found, |row| row.id.0)
    };
    let go = |id| async move {
        assert!(world.store.delete_runner(world.actor(), RunnerId(id)).await.unwrap());
    };
    walk_all(false, fetch, |id| world.runner_at(id), go).await;
}

pub(super) async fn tokens_of_an_organization(world: Arc<World>) {
    tokens(&world, None).await;
}

pub(super) async fn tokens_of_a_user(world: Arc<World>) {
    world.runner().await;
    tokens(&world, Some(world.admin)).await;
}

async fn tokens(world: &World, owner: Option<UserId>) {
    let fetch = |page| async move {
        ids(&world.store.tokens(world.organization, owner, page).await.unwrap(), |row| row.order)
    };
    walk_all(false, fetch, |id| world.token_at(id), |id| world.forget("token", id)).await;
}

pub(super) async fn users_of_an_organization(world: Arc<World>) {
    let (stranger, _) = world.stranger().await;
    let (world, other) = (&world, stranger.organization);
    // The administrator of the first start is in every list of its own organization, so the other's is
    // walked, whose administrator is taken away.
    world.raw.execute(&format!("DELETE FROM member WHERE organization_id = {}", world.raw.id(other.0))).await;
    let fetch = |page| async move { ids(&world.store.users(other, page).await.unwrap(), |row| row.id.0) };
    let come = |id: Uuid| async move {
        let actor = Actor { organization: other, ..world.actor() };
        world.store.create_user(actor, UserId(id), user(&format!("u{id}"))).await.unwrap();
    };
    walk_all(false, fetch, come, |id| world.forget("member", id)).await;
}

pub(super) async fn keys_of_a_runner_newest_first(world: Arc<World>) {
    let (runner, other) = (world.runner().await, world.registered("other").await.0);
    let world = &world;
    let fetch = |page| async move {
        let found = world.store.runner_keys(runner, page).await.unwrap();
        // A key is known by its thumbprint, which is its place here.
        ids(&found, |row| row.kid.0.parse().unwrap())
    };
    let come = |id: Uuid| async move {
        let mut offer = registration(runner, &id.to_string());
        offer.id = RegistrationId(id);
        world.store.begin_registration(world.actor(), offer).await.unwrap();
        world.store.complete_registration(world.actor(), RegistrationId(id), None).await.unwrap();
    };
    walk_all(true, fetch, come, |id| world.forget("runner_key", id)).await;
    assert_ne!(runner, other);
}

pub(super) async fn combined_questions_get_their_own_answers(world: Arc<World>) {
    let mut runners = Vec::new();
    for number in 0..4 {
        let runner = world.runner().await;
        let own = token(TokenKind::Runner, None, Some(runner));
        let id = own.token_id.clone();
        world.store.create_token(world.actor(), own, "token.create").await.unwrap();
        for host in 0..number * 3 {
            world.integrate(runner, &format!("h{host}.com"), None).await;
        }
        runners.push((runner, id, number * 3));
    }
    let ask = |number: usize| {
        let (runner, token, rows) = runners[number % 4].clone();
        let size = number % 11 + 1;
        let world = &world;
        async move {
            let page = page(i32::try_from(size).unwrap(), After::START);
            let (known, token) = match number % 5 {
                0 => (false, TokenId(format!("absent \"{number}', \\ {{}} 🦭"))),
                _ => (true, token),
            };
            let query = RunnerPageQuery { token: token.clone(), runner, page };
            let answer = world.store.runner_page(query).await.unwrap();
            assert_eq!(answer.token.map(|found| found.id), known.then_some(token));
            assert_eq!(answer.runner.map(|found| found.id), Some(runner));
            assert_eq!(answer.page.rows.len(), rows.min(size));
            assert_eq!(answer.page.next.is_some(), rows > size);
            assert!(answer.page.rows.iter().all(|row| row.runner == runner));
        }
    };
    join_all((0..200).map(ask)).await;
    let absent = RunnerPageQuery {
        token: TokenId("absent".into()),
        runner: RunnerId(Uuid::from_u128(7)),
        page: page(5, After::START),
    };
    let answer = world.store.runner_page(absent).await.unwrap();
    assert!(answer.token.is_none() && answer.runner.is_none() && answer.page.rows.is_empty());
}
