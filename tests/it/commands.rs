//! Every command against a running server.
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    process::{Child, Stdio},
    thread::{self, JoinHandle},
};

use serde_json::Value;

use crate::shell::{Ended, Shell};

/// A server in the shell's directory, so that the admin token is found there.
pub(crate) struct Site {
    pub(crate) shell: Shell,
    url: String,
    server: Child,
    log: Option<JoinHandle<Vec<u8>>>,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with these settings, as the environment spells them.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let shell = Shell::new();
        let mut server = shell
            .command("serve --listen 127.0.0.1:0")
            .env("SEALINK_LOG", "trace")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut log = BufReader::new(server.stderr.take().expect("piped"));
        let url = loop {
            let mut line = String::new();
            assert!(log.read_line(&mut line).expect("text") > 0, "the server does not say where it listens");
            shell.watch.said("the server's log", line.as_bytes());
            if let Some((_, url)) = line.split_once("listening on ") {
                break url.trim().to_owned();
            }
        };
        // Whatever else it logs must not block it.
        let log = thread::spawn(move || {
            let mut rest = Vec::new();
            log.read_to_end(&mut rest).expect("readable");
            rest
        });
        Self { shell, url, server, log: Some(log) }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        self.shell.run(&format!("{line} --server {}", self.url))
    }

    /// What a command that works prints.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, 0, "{line}: {ended:?}");
        ended.stdout.trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{line} --json"))).expect("JSON")
    }

    /// A file; what says of itself that it is one is a secret.
    pub(crate) fn write(&self, name: &str, content: &str) {
        if content.contains("canary") {
            self.shell.watch.keep_secret(name, content.trim().as_bytes());
        }
        fs::write(self.shell.path().join(name), content).expect("writable");
    }

    /// A runner whose agent has registered; answers its id.
    fn runner(&self) -> String {
        let runner = self.ok("runner create build-1 --exchange-token-file once");
        let done = self.json("agent register --exchange-token-file once");
        assert_eq!(
            (done["runnerId"].as_str(), done["state"].as_str()),
            (Some(runner.as_str()), Some("ACTIVE"))
        );
        runner
    }

    /// An integration with the secret `canary-secret-1`; answers its id.
    fn integration(&self, runner: &str) -> String {
        self.write("secret", "canary-secret-1\n");
        self.ok(&format!(
            "integration create --runner {runner} --scm github --host github.com --client-id c-1 \
             --client-secret-file secret"
        ))
    }

    /// What the agent makes of the only integration.
    fn opened(&self) -> (Ended, Value) {
        let ended = self.run("agent fetch --json --reveal");
        let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
        let integration = value["integrations"][0].clone();
        (ended, integration)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
        if let Some(Ok(log)) = self.log.take().map(JoinHandle::join) {
            self.shell.watch.said("the server's log", &log);
        }
    }
}

/// A token that nobody has used yet may be in it.
#[test]
fn files_that_are_there_are_not_overwritten() {
    let site = Site::start();
    site.write("mine", "precious");
    for line in ["runner create build-1 --exchange-token-file mine", "token create --output mine"] {
        let ended = site.run(line);
        ended.failed(ended.code, &["cannot write mine", "it exists already"]);
        assert_ne!(ended.code, 0, "{line}");
    }
    assert_eq!(fs::read_to_string(site.shell.path().join("mine")).unwrap(), "precious");
    assert_eq!(site.json("runner list"), serde_json::json!([]), "nothing was made whose token is lost");
    assert_eq!(site.json("token list").as_array().map(Vec::len), Some(1));
}

