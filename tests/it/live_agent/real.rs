//! The real server, a live agent, and a fake forge behind it.
use std::{fs, path::PathBuf};

use sealink::{
    agent::{
        dir::AgentDir,
        keys::KeyDir,
        log::LogTail,
        register,
        run::{self, Options},
    },
    client::{Server, Token},
    error::Result,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

use super::machine::eventually;
use crate::{
    forges::{CLIENT_ID, CLIENT_SECRET, FakeForge, Kind, TOKEN, allowed},
    support::{Actor, TestServer},
};

const PAT: &str = "HOST_AUTHENTICATION_TOKEN_SOURCE_PAT";

/// `sealink agent run` without the process, registered and ACTIVE; it may reach one forge.
pub(crate) struct RealAgent {
    pub(crate) runner: String,
    origin: String,
    keys: KeyDir,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<()>>,
    machine: TempDir,
}

impl RealAgent {
    /// An agent of a new runner of `admin`'s at `server`, allowed to reach `origin`.
    pub(crate) async fn start(server: &TestServer, admin: &Actor, origin: &str) -> Self {
        let (runner, exchange) = admin.create_runner().await;
        let machine = memory();
        let dir = AgentDir::create(&machine.path().join("agent")).unwrap();
        let keys = KeyDir::new(&machine.path().join("keys"));
        keys.generate(2_048).unwrap();
        let address = Server::parse(&format!("http://{}", server.address)).unwrap();
        let token = Token::parse("test", &exchange).unwrap();
        let session = register::sign_in(&dir, Some(address), Some(token)).await.unwrap();
        register::register(&session, &keys, None, |_| {}).await.unwrap();
        let agent = Self::run(runner, machine, keys, origin.to_owned());
        let mut phase = json!(null);
        for _ in 0..1_000 {
            phase = admin.runner(&agent.runner).await["status"]["phase"].clone();
            if phase == "RUNNER_PHASE_ACTIVE" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(phase, "RUNNER_PHASE_ACTIVE");
        agent
    }

    /// Another agent of its runner: a directory of its own, the same keys.
    pub(super) fn twin(&self) -> Self {
        let state = AgentDir::open(&self.path("agent")).unwrap().state().unwrap().unwrap();
        let machine = memory();
        AgentDir::create(&machine.path().join("agent")).unwrap().save(&state).unwrap();
        Self::run(self.runner.clone(), machine, self.keys.clone(), self.origin.clone())
    }

    fn run(runner: String, machine: TempDir, keys: KeyDir, origin: String) -> Self {
        let options = Options {
            server: None,
            agent_dir: machine.path().join("agent"),
            key_dir: keys.clone(),
            secrets_dir: Some(machine.path().join("secrets")),
            allow_disk: false,
            on_change: None,
            status_listen: None,
            allowed_origins: allowed(&origin),
            ca_file: None,
            schema: None,
            log: LogTail::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(run::run(options, |_, _| {}, async {
            let _ = stopped.await;
        }));
        Self { runner, origin, keys, stop, done, machine }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.machine.path().join(name)
    }

    /// Stops it as SIGTERM does.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.done.await.unwrap().unwrap();
    }
}

/// In memory, as secrets must be.
fn memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_gets_its_answers_and_the_agent_its_secrets() {
    let forge = FakeForge::start(Kind::GitHub).await;
    let (origin, host) = (forge.origin.clone(), forge.host());
    let server = TestServer::start_with(&[("scm.allowed_origins", &origin)]).await;
    let admin = server.admin();
    let agent = RealAgent::start(&server, &admin, &origin).await;
    let runner = agent.runner.clone();

    let over = json!({
        "host": host, "pat": true, "oauthClientId": CLIENT_ID, "oauthPlaintextClientSecret": CLIENT_SECRET,
    });
    let integration = admin.integrate(&runner, &over).await;
    let secret = agent.path("secrets").join(&integration).join("client_secret");
    eventually("the secret is there", || fs::read_to_string(&secret).ok().as_deref() == Some(CLIENT_SECRET))
        .await;

    let url = format!("{origin}/octo/hello/tree/feature/x/src");
    let parse = json!({ "runnerId": runner, "contextUrl": url });
    let refused = admin.call("RunnerService/ParseContextURL", &parse).await;
    assert!(refused.message().contains("authentication"), "{}", refused.message());
    let check = json!({ "runnerId": runner, "host": host });
    let checked = admin.call("RunnerService/CheckAuthenticationForHost", &check).await.ok();
    assert_ne!(checked["authenticated"], true);
    assert_eq!((&checked["scmId"], &checked["scmName"]), (&json!("github"), &json!("GitHub")));
    assert!(checked["supportsPat"]["createUrl"].as_str().unwrap().starts_with(&origin), "{checked}");

    let token = json!({ "host": host, "token": TOKEN, "source": PAT });
    admin.try_store_token(&runner, &token).await.ok();

    let parsed = admin.call("RunnerService/ParseContextURL", &parse).await.ok();
    assert_eq!((&parsed["git"]["branch"], &parsed["scmId"]), (&json!("feature/x"), &json!("github")));
    let access = json!({ "runnerId": runner, "repositoryUrl": format!("{origin}/octo/hello") });
    assert_eq!(admin.call("RunnerService/CheckRepositoryAccess", &access).await.ok()["hasAccess"], true);
    let search = json!({ "runnerId": runner, "searchString": "hello" });
    let found = admin.call("RunnerService/SearchRepositories", &search).await.ok();
    assert_eq!(found["repositories"][0]["name"], "octo/hello");
    let organizations = json!({ "runnerId": runner, "scmHost": host });
    let found = admin.call("RunnerService/ListSCMOrganizations", &organizations).await.ok();
    assert_eq!(found["organizations"][0]["name"], "octo-org");
    let checked = admin.call("RunnerService/CheckAuthenticationForHost", &check).await.ok();
    assert_eq!((&checked["authenticated"], &checked["scmName"]), (&json!(true), &json!("GitHub")));

    for (text, valid) in [(CLIENT_SECRET, true), ("sealink-canary-wrong", false)] {
        let asked = json!({ "runnerId": runner, "scmIntegration": {
            "scmId": "github", "host": host, "oauthClientId": CLIENT_ID, "oauthPlaintextClientSecret": text,
        } });
        let answer = admin.call("RunnerConfigurationService/ValidateRunnerConfiguration", &asked).await.ok();
        let verdict = &answer["scmIntegration"];
        assert_eq!(verdict["valid"].as_bool().unwrap_or_default(), valid, "{answer}");
        assert_eq!(verdict["oauthError"].is_string(), !valid, "{answer}");
    }

    admin.delete_integration(&integration).await.ok();
    eventually("the secret is gone", || !secret.exists()).await;
    agent.stop().await;
    server.stop().await;
}
