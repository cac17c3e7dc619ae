//! Keys and secrets under random interleavings: two agents of one runner rotate and re-seal, are cut off between
//! any two steps, and administrators create, change, delete, approve and revoke meanwhile. After every step the
//! server says what the model says; whatever is not wiped opens, and is the latest that was entered.
mod case;
mod model;

use std::{collections::BTreeMap, ops::RangeInclusive, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::{sync::Semaphore, task::JoinSet};

use self::case::Case;
use crate::support::TestServer;

/// How many random histories a plain test run goes through; `tests/endure/rotation` sets more.
const CASES: u64 = 60;
const STEPS: usize = 40;
/// How many histories one server has. In the end everything it said is searched for every secret of them, so twice as
/// many take four times as long.
const BATCH: u64 = 20;
/// How many servers there are at once.
const SERVERS: usize = 3;
/// One history in so many begins without a key.
const KEYLESS: u64 = 8;
/// Steps that leave the server as it was.
const IDLE: [&str; 2] = ["crash", "list"];

/// How often something came up.
type Seen = BTreeMap<String, usize>;

/// One history from its seed.
async fn history(server: &TestServer, seed: u64, tally: &mut Seen) {
    let mut case = Case::new(&server.admin(), seed).await;
    let mut steps = Vec::new();
    if !seed.is_multiple_of(KEYLESS) {
        case.register().await;
    }
    for _ in 0..STEPS {
        let done = AssertUnwindSafe(async {
            let step = case.step().await;
            if !IDLE.contains(&step) && !step.starts_with("nothing") {
                case.compare().await;
            }
            step
        });
        match done.catch_unwind().await {
            Ok(step) => steps.push(step),
            Err(panic) => {
                eprintln!("seed {seed}, after {steps:?}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    case.compare().await;
    case.open_everything(server).await;
    for state in case.model.keys.iter().map(|(_, state)| format!("key {state}")) {
        *tally.entry(state).or_default() += 1;
    }
    for outcome in &case.model.outcomes {
        *tally.entry(format!("re-seal {outcome}")).or_default() += 1;
    }
}

async fn batch(seeds: RangeInclusive<u64>) -> Seen {
    let server = TestServer::start().await;
    let mut seen = Seen::new();
    for seed in seeds {
        history(&server, seed, &mut seen).await;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_secrets_are_what_the_model_says() {
    let cases =
        std::env::var("SEALINK_ENDURE_ROTATIONS").map_or(CASES, |count| count.parse().expect("a count"));
    let (mut batches, places) = (JoinSet::new(), Arc::new(Semaphore::new(SERVERS)));
    for first in (1..=cases).step_by(usize::try_from(BATCH).expect("few")) {
        let places = Arc::clone(&places);
        batches.spawn(async move {
            let _place = places.acquire().await.expect("open");
            batch(first..=cases.min(first + BATCH - 1)).await
        });
    }
    let mut seen = Seen::new();
    while let Some(batch) = batches.join_next().await {
        match batch {
            Ok(found) => found.into_iter().for_each(|(what, count)| *seen.entry(what).or_default() += count),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    println!("{cases} histories: {seen:?}");
    // A model that never gets anywhere proves nothing.
    for interesting in [
        "key RETIRING",
        "key RETIRED",
        "key REVOKED",
        "key PENDING",
        "re-seal OK",
        "re-seal ABORTED",
        "re-seal FAILED_PRECONDITION",
    ] {
        assert!(seen.contains_key(interesting), "{interesting} never came up: {seen:?}");
    }
}
