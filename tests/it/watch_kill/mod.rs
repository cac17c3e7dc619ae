//! SIGKILL of servers and of the agent that watches, at random moments while changes are written: every change that
//! was answered reaches the agent's machine, in order.
//!
//! ```text
//! writers -> journal of what was answered ─┐
//!                                          ├─ compared
//! sealink agent run --on-change -> record ─┘
//! ```
//!
//! `SEALINK_ENDURE_WATCH_KILLS` says how often; `tests/endure/watch` runs the long proof.
mod site;
mod watcher;
mod writer;

use std::{env, time::Duration};

use self::{site::Site, watcher::Watcher, writer::Writer};

/// How many kills a plain test run has.
const KILLS: u64 = 3;
const WRITERS: usize = 3;
/// How many changes the agent may be behind before the next kill: one that is far behind is told everything at once.
const BEHIND: usize = 300;

/// Another number for each round, and for each run.
fn scattered(round: u64) -> u64 {
    (round + u64::from(std::process::id())).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// Kills, again and again, and compares in the end.
async fn no_change_is_lost_or_reordered(mut site: Site) {
    let kills =
        env::var("SEALINK_ENDURE_WATCH_KILLS").map_or(KILLS, |count| count.parse().expect("a number"));
    let mut watcher = Watcher::register(&site.servers[0], &site.directory);
    watcher.start();
    watcher.until_begun().await;
    let mut writers: Vec<_> = (0..WRITERS).map(|number| Writer::new(number, &watcher.runner)).collect();
    let (mut of_servers, mut of_agents) = (0, 0);
    for round in 0..kills {
        let chance = scattered(round);
        let writing = writer::start(&mut writers, &site.servers);
        writing.some_answers().await;
        tokio::time::sleep(Duration::from_millis(5 + chance % 116)).await;
        // A server, the agent, or both.
        let victim = (chance >> 8) % 3;
        if victim != 1 {
            let all = u64::try_from(site.servers.len()).expect("few");
            site.kill(usize::try_from((chance >> 16) % all).expect("few"));
            of_servers += 1;
        }
        if victim != 0 {
            watcher.kill();
            of_agents += 1;
        }
        writing.stop(&mut writers).await;
        site.start_again();
        if victim != 0 {
            watcher.start();
        }
        let answered: usize = writers.iter().map(Writer::answered).sum();
        watcher.until(|record| record.len() + BEHIND > answered).await;
    }
    let last = watcher.revision_of_server(&site.servers[0]);
    watcher.until(|record| record.last().is_some_and(|seen| seen.revision >= last)).await;
    watcher.stop();
    watcher.compare(&site.servers[0], &writers);
    let answered: usize = writers.iter().map(Writer::answered).sum();
    let doubtful: usize = writers.iter().map(Writer::doubtful).sum();
    println!(
        "{kills} rounds, {of_servers} kills of a server, {of_agents} of the agent: {answered} answered changes, \
         {doubtful} without an answer, {} told twice, 0 lost, 0 reordered",
        watcher.told_twice(),
    );
    assert!(answered > 0, "nothing was answered, so nothing was proved");
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_or_reordered_on_sqlite() {
    no_change_is_lost_or_reordered(Site::sqlite()).await;
}

/// Two servers: writers are at both, and each is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn no_change_is_lost_or_reordered_on_postgres() {
    no_change_is_lost_or_reordered(Site::postgres().await).await;
}

/// The proof notices a change log that loses changes and leaves no gap, which nobody else would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[should_panic(expected = "answered and never told")]
async fn a_log_that_loses_changes_is_found() {
    const LOSE: &str = "CREATE TRIGGER lose AFTER INSERT ON configuration_change WHEN NEW.revision = 20 BEGIN \
        DELETE FROM configuration_change WHERE runner_id = NEW.runner_id AND revision = NEW.revision; \
        UPDATE runner SET revision = revision - 1 WHERE id = NEW.runner_id; END";
    let site = Site::sqlite();
    site.plant(LOSE).await;
    no_change_is_lost_or_reordered(site).await;
}
