//! Callers that go away in the middle of a change: it is done wholly or not at all, and nothing is left open.
//!
//! `SEALINK_ENDURE_CANCELS` says how many; `tests/endure/cancel` runs the long proof.
use std::{
    env,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rand_core::{OsRng, RngCore};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::{Actor, Agent, Answer, Database, TestServer};

/// How many a plain run sends, on each store.
const FEW: usize = 300;
/// Calls at the same time.
const ABREAST: usize = 20;
/// Open connections that the server allows: many fewer than are broken off, a few more than are ever open.
const CONNECTIONS: usize = 2 * ABREAST;
/// Longer than any answer takes.
const ANSWER: Duration = Duration::from_secs(30);
const SERVICE: &str = "RunnerConfigurationService";

fn below(limit: usize) -> usize {
    usize::try_from(OsRng.next_u32()).expect("32 bits") % limit
}

/// Half of the calls are left within what one takes, the others also later.
fn patience() -> Duration {
    let most = if below(2) == 0 { 3_000 } else { 40_000 };
    Duration::from_micros(u64::try_from(below(most)).expect("small"))
}

/// A change of something that may or may not be there still.
struct Change {
    method: &'static str,
    body: Value,
}

impl Change {
    fn random(agent: &Agent, ids: &[String], name: &str) -> Self {
        let secret = "a secret of some length";
        let some = (!ids.is_empty()).then(|| ids[below(ids.len())].clone());
        let (method, body) = match (below(10), some) {
            (0..3, Some(id)) => {
                ("UpdateSCMIntegration", json!({ "id": id, "oauthPlaintextClientSecret": secret }))
            }
            (3..5, Some(id)) => ("UpdateSCMIntegration", json!({ "id": id, "pat": below(2) == 0 })),
            (5..7, Some(id)) => ("DeleteSCMIntegration", json!({ "id": id })),
            _ => (
                "CreateSCMIntegration",
                json!({
                    "runnerId": agent.runner, "scmId": "github", "host": format!("{name}.example.com"),
                    "oauthClientId": "client", "oauthPlaintextClientSecret": secret,
                }),
            ),
        };
        Self { method, body }
    }

    /// Sends it and goes away: true, or false if it was answered before.
    async fn abandon(&self, server: &TestServer, many: &reqwest::Client) -> bool {
        let admin = server.admin();
        match below(4) {
            // Of a connection that many calls share, one stream is reset.
            0 => self.leave(admin.through(many)).await,
            1 => {
                let whole = self.bytes(&admin);
                hang_up(server, &whole[..below(whole.len())]).await;
                true
            }
            2 => {
                hang_up(server, &self.bytes(&admin)).await;
                true
            }
            _ => self.leave(admin).await,
        }
    }

    async fn leave(&self, actor: Actor) -> bool {
        let method = format!("{SERVICE}/{}", self.method);
        match timeout(patience(), actor.call(&method, &self.body)).await {
            Ok(answer) => {
                self.expect(&answer);
                false
            }
            Err(_) => true,
        }
    }

    /// Another one may have deleted it before; a change that keeps losing against others says so.
    fn expect(&self, answer: &Answer) {
        let code = answer.code();
        let gone = self.method != "CreateSCMIntegration" && code == "NOT_FOUND";
        assert!(code == "OK" || code == "ABORTED" || gone, "{}: {answer:?}", self.method);
    }

    fn bytes(&self, admin: &Actor) -> Vec<u8> {
        let (method, body) = (self.method, self.body.to_string());
        let (token, length) = (admin.token.as_deref().expect("a token"), body.len());
        format!(
            "POST /gitpod.v1.{SERVICE}/{method} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// HTTP/1.1 by hand: the connection ends after `bytes`, without an answer or in the middle of it.
async fn hang_up(server: &TestServer, bytes: &[u8]) {
    let mut stream = TcpStream::connect(server.address).await.expect("connect");
    stream.write_all(bytes).await.expect("send");
    tokio::time::sleep(patience()).await;
    if below(2) == 0 {
        // A reset, not an orderly end.
        stream.set_zero_linger().expect("an option");
    }
}

/// A37: whatever was in flight when its caller went away is whole or was never there.
async fn a37_callers_that_hang_up(server: &TestServer) {
    let count = env::var("SEALINK_ENDURE_CANCELS").map_or(FEW, |count| count.parse().expect("a number"));
    let admin = server.admin();
    let agent = admin.register().await;
    let many = reqwest::Client::builder().no_proxy().http2_prior_knowledge().tls_certs_only([]).build();
    let many = many.expect("a client");
    let (mut left, mut answered, mut round) = (0, 0, 0);
    while left < count {
        let listing = json!({ "pagination": { "pageSize": 100 } });
        // With no connection left, or none to the database, it would wait for ever.
        let ids = timeout(ANSWER, admin.listed(&listing)).await.expect("a server that still answers");
        let changes = (0..ABREAST).map(|at| Change::random(&agent, &ids, &format!("c{round}-{at}")));
        let changes: Vec<_> = changes.collect();
        for gone in join_all(changes.iter().map(|change| change.abandon(server, &many))).await {
            if gone {
                left += 1;
            } else {
                answered += 1;
            }
        }
        round += 1;
    }
    drop(many);
    quiet(server.database()).await;
    let [created, updated, deleted] = whole(server.database()).await;
    secrets_open(&admin, &agent).await;
    nothing_is_left_open(server, &agent).await;
    println!(
        "{left} calls were left and {answered} answered: {created} creates, {updated} updates and {deleted} deletes \
         are done, none by half"
    );
    assert!(created > 0 && updated > 0 && deleted > 0, "too few came through to prove anything");
}

/// Waits until nothing changes any more: what callers left is finished by then.
async fn quiet(database: &Database) {
    let mut last = -1;
    loop {
        let now = database.count("SELECT count(*) FROM audit_entry").await;
        if now == last {
            return;
        }
        last = now;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Effects, audit entries and change-log entries say the same; how many creates, updates and deletes there were.
async fn whole(database: &Database) -> [i64; 3] {
    let rows = database.count("SELECT count(*) FROM scm_integration").await;
    let audited = [
        database.count("SELECT count(*) FROM audit_entry WHERE action = 'scm_integration.create'").await,
        database.count("SELECT count(*) FROM audit_entry WHERE action = 'scm_integration.update'").await,
        database.count("SELECT count(*) FROM audit_entry WHERE action = 'scm_integration.delete'").await,
    ];
    let [created, updated, deleted] = audited;
    assert_eq!(rows, created - deleted, "integrations, and their creates and deletes in the audit log");
    let changes = "SELECT count(*) FROM configuration_change WHERE object_kind = 'scm_integration'";
    assert_eq!(database.count(changes).await, created + updated + deleted, "changes, and audit entries");
    let gaps = "SELECT count(*) FROM runner r WHERE r.revision <> \
        (SELECT count(*) FROM configuration_change c WHERE c.runner_id = r.id)";
    assert_eq!(database.count(gaps).await, 0, "a change log has gaps");
    let name = match database {
        Database::Sqlite(_) => "lower(hex(i.id))",
        Database::Postgres { .. } => "replace(CAST(i.id AS TEXT), '-', '')",
    };
    // Each version but the first was made by one update.
    let torn = format!(
        "SELECT count(*) FROM scm_integration i WHERE i.version - 1 <> (SELECT count(*) FROM audit_entry a \
         WHERE a.action = 'scm_integration.update' AND replace(a.object, '-', '') = {name})"
    );
    assert_eq!(
        database.count_of(torn).await,
        0,
        "an update without its audit entry, or an entry without its update"
    );
    audited
}

/// Every integration is shown whole, and its secret opens.
async fn secrets_open(admin: &Actor, agent: &Agent) {
    let configuration = agent.configuration().await;
    let all = configuration["integrations"].as_array().expect("an array");
    for one in all {
        let set = |member: &str| one[member].as_str().is_some_and(|text| !text.is_empty());
        assert!(["id", "host", "clientId", "kid", "encryptedClientSecret"].into_iter().all(set), "{one}");
    }
    for one in all.iter().take(5) {
        assert_eq!(agent.opened(one["id"].as_str().expect("an id")).await, "a secret of some length");
    }
    let listed = admin.listed(&json!({ "pagination": { "pageSize": 100 } })).await;
    assert_eq!(listed.len(), all.len().min(100));
}

/// The server has all its connections, to callers and to the database, to itself again.
async fn nothing_is_left_open(server: &TestServer, agent: &Agent) {
    // As many as there may be at all, at the same time; a lost one would leave the last of them waiting.
    let began = Instant::now();
    let fresh = (0..CONNECTIONS - 2).map(|_| {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        server.admin().through(&http)
    });
    let fresh: Vec<_> = fresh.collect();
    let create = async |at: usize, actor: &Actor| {
        actor.integrate_pat(&agent.runner, &format!("after-{at}.example.com")).await;
    };
    let all = join_all(fresh.iter().enumerate().map(|(at, actor)| create(at, actor)));
    timeout(ANSWER, all).await.expect("an answer on every connection");
    println!("{} new connections were served in {:?}", fresh.len(), began.elapsed());
    if let Database::Postgres { .. } = server.database() {
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND state LIKE 'idle in transaction%' AND state_change < now() - interval '5 seconds'";
        // The server's own jobs have short ones; one that a caller left would stay.
        sleep(Duration::from_secs(6)).await;
        assert_eq!(server.database().count(open).await, 0, "a transaction is open");
    }
}

mod on_sqlite {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a37_callers_that_hang_up() {
        let connections = super::CONNECTIONS.to_string();
        let server = crate::support::TestServer::start_with(&[("limits.connections", &connections)]).await;
        super::a37_callers_that_hang_up(&server).await;
    }
}

mod on_postgres {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs TEST_POSTGRES_URL"]
    async fn a37_callers_that_hang_up() {
        let connections = super::CONNECTIONS.to_string();
        let settings = [("limits.connections", connections.as_str())];
        let server = crate::support::TestServer::start_on_postgres_with(&settings).await;
        super::a37_callers_that_hang_up(&server).await;
        server.stop().await;
    }
}