#[test]
fn runners_are_made_listed_shown_and_deleted() {
    let site = Site::start();
    let runner = site.ok("runner create build-1 --exchange-token-file once --region eu-1");
    let mode = fs::metadata(site.shell.path().join("once")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let shown = site.ok(&format!("runner show {runner}"));
    for word in [runner.as_str(), "build-1", "remote", "CREATED", "eu-1", "just now"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(site.ok("runner list").contains(&runner));
    assert_eq!(site.json("runner list --provider gcp"), serde_json::json!([]));
    let labelled = site.ok("runner create build-2 --provider gcp");
    assert!(labelled.contains("exchange token") && labelled.contains("sealink_exc_"), "{labelled}");
    assert_eq!(site.json("runner list --provider gcp")[0]["name"], "build-2");
    site.ok(&format!("runner delete {runner}"));
    site.run(&format!("runner show {runner}")).failed(1, &["runner not found: `sealink runner list` shows"]);
    site.run("runner show nonsense").failed(64, &["the runner's id", "UUID"]);
}

#[test]
fn the_audit_log_is_listed_verified_and_exported() {
    let site = Site::start();
    let runner = site.ok("runner create build-1 --exchange-token-file once");
    assert!(site.ok(&format!("audit list --object {runner} --since 1h")).contains("runner.create"));
    assert_eq!(site.json("audit list --action user.*"), serde_json::json!([]));
    assert_eq!(site.json("audit list --limit 1").as_array().unwrap().len(), 1);
    let count = site.json("audit list").as_array().unwrap().len();
    let head = (0..600)
        .find_map(|_| {
            thread::sleep(std::time::Duration::from_millis(50));
            Some(site.ok("audit head")).filter(|head| head.starts_with(&format!("{count}:")))
        })
        .expect("chained");
    assert_eq!(site.ok(&format!("audit verify --expect-head {head}")), head);
    let other = format!("1:{}", "0".repeat(64));
    site.run(&format!("audit verify --expect-head {other}")).failed(1, &["tampered with", "entry 1"]);
    let nonsense = site.run("audit verify --expect-head nonsense");
    assert!(nonsense.code == 64 && nonsense.stderr.contains("COUNT:MAC"), "{nonsense:?}");
    let exported = site.ok("audit export");
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), count);
    let last = lines.last().unwrap();
    assert_eq!((&last["sequence"], &last["details"]["name"]), (&count.into(), &"build-1".into()));
    assert_eq!(site.ok(&format!("audit export --after {count}")), "");
}

#[test]
fn a_secret_goes_in_by_the_command_line_and_out_by_the_agent() {
    let site = Site::start();
    let runner = site.runner();
    let id = site.integration(&runner);
    let shown = site.ok(&format!("integration show {id}"));
    assert!(shown.contains("c-1") && shown.contains("sealed, "), "{shown}");
    assert!(site.ok(&format!("integration list --runner {runner}")).contains("github.com"));
    let (ended, integration) = site.opened();
    assert_eq!(
        (ended.code, integration["clientSecret"].as_str()),
        (0, Some("canary-secret-1")),
        "{integration}"
    );

    site.run(&format!("integration update {id} --client-id c-2"))
        .failed(1, &["--client-secret-file must be set"]);
    site.write("secret", "canary-secret-2");
    site.ok(&format!("integration update {id} --client-id c-2 --client-secret-file secret --pat"));
    let integration = site.opened().1;
    assert_eq!(integration["clientSecret"], "canary-secret-2");
    assert_eq!((integration["clientId"].as_str(), integration["pat"].as_bool()), (Some("c-2"), Some(true)));

    site.ok(&format!("integration update {id} --no-oauth"));
    let integration = site.opened().1;
    assert_eq!((integration.get("secretState"), integration.get("clientId")), (None, None));
    site.ok(&format!("integration delete {id}"));
    site.run(&format!("integration delete {id}")).failed(1, &["SCM integration not found"]);
}

