//! SIGKILL while the server's own keyring is rotated: every record opens afterwards, and the next rotation goes on.
//!
//! `SEALINK_ENDURE_KEYRING_KILLS` says how often; `tests/endure/keyring` runs the long proof.
use std::{
    env,
    process::{Child, Stdio},
    time::Duration,
};

use sealink::at_rest::RootKey;
use serde_json::Value;

use super::{
    keyring_site::{Site, pause},
    process::Server,
};

/// Six batches.
const RUNNERS: usize = 600;
/// A rotation of these records takes some of them.
const MILLISECONDS: u64 = 200;

/// Waits for the moment to kill: any, and every other time one while records are sealed again. On PostgreSQL a rotation
/// begins with some seconds in which it only waits until every server knows the seed.
async fn moment(site: &Site, round: u64, active: u32, rotation: &mut Child) {
    if site.on_postgres() && round % 2 == 1 {
        while site.active().await == active && rotation.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    tokio::time::sleep(pause(round, MILLISECONDS)).await;
}

fn finished(server: &Server) -> Value {
    serde_json::from_str(&server.cli(&["keys", "rotate", "--json"], Stdio::null())).unwrap()
}

async fn every_record_opens(site: Site) {
    let rounds = env::var("SEALINK_ENDURE_KEYRING_KILLS").map_or(6, |count| count.parse().expect("a number"));
    let mut server = site.start();
    site.fill(&server, RUNNERS).await;
    let (mut halves, mut resumed) = (0, 0);
    for round in 0..rounds {
        let active = site.active().await;
        let mut rotation = site.rotate(&server).spawn().unwrap();
        moment(&site, round, active, &mut rotation).await;
        server.kill();
        rotation.wait().unwrap();
        halves += usize::from(site.stale(RUNNERS).await > 0);
        // The boot canary opens a record of each seed.
        server = site.start();
        if round % 3 == 2 {
            let done = finished(&server);
            assert_eq!(done["stage"], "ROTATION_STAGE_DONE", "{done}");
            resumed += usize::from(done["resumed"] == true);
            assert_eq!(site.stale(RUNNERS).await, 0);
        }
    }
    finished(&server);
    assert_eq!(site.stale(RUNNERS).await, 0);
    server.cli(&["audit", "verify"], Stdio::null());
    println!(
        "{rounds} kills: {halves} left records of two seeds, {resumed} rotations went on; every record opened"
    );

    // With several seeds, too, another root key is refused, and nothing is written.
    server.stop();
    let other = site.directory.path().join("other.key");
    RootKey::create(&other).unwrap();
    site.refuses(&other).await;
    site.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_opens_after_sigkill() {
    every_record_opens(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn every_record_opens_after_sigkill_on_postgres() {
    every_record_opens(Site::postgres().await).await;
}
