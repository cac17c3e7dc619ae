//! SIGKILL while the server's own keyring is rotated: every record opens afterwards, and the next rotation goes on.
//!
//! `SEALINK_ENDURE_KEYRING_KILLS` says how often; `tests/endure/keyring` runs the long proof.
use std::{
    collections::BTreeMap,
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
/// In so many rounds at least one kill has to leave records of two seeds.
const ENOUGH: usize = 10;

/// Waits until the first of these records are sealed again, or the rotation is over.
async fn begun(site: &Site, before: &BTreeMap<u32, usize>, rotation: &mut Child) {
    while site.by_seed().await == *before && rotation.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn finished(server: &Server) -> Value {
    serde_json::from_str(&server.cli(&["keys", "rotate", "--json"], Stdio::null())).unwrap()
}

async fn every_record_opens(site: Site) {
    let rounds = env::var("SEALINK_ENDURE_KEYRING_KILLS").map_or(6, |count| count.parse().expect("a number"));
    let mut server = site.start();
    site.fill(&server, RUNNERS).await;
    // How long to wait after the first records; less and less until that falls before the last ones.
    let mut window = MILLISECONDS;
    let (mut halves, mut resumed) = (0, 0);
    for round in 0..rounds {
        let before = site.by_seed().await;
        let mut rotation = site.rotate(&server).spawn().unwrap();
        let aimed = round % 2 == 1;
        if aimed {
            begun(&site, &before, &mut rotation).await;
        }
        tokio::time::sleep(pause(round as u64, if aimed { window } else { MILLISECONDS })).await;
        server.kill();
        rotation.wait().unwrap();
        site.stale(RUNNERS).await;
        let half = site.by_seed().await.len() > 1;
        halves += usize::from(half);
        if aimed && !half {
            window = (window / 4).max(1);
        }
        // The boot canary opens a record of each seed.
        server = site.start();
        if round % 3 == 2 || (half && resumed == 0) {
            let done = finished(&server);
            assert_eq!(done["stage"], "ROTATION_STAGE_DONE", "{done}");
            assert!(!half || done["resumed"] == true, "{done}");
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
    assert!(halves > 0 || rounds < ENOUGH, "no kill fell between two records");

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