#[test]
fn a_later_key_waits_for_approval_and_a_revoked_one_wipes() {
    let site = Site::start();
    let runner = site.runner();
    let id = site.integration(&runner);
    let first = site.json(&format!("runner key list {runner}"))[0].clone();
    fs::rename(site.shell.path().join("sealink-agent/keys"), site.shell.path().join("lost")).unwrap();
    site.run("agent fetch").failed(1, &["ACTIVE", first["fingerprint"].as_str().unwrap()]);

    let second = site.json("agent register");
    assert_eq!(second["state"], "PENDING");
    let kid = second["kid"].as_str().unwrap();
    let asked = site.run(&format!("runner key approve {kid}"));
    assert_eq!(asked.code, 1, "{asked:?}");
    for fingerprint in [&first["fingerprint"], &second["fingerprint"]] {
        assert!(asked.stderr.contains(fingerprint.as_str().unwrap()), "{asked:?}");
    }
    assert!(site.ok(&format!("runner key approve {kid} --yes")).contains("ACTIVE"));
    let (ended, integration) = site.opened();
    assert_eq!(
        (ended.code, integration["secretState"].as_str()),
        (1, Some("UNDECRYPTABLE")),
        "{integration}"
    );

    let revoke = ["runner", "key", "revoke", first["kid"].as_str().unwrap(), "--reason", "disk lost"];
    let revoked = site.shell.command("").args(revoke).args(["--server", &site.url]).output().unwrap();
    let Ended { code, stderr: said, .. } = site.shell.ended("runner key revoke", revoked);
    assert!(code == 0 && said.contains("1 sealed secret wiped"), "{said}");
    assert_eq!(site.opened().1["secretState"], "MISSING");
    site.write("secret", "canary-secret-3");
    site.ok(&format!("integration update {id} --client-secret-file secret"));
    assert_eq!(site.opened().1["clientSecret"], "canary-secret-3");
}

#[test]
fn an_agent_rotates_its_own_key() {
    let site = Site::start();
    let runner = site.runner();
    site.integration(&runner);
    let made = site.shell.run("agent keygen --bits 2048 --json");
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let done = site.json(&format!("agent register --key {}", made["kid"].as_str().unwrap()));
    assert_eq!(done["state"], "ACTIVE");
    let keys = site.json(&format!("runner key list {runner}"));
    let states: Vec<_> = keys.as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["KEY_STATE_ACTIVE", "KEY_STATE_RETIRING"]);
    // The old private key is still there for what was sealed with it.
    assert_eq!(site.opened().1["clientSecret"], "canary-secret-1");
}

