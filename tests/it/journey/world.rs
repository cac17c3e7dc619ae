//! `sealink serve`, `sealink agent run` and Gitea, each a process of its own.
use std::{
    fs::File,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Response;
use serde_json::{Value, json};
use url::Url;

use crate::{
    forges::{Browser, RealGitea, location},
    process::Process,
    shell::Shell,
    support::{Actor, Answer, Database},
};

const ADMIN: &str = "canary-journey-administrator-4711";
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const REPOSITORY: &str = "journey";

/// A server, a runner with an agent, and an OAuth app at Gitea that nobody has used yet.
pub(super) struct World {
    /// As the user who is to connect.
    pub(super) gitea: RealGitea,
    pub(super) server: Process,
    pub(super) agent: RunningAgent,
    pub(super) admin: Actor,
    pub(super) runner: String,
    pub(super) integration: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

/// `sealink agent run`. Dropping it kills it.
pub(super) struct RunningAgent {
    shell: Shell,
    child: Child,
}

impl RunningAgent {
    fn start(server: &str, origin: &str, exchange: &str) -> Self {
        let shell = Shell::new();
        std::fs::write(shell.path().join("once"), exchange).expect("writable");
        let command = |line: &str| -> Command {
            let mut command = shell.command(line);
            command.env("SEALINK_URL", server).env("SEALINK_ALLOW_ORIGIN", origin);
            command
        };
        let made = command("agent register --exchange-token-file once").output().expect("the binary runs");
        assert!(made.status.success(), "{made:?}");
        let log = File::create(shell.path().join("agent.log")).expect("a file");
        let child = command("agent run").stderr(log).stdout(Stdio::null()).spawn().expect("the binary runs");
        Self { shell, child }
    }

    /// Ends it without a word.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.shell.path().join("agent.log")).expect("a log")
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        self.kill();
    }
}

impl World {
    pub(super) async fn begin() -> Self {
        let gitea = RealGitea::connect().as_new_user("ada").await;
        let repository =
            json!({ "name": REPOSITORY, "private": true, "auto_init": true, "default_branch": "main" });
        gitea.post("user/repos", &repository).await;
        let branch = json!({ "new_branch_name": "feature/x", "old_branch_name": "main" });
        gitea.post(&format!("repos/ada/{REPOSITORY}/branches"), &branch).await;
        gitea.post("orgs", &json!({ "username": "ada-org" })).await;

        let origins = [("SEALINK_SCM_ALLOWED_ORIGINS", gitea.origin.as_str()), ("SEALINK_LOG", "trace")];
        let server = Process::start_quietly(ADMIN, &origins);
        let url = format!("http://{}", server.address);
        let admin = server.bearer(ADMIN);
        let (runner, exchange) = admin.create_runner().await;
        let agent = RunningAgent::start(&url, &gitea.origin, &exchange);
        let (client_id, client_secret) = gitea.application(&format!("{url}/oauth/callback")).await;
        let integration = String::new();
        let mut world = Self { gitea, server, agent, admin, runner, integration, client_id, client_secret };
        world.until_phase("RUNNER_PHASE_ACTIVE").await;
        let app = json!({
            "scmId": "gitea", "host": world.gitea.host(), "oauthClientId": world.client_id,
            "oauthPlaintextClientSecret": world.client_secret,
        });
        world.integration = world.admin.integrate(&world.runner, &app).await;
        world
    }

    pub(super) async fn until_phase(&self, phase: &str) {
        let begun = Instant::now();
        while self.admin.runner(&self.runner).await["status"]["phase"] != phase {
            assert!(begun.elapsed() < PATIENCE, "never {phase}; the agent says:\n{}", self.agent.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The server's database behind its back.
    pub(super) async fn database(&self) -> Database {
        Database::sqlite(&self.server.path("data/sealink.db")).await
    }

    /// The address of the repository in a browser.
    pub(super) fn repository(&self) -> String {
        format!("{}/ada/{REPOSITORY}", self.gitea.origin)
    }

    /// A live call about the runner, as the administrator.
    pub(super) async fn ask(&self, method: &str, body: Value) -> Answer {
        self.ask_as(&self.admin, method, body).await
    }

    pub(super) async fn ask_as(&self, actor: &Actor, method: &str, mut body: Value) -> Answer {
        body["runnerId"] = json!(self.runner);
        actor.call(&format!("RunnerService/{method}"), &body).await
    }

    /// `CheckAuthenticationForHost` at Gitea.
    pub(super) async fn check(&self) -> Value {
        self.ask("CheckAuthenticationForHost", json!({ "host": self.gitea.host() })).await.ok()
    }

    /// The host tokens there are.
    pub(super) async fn tokens(&self) -> Vec<Value> {
        let listed =
            self.admin.call("RunnerConfigurationService/ListHostAuthenticationTokens", &json!({})).await;
        listed.ok()["tokens"].as_array().cloned().unwrap_or_default()
    }

    /// From a fresh link over Sealink's page to Gitea's: the address there.
    pub(super) async fn to_forge(&self, browser: &mut Browser) -> Url {
        let sent = self.confirm(browser).await;
        assert_eq!(sent.status(), 303, "{}", sent.text().await.expect("text"));
        location(&sent)
    }

    /// Opens a fresh link and says yes on its page.
    pub(super) async fn confirm(&self, browser: &mut Browser) -> Response {
        let check = self.check().await;
        let link = check["supportsOauth2"]["authUrl"].as_str().expect("a link").to_owned();
        self.confirm_at(browser, &link).await
    }

    pub(super) async fn confirm_at(&self, browser: &mut Browser, link: &str) -> Response {
        let page = browser.get(link).await.text().await.expect("text");
        let form = page.split("name=\"form\" value=\"").nth(1).expect("a form").split('"').next();
        browser.submit(link, &[("form", form.expect("a value"))]).await
    }

    /// What Sealink shows at the address that Gitea sends the browser back to.
    pub(super) async fn come_back(&self, browser: &mut Browser, to: &Url) -> (u16, String) {
        let page = browser.get(to.as_str()).await;
        (page.status().as_u16(), page.text().await.expect("text"))
    }

    /// Changes the integration.
    pub(super) async fn update(&self, mut change: Value) {
        change["id"] = json!(self.integration);
        self.admin.call("RunnerConfigurationService/UpdateSCMIntegration", &change).await.ok();
    }
}
