//! `/readyz` says whether the database takes writes, and finds out by itself when it does so again.
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::{
    store::process::{ADMIN, Server, command},
    support::TestServer,
};

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().expect("a client")
}

async fn readyz(url: &str) -> (u16, String) {
    let answer = http().get(format!("{url}/readyz")).send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}

/// The database is looked at every five seconds.
async fn becomes(url: &str, expected: (u16, &str)) {
    let started = Instant::now();
    loop {
        let (status, text) = readyz(url).await;
        if (status, text.as_str()) == expected {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{status} {text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How long files may become that a process writes; `None`: as long as it likes.
fn limit(process: Pid, bytes: Option<u64>) {
    prlimit(Some(process), Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("a limit");
}

/// A disk that fails: no write is taken, reads go on, and nobody is sent here until it works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_turns_readiness_off() {
    let directory = tempfile::tempdir().unwrap();
    let plain = command(directory.path());
    // Or the first write beyond the limit would kill it.
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; exec \"$@\"", "bash"]).arg(plain.get_program()).args(plain.get_args());
    for (name, _) in plain.get_envs() {
        shell.env_remove(name);
    }
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let server = Server::spawn(shell, directory.path());
    let create = async || {
        let request = http()
            .post(format!("{}/gitpod.v1.RunnerService/CreateRunner", server.url))
            .bearer_auth(ADMIN)
            .header("content-type", "application/json")
            .body(json!({ "name": "a runner", "kind": "RUNNER_KIND_REMOTE" }).to_string());
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(create().await, 200);
    assert_eq!(readyz(&server.url).await, (200, "ready\n".to_owned()));
    limit(server.pid(), Some(1));
    assert_eq!(create().await, 503);
    becomes(&server.url, (503, "not ready\n")).await;
    let runners = || server.cli(&["runner", "list"], Stdio::null()).matches("a runner").count();
    assert_eq!(runners(), 1, "reads go on");
    assert_eq!(create().await, 503);
    limit(server.pid(), None);
    becomes(&server.url, (200, "ready\n")).await;
    assert_eq!(create().await, 200);
    assert_eq!(runners(), 2);
}

/// A full disk: what only reads is served, and said to be all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn a_full_disk_leaves_a_server_that_reads() {
    const FILL: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
        RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$; \
        CREATE TRIGGER refuse BEFORE INSERT ON runner FOR EACH ROW EXECUTE FUNCTION refuse(); \
        CREATE TRIGGER refuse BEFORE INSERT ON write_probe FOR EACH ROW EXECUTE FUNCTION refuse()";
    const EMPTY: &str = "DROP FUNCTION refuse CASCADE";
    let server = TestServer::start_on_postgres().await;
    let (admin, url) = (server.admin(), format!("http://{}", server.address));
    server.database().run("", FILL).await;
    let body = json!({ "name": "a runner", "kind": "RUNNER_KIND_REMOTE" });
    assert_eq!(admin.call("RunnerService/CreateRunner", &body).await.code(), "RESOURCE_EXHAUSTED");
    becomes(&url, (200, "ready, write=false\n")).await;
    let health = server.nobody().call("Health/Check", &json!({})).await.ok();
    assert_eq!(health["status"], "SERVING");
    // A small write finds room; that is no proof for larger ones.
    admin.create_group("small").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(readyz(&url).await.1, "ready, write=false\n");
    admin.call("RunnerService/ListRunners", &json!({})).await.ok();
    server.database().run("", EMPTY).await;
    becomes(&url, (200, "ready\n")).await;
    admin.create_runner().await;
    assert_eq!(server.database().count("SELECT count(*) FROM write_probe").await, 0);
    server.stop().await;
}