#[test]
fn users_and_tokens_are_made_and_taken_away() {
    let site = Site::start();
    let user = site.json("user create alice --email alice@example.com --role member");
    let id = user["id"].as_str().unwrap();
    assert!(site.ok("user list").contains("alice@example.com"));
    let token = site.json(&format!("token create --user {id} --read-only --expires-in 36h --output alice"));
    assert!(!token.to_string().contains("sealink_pat_"));
    let mode = fs::metadata(site.shell.path().join("alice")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(site.ok(&format!("token list --user {id}")).contains("expires in 1 day"));
    assert_eq!(site.json("runner list --token-file alice"), serde_json::json!([]));
    assert_eq!(site.run("runner create build-1 --token-file alice").code, 77);
    let token_id = token["apiToken"]["id"].as_str().unwrap();
    site.ok(&format!("token revoke {token_id}"));
    site.run("runner list --token-file alice").failed(77, &["alice"]);

    site.ok(&format!("token create --user {id} --output again"));
    site.ok("runner list --token-file again");
    assert!(site.ok(&format!("user disable {id}")).contains("disabled"));
    site.run("runner list --token-file again").failed(77, &["again"]);
}

#[test]
fn a_list_of_more_than_one_page_is_complete() {
    let site = Site::start();
    let runner = site.ok("runner create build-1 --exchange-token-file once");
    for host in 0..101 {
        site.ok(&format!(
            "integration create --runner {runner} --scm gitlab --host h{host}.example.com --pat"
        ));
    }
    let listed = site.json(&format!("integration list --runner {runner}"));
    let mut hosts: Vec<_> =
        listed.as_array().unwrap().iter().map(|found| found["host"].as_str().unwrap()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(hosts.len(), 101);
}

#[test]
fn environment_classes_are_offered_listed_changed_and_disabled() {
    let site = Site::start();
    let runner = site.ok("runner create build-1 --exchange-token-file once");
    let create = format!("environment-class create --runner {runner} --name Large --description Eight-cores");
    let id = site.ok(&format!("{create} --set machineType=m6i --set diskSizeGb=100"));
    let listed = site.ok(&format!("environment-class list --runner {runner} --enabled"));
    assert!(listed.contains("Large") && listed.contains("machineType=m6i diskSizeGb=100"), "{listed}");
    assert_eq!(site.json("environment-class list --disabled"), serde_json::json!([]));
    site.ok(&format!("environment-class update {id} --disable --name Larger"));
    let shown = site.ok(&format!("environment-class show {id}"));
    assert!(shown.contains("Larger") && shown.contains("disabled"), "{shown}");
    site.run(&format!("environment-class update {id}")).failed(64, &["nothing to change"]);
    site.run(&format!("environment-class show {runner}")).failed(1, &["sealink environment-class list"]);
    assert_eq!(site.run(&format!("{create} --set machineType")).code, 64);

    let schema = site.ok(&format!("runner schema {runner}"));
    assert!(schema.contains("azuredevops_server") && schema.contains("no OAuth"), "{schema}");
    let schema = site.json(&format!("runner schema {runner}"));
    assert_eq!(schema["scm"][0]["scmId"], "github");
}

#[test]
fn groups_and_service_accounts_are_made_filled_and_taken_away() {
    let site = Site::start();
    let account = site.json("service-account create ci --description builds");
    let account = account["id"].as_str().unwrap();
    assert!(site.ok("service-account list").contains("builds"));
    let token = site.json(&format!("token create --service-account {account} --output ci"));
    assert_eq!(token["apiToken"]["kind"], "TOKEN_KIND_SERVICE_ACCOUNT");
    assert!(site.ok(&format!("token list --service-account {account}")).contains("valid until revoked"));
    assert!(fs::read_to_string(site.shell.path().join("ci")).unwrap().starts_with("sealink_sat_"));
    assert_eq!(site.json("runner list --token-file ci"), serde_json::json!([]));

    let group = site.json("group create platform --description runs-the-runners");
    let group = group["id"].as_str().unwrap();
    site.ok(&format!("group member add {group} --service-account {account}"));
    let user = site.json("user create alice --email alice@example.com");
    let user = user["id"].as_str().unwrap();
    site.ok(&format!("group member add {group} --user {user}"));
    let members = site.ok(&format!("group member list {group}"));
    assert!(members.contains("service-account") && members.contains("alice"), "{members}");
    site.ok(&format!("group member remove {group} --user {user}"));
    site.run(&format!("group member remove {group} --user {user}")).failed(1, &["sealink group member list"]);
    site.ok(&format!("group update {group} --name platform-team"));
    let shown = site.json("group show --name platform-team");
    assert_eq!(
        (shown["memberCount"].as_i64(), shown["description"].as_str()),
        (Some(1), Some("runs-the-runners"))
    );
    assert!(site.ok("group list --search PLAT").contains("platform-team"));
    site.ok(&format!("group delete {group}"));
    site.run(&format!("group show {group}")).failed(1, &["sealink group list"]);

    assert!(site.ok(&format!("service-account disable {account}")).contains("disabled"));
    site.run("runner list --token-file ci").failed(77, &["ci"]);
}

#[test]
fn policies_give_groups_roles_on_runners() {
    let site = Site::start();
    let runner = site.ok("runner create build-1 --exchange-token-file once");
    let group = site.json("group create platform")["id"].as_str().unwrap().to_owned();
    let user = site.json("user create alice --email alice@example.com");
    let user = user["id"].as_str().unwrap();
    site.ok(&format!("token create --user {user} --output alice"));
    site.ok(&format!("group member add {group} --user {user}"));
    site.run(&format!("runner show {runner} --token-file alice"))
        .failed(77, &["you may not use this runner"]);
    site.ok(&format!("runner policy create {runner} {group} --role user"));
    assert!(site.ok(&format!("runner policy list {runner}")).contains("user"));
    assert!(site.ok("runner list --token-file alice").contains("build-1"));
    site.run(&format!("runner delete {runner} --token-file alice")).failed(77, &["ask its creator"]);
    site.ok(&format!("runner policy update {runner} {group} --role admin"));
    site.ok(&format!("runner policy list {runner} --token-file alice"));
    site.ok(&format!("runner policy delete {runner} {group}"));
    assert_eq!(site.json(&format!("runner policy list {runner}")), serde_json::json!([]));
    site.run(&format!("runner policy delete {runner} {group}")).failed(1, &["sealink runner policy list"]);
}
