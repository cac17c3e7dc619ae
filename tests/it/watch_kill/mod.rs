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

use std::{
    env,
    time::{Duration, Instant},
};

use self::{site::Site, watcher::Watcher, writer::Writer};

/// How many kills a plain test run has.
const KILLS: u64 = 3;
const WRITERS: usize = 3;
/// How many changes the agent may be behind before the next kill: one that is far behind is told everything at once.
const BEHIND: usize = 300;
/// How many changes it is told between two kills of it, at least: who gets nowhere loses nothing.
const TOLD: usize = 10;
/// How often it is said how far the proof is.
const SAID: Duration = Duration::from_secs(10);

/// Another number for each round, and for each run.
fn scattered(round: u64) -> u64 {
    (round + u64::from(std::process::id())).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

fn kills() -> u64 {
    env::var("SEALINK_ENDURE_WATCH_KILLS").map_or(KILLS, |count| count.parse().expect("a number"))
}

/// Kills, again and again, and compares in the end.
async fn no_change_is_lost_or_reordered(mut site: Site, kills: u64, writers: usize) {
    let mut watcher = Watcher::register(&site.servers[0], &site.directory);
    watcher.start();
    watcher.until_begun().await;
    let mut writers: Vec<_> = (0..writers).map(|number| Writer::new(number, &watcher.runner)).collect();
    let (mut of_servers, mut of_agents) = (0, 0);
    let (mut told, mut fewest) = (watcher.told(), usize::MAX);
    let (started, mut said) = (Instant::now(), Instant::now());
    for round in 0..kills {
        let chance = scattered(round);
        let writing = writer::start(&mut writers, &site.servers);
        writing.some_answers().await;
        watcher.until_told(told + TOLD).await;
        tokio::time::sleep(Duration::from_millis(5 + chance % 116)).await;
        fewest = fewest.min(writing.answers());
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
        told = watcher.told();
        writing.stop(&mut writers).await;
        site.start_again();
        if victim != 0 {
            watcher.start();
        }
        let answered: usize = writers.iter().map(Writer::answered).sum();
        watcher.until_told((answered + 1).saturating_sub(BEHIND)).await;
        if said.elapsed() > SAID {
            let (round, seconds) = (round + 1, started.elapsed().as_secs());
            println!(
                "{round} of {kills} rounds in {seconds} s: {answered} answered, {} told",
                watcher.told()
            );
            said = Instant::now();
        }
    }
    let last = watcher.revision_of_server(&site.servers[0]);
    watcher.until_revision(last).await;
    watcher.stop();
    watcher.compare(&site.servers[0], &writers);
    let answered: usize = writers.iter().map(Writer::answered).sum();
    let doubtful: usize = writers.iter().map(Writer::doubtful).sum();
    println!(
        "{kills} rounds, {of_servers} kills of a server, {of_agents} of the agent: {answered} answered changes, \
         {fewest} or more before each kill, {doubtful} without an answer, {} told twice, 0 lost, 0 reordered",
        watcher.told_twice(),
    );
    assert!(answered > 0, "nothing was answered, so nothing was proved");
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_or_reordered_on_sqlite() {
    no_change_is_lost_or_reordered(Site::sqlite(), kills(), WRITERS).await;
}

/// Two servers: writers are at both, and each is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn no_change_is_lost_or_reordered_on_postgres() {
    no_change_is_lost_or_reordered(Site::postgres().await, kills(), WRITERS).await;
}

/// Faults of the change log that nobody else would notice: no gap, no disorder of revisions.
mod planted {
    use super::{Site, no_change_is_lost_or_reordered};

    /// A few changes are taken away, each once, and the next one gets its number. One alone may be lost unseen: its writer
    /// had no answer, or the agent was killed and began anew.
    const LOSE: [&str; 2] = [
        "CREATE TABLE lost (revision INTEGER); \
         CREATE TRIGGER lose AFTER INSERT ON configuration_change WHEN NEW.revision IN (16, 20, 24, 28, 32) \
         AND NOT EXISTS (SELECT 1 FROM lost WHERE revision = NEW.revision) BEGIN INSERT INTO lost VALUES (NEW.revision); \
         DELETE FROM configuration_change WHERE runner_id = NEW.runner_id AND revision = NEW.revision; \
         UPDATE runner SET revision = revision - 1 WHERE id = NEW.runner_id; END",
        "CREATE TABLE lost (revision bigint); \
         CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.revision IN (16, 20, 24, 28, 32) \
         AND NOT EXISTS (SELECT 1 FROM lost WHERE revision = NEW.revision) THEN INSERT INTO lost VALUES (NEW.revision); \
         DELETE FROM configuration_change WHERE runner_id = NEW.runner_id AND revision = NEW.revision; \
         UPDATE runner SET revision = revision - 1 WHERE id = NEW.runner_id; END IF; RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON configuration_change DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION lose()",
    ];
    /// Neighbours about different objects change places, a few times.
    const SWAP: [&str; 2] = [
        "CREATE TRIGGER swap AFTER INSERT ON configuration_change WHEN NEW.revision BETWEEN 20 AND 23 BEGIN \
         UPDATE configuration_change SET \
         object_id = (SELECT o.object_id FROM configuration_change o WHERE o.runner_id = NEW.runner_id \
            AND o.revision = NEW.revision - 1), \
         object_kind = (SELECT o.object_kind FROM configuration_change o WHERE o.runner_id = NEW.runner_id \
            AND o.revision = NEW.revision - 1), \
         operation = (SELECT o.operation FROM configuration_change o WHERE o.runner_id = NEW.runner_id \
            AND o.revision = NEW.revision - 1) WHERE runner_id = NEW.runner_id AND revision = NEW.revision; \
         UPDATE configuration_change SET object_id = NEW.object_id, object_kind = NEW.object_kind, \
         operation = NEW.operation WHERE runner_id = NEW.runner_id AND revision = NEW.revision - 1; END",
        "CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE o configuration_change; BEGIN \
         IF NEW.revision BETWEEN 20 AND 23 THEN SELECT * INTO o FROM configuration_change c \
         WHERE c.runner_id = NEW.runner_id AND c.revision = NEW.revision - 1; \
         UPDATE configuration_change SET object_id = o.object_id, object_kind = o.object_kind, \
         operation = o.operation WHERE runner_id = NEW.runner_id AND revision = NEW.revision; \
         UPDATE configuration_change SET object_id = NEW.object_id, object_kind = NEW.object_kind, \
         operation = NEW.operation WHERE runner_id = NEW.runner_id AND revision = NEW.revision - 1; \
         END IF; RETURN NULL; END $$; CREATE TRIGGER swap AFTER INSERT ON configuration_change \
         FOR EACH ROW EXECUTE FUNCTION swap()",
    ];

    /// With one writer all changes have an order.
    async fn on(site: Site, fault: [&str; 2]) {
        site.plant(fault).await;
        no_change_is_lost_or_reordered(site, 3, 1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[should_panic(expected = "was answered, and")]
    async fn a_lost_change_is_found_on_sqlite() {
        on(Site::sqlite(), LOSE).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[should_panic(expected = "was answered, and")]
    async fn a_swapped_change_is_found_on_sqlite() {
        on(Site::sqlite(), SWAP).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[should_panic(expected = "was answered, and")]
    #[ignore = "needs TEST_POSTGRES_URL"]
    async fn a_lost_change_is_found_on_postgres() {
        on(Site::postgres().await, LOSE).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[should_panic(expected = "was answered, and")]
    #[ignore = "needs TEST_POSTGRES_URL"]
    async fn a_swapped_change_is_found_on_postgres() {
        on(Site::postgres().await, SWAP).await;
    }
}
