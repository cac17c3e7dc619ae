//! Two agents of one runner, a real server that cannot store what one of them brings, and a forge that knows.
use std::time::Duration;

use serde_json::json;

use super::{machine::eventually, real::RealAgent};
use crate::{
    forges::{CLIENT_ID, CLIENT_SECRET, FakeForge, Kind},
    host_token_refresh::{DUE_AGAIN, REFRESHED, TRIES, until},
    support::TestServer,
};

const LIVE: &str = "SELECT count(*) FROM agent WHERE stream_id IS NOT NULL";

/// No credential can be stored: an unexpected failure.
const SQLITE_FAILS: &str = "CREATE TRIGGER fails BEFORE UPDATE ON host_token \
    BEGIN SELECT RAISE(ABORT, 'it fails'); END";
/// The same: the disk is full.
const POSTGRES_FAILS: &str = "CREATE FUNCTION fails() RETURNS trigger AS $$ BEGIN \
    RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'it fails'; END $$ LANGUAGE plpgsql; \
    CREATE TRIGGER fails BEFORE UPDATE ON host_token FOR EACH ROW EXECUTE FUNCTION fails()";

/// The server asks, cannot store the answer, and asks again while an agent is there that knows nothing: the forge hears
/// of one renewal, and its credential arrives.
async fn no_credential_is_lost(server: &TestServer, forge: &FakeForge) {
    let admin = server.admin();
    let first = RealAgent::start(server, &admin, &forge.origin).await;
    let second = first.twin();
    until("both take calls", server, LIVE, 2).await;
    let over = json!({
        "scmId": "gitea", "host": forge.host(), "oauthClientId": CLIENT_ID,
        "oauthPlaintextClientSecret": CLIENT_SECRET,
    });
    let integration = admin.integrate(&first.runner, &over).await;
    server.database().run(SQLITE_FAILS, POSTGRES_FAILS).await;
    let due = json!({
        "host": forge.host(), "source": "HOST_AUTHENTICATION_TOKEN_SOURCE_OAUTH", "integrationId": integration,
        "token": "canary-first-value-4718", "refreshToken": "sealink-canary-refresh",
        "expiresAt": "2001-01-01T00:00:00Z",
    });
    let token = admin.store_token(&first.runner, &due).await;
    let renewals =
        || forge.requests().iter().filter(|one| one.body.contains("grant_type=refresh_token")).count();
    eventually("the forge is asked", || renewals() == 1).await;
    let pause = || tokio::time::sleep(Duration::from_millis(1_500));
    for tries in [2, 3] {
        pause().await;
        // A lease lasts longer than its call.
        server.database().execute("UPDATE live_call SET deadline = 1").await;
        server.database().execute(DUE_AGAIN).await;
        until("another try", server, TRIES, tries).await;
    }
    pause().await;
    assert_eq!((server.database().count(REFRESHED).await, renewals()), (0, 1));
    server.database().run("DROP TRIGGER fails", "DROP TRIGGER fails ON host_token").await;
    until("it arrives", server, REFRESHED, 1).await;
    assert_ne!(admin.get_token(&token).await.ok()["token"]["expiresAt"], "2001-01-01T00:00:00Z");
    assert_eq!(renewals(), 1);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_is_lost_on_sqlite() {
    let forge = FakeForge::start(Kind::Gitea).await;
    let server = TestServer::start_with(&[("scm.allowed_origins", &forge.origin)]).await;
    no_credential_is_lost(&server, &forge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn no_credential_is_lost_on_postgres() {
    let forge = FakeForge::start(Kind::Gitea).await;
    let server = TestServer::start_on_postgres_with(&[("scm.allowed_origins", &forge.origin)]).await;
    no_credential_is_lost(&server, &forge).await;
    server.stop().await;
}
