//! Secrets on the agent's machine: in a directory in memory, and to a command.
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use sealink::{
    domain::scm::Scm,
    error::Kind,
    pb::sealink::v1::{ConfiguredIntegration, SecretState},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    desk::{integration, llm_integration},
    machine::{Machine, eventually},
};
use crate::forges::CLIENT_SECRET;

const ID: Uuid = Uuid::from_u128(10);

fn github(machine: &Machine) -> ConfiguredIntegration {
    integration(&machine.key, ID, Scm::GitHub, "github.com")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_come_change_and_go_with_their_integration_and_the_agent() {
    let machine = Machine::new().await;
    machine.live.world().integrate(github(&machine));
    let with_secrets = || {
        let mut options = machine.options();
        options.secrets_dir = Some(machine.path("secrets"));
        options
    };
    let (secret, config) = (format!("secrets/{ID}/client_secret"), format!("secrets/{ID}/config.json"));
    let agent = machine.start(with_secrets());
    machine.saved_revision(2).await;
    assert_eq!(machine.read(&secret).as_deref(), Some(CLIENT_SECRET));
    let text = machine.read(&config).unwrap();
    let settings: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (settings["host"].as_str(), settings["secretState"].as_str()),
        (Some("github.com"), Some("OK"))
    );
    assert!(!text.contains(CLIENT_SECRET), "the settings hold no secret");
    for file in [&secret, &config] {
        assert_eq!(mode(&machine.path(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&machine.path("secrets")), 0o700);
    // What is not ours stays.
    fs::write(machine.path("secrets/notes"), "mine").unwrap();

    // A revoked key: the ciphertext is empty, and so is the place of the secret.
    let mut wiped = github(&machine);
    wiped.encrypted_client_secret.clear();
    wiped.set_secret_state(SecretState::Missing);
    machine.live.world().integrate(wiped);
    machine.saved_revision(3).await;
    assert_eq!(machine.read(&secret), None);
    assert!(machine.read(&config).unwrap().contains("MISSING"));

    machine.live.world().integrate(github(&machine));
    machine.saved_revision(4).await;
    assert_eq!(machine.read(&secret).as_deref(), Some(CLIENT_SECRET));
    machine.live.world().delete(&ID.to_string());
    machine.saved_revision(5).await;
    assert!(!machine.path(&format!("secrets/{ID}")).exists());

    machine.live.world().integrate(github(&machine));
    machine.saved_revision(6).await;
    agent.stop().await;
    assert!(!machine.path(&format!("secrets/{ID}")).exists(), "an agent that ends leaves no secret");
    assert_eq!(machine.read("secrets/notes").as_deref(), Some("mine"));
}

/// The same for LLM integrations: API key and headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_llm_integrations_come_change_and_go() {
    const KEY: &str = "canary-api-key-4711";
    const HEADER: &str = "canary-header-4712";
    let machine = Machine::new().await;
    let llm = || llm_integration(&machine.key, ID, (KEY, HEADER));
    machine.live.world().integrate_llm(llm());
    let seen = machine.path("seen");
    let mut options = machine.options();
    options.secrets_dir = Some(machine.path("secrets"));
    options.on_change = Some(format!(
        "echo \"$SEALINK_EVENT $SEALINK_INTEGRATION_ID $SEALINK_LLM_INTEGRATION_ID\" >> {seen}; cat >> {seen}; \
         echo >> {seen}; env >> {seen}.env",
        seen = seen.display()
    ));
    let [key, headers, config] =
        ["api_key", "headers.json", "config.json"].map(|file| format!("secrets/{ID}/{file}"));
    let agent = machine.start(options);
    machine.saved_revision(2).await;
    assert_eq!(machine.read(&key).as_deref(), Some(KEY));
    let found: Value = serde_json::from_str(&machine.read(&headers).unwrap()).unwrap();
    let header = json!([{ "name": "x-team", "type": "LITERAL", "secretState": "OK", "value": HEADER }]);
    assert_eq!(found, header);
    let text = machine.read(&config).unwrap();
    let settings: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&settings["endpoint"], &settings["models"], &settings["secretState"]),
        (&json!("https://llm.example.com/v1"), &json!(["SONNET_4_5"]), &json!("OK"))
    );
    assert!(!text.contains("canary"), "the settings hold no secret: {text}");
    for file in [&key, &headers, &config] {
        assert_eq!(mode(&machine.path(file)), 0o600, "{file}");
    }

    // A revoked key: ciphertexts are empty, and so are the places of the secrets.
    let mut wiped = llm();
    let found = wiped.integration.as_mut().unwrap();
    found.encrypted_api_key.clear();
    found.request_headers[0].value.clear();
    machine.live.world().integrate_llm(wiped);
    machine.saved_revision(3).await;
    assert_eq!(machine.read(&key), None);
    let text = machine.read(&headers).unwrap();
    assert!(text.contains("MISSING") && !text.contains(HEADER), "{text}");
    machine.live.world().delete_llm(&ID.to_string());
    machine.saved_revision(4).await;
    assert!(!machine.path(&format!("secrets/{ID}")).exists());
    machine.live.world().integrate_llm(llm());
    machine.saved_revision(5).await;
    agent.stop().await;
    assert!(!machine.path(&format!("secrets/{ID}")).exists(), "an agent that ends leaves no secret");

    let text = machine.read("seen").unwrap();
    let lines: Vec<_> = text.lines().collect();
    let (put, deleted) = (format!("put  {ID}"), format!("deleted  {ID}"));
    assert_eq!([lines[0], lines[2], lines[4], lines[6]], ["snapshot  ", &put, &deleted, &put]);
    let objects: Vec<Value> = [1, 3, 5, 7].map(|at| serde_json::from_str(lines[at]).unwrap()).to_vec();
    assert_eq!(objects[0]["llmIntegrations"][0]["apiKey"], KEY);
    assert_eq!((&objects[1]["secretState"], objects[1].get("apiKey")), (&json!("MISSING"), None));
    assert_eq!(objects[2]["llmIntegrationId"], ID.to_string());
    assert_eq!((&objects[3]["apiKey"], &objects[3]["headers"]), (&json!(KEY), &header));
    assert!(!machine.read("seen.env").unwrap().contains("canary"), "no secret in the environment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_server_it_delivers_what_was_saved_and_says_how_old_it_is() {
    let mut machine = Machine::new().await;
    machine.live.world().integrate(github(&machine));
    let agent = machine.start(machine.options());
    machine.saved_revision(2).await;
    agent.stop().await;
    machine.live.vanish().await;

    let page: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut options = machine.options();
    options.secrets_dir = Some(machine.path("secrets"));
    options.status_listen = Some(page);
    let agent = machine.start(options);
    let secret = format!("secrets/{ID}/client_secret");
    eventually("the secret is there", || machine.read(&secret).as_deref() == Some(CLIENT_SECRET)).await;
    eventually("the page answers", || get(page, "/readyz").is_some_and(|text| text.contains("200 OK"))).await;
    assert!(get(page, "/livez").unwrap().contains("200 OK"));
    let metrics = get(page, "/metrics").unwrap();
    assert!(metrics.contains("sealink_agent_revision 2\n") && metrics.contains("sealink_agent_watching 0\n"));
    assert!(metrics.contains("sealink_agent_configuration_age_seconds "), "{metrics}");
    assert!(get(page, "/secret").unwrap().contains("404"));

    machine.live.come_back().await;
    machine.live.world().delete(&ID.to_string());
    machine.saved_revision(3).await;
    assert_eq!(machine.read(&secret), None);
    eventually("it watches", || get(page, "/metrics").unwrap().contains("sealink_agent_watching 1\n")).await;
    agent.stop().await;
}

/// What a status page answers.
pub(super) fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_refused_unless_accepted() {
    let machine = Machine::new().await;
    // The build's own directory: never in memory.
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = disk.path().join("secrets");
    let mut options = machine.options();
    options.secrets_dir = Some(path.clone());
    let error = machine.start(options).fails().await;
    assert_eq!(error.kind(), Kind::Precondition);
    assert!(error.message().contains("tmpfs") && error.message().contains("--allow-disk"), "{error}");
    let mut options = machine.options();
    options.secrets_dir = Some(path.clone());
    options.allow_disk = true;
    machine.live.world().integrate(github(&machine));
    let agent = machine.start(options);
    machine.saved_revision(2).await;
    assert_eq!(fs::read_to_string(path.join(format!("{ID}/client_secret"))).unwrap(), CLIENT_SECRET);
    agent.stop().await;

    let open = machine.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = machine.options();
    options.secrets_dir = Some(open);
    assert!(machine.start(options).fails().await.message().contains("chmod 700"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_page_is_for_this_machine() {
    let machine = Machine::new().await;
    let mut options = machine.options();
    options.status_listen = Some(([0, 0, 0, 0], 0).into());
    assert_eq!(machine.start(options).fails().await.kind(), Kind::Invalid);
}

/// Each revision once, in order, the secret on stdin alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_for_each_revision() {
    let machine = Machine::new().await;
    machine.live.world().integrate(github(&machine));
    let seen = machine.path("seen");
    let mut options = machine.options();
    options.on_change = Some(format!(
        "echo \"$SEALINK_EVENT $SEALINK_INTEGRATION_ID $SEALINK_REVISION\" >> {seen}; cat >> {seen}; echo >> {seen}; \
         env >> {seen}.env; tr '\\0' ' ' < /proc/$$/cmdline >> {seen}.env",
        seen = seen.display()
    ));
    let agent = machine.start(options);
    machine.saved_revision(2).await;
    let second = integration(&machine.key, Uuid::from_u128(11), Scm::GitLab, "gitlab.com");
    machine.live.world().integrate(second);
    machine.live.world().delete(&ID.to_string());
    machine.saved_revision(4).await;
    agent.stop().await;
    let text = machine.read("seen").unwrap();
    let lines: Vec<_> = text.lines().collect();
    let other = Uuid::from_u128(11);
    assert_eq!(
        [lines[0], lines[2], lines[4]],
        ["snapshot  2", &format!("put {other} 3"), &format!("deleted {ID} 4"),]
    );
    assert_eq!(lines.len(), 6, "once for each: {text}");
    let objects: Vec<Value> = [1, 3, 5].map(|at| serde_json::from_str(lines[at]).unwrap()).to_vec();
    assert_eq!(objects[0]["integrations"][0]["clientSecret"], CLIENT_SECRET);
    assert_eq!(
        (&objects[1]["clientSecret"], &objects[1]["host"]),
        (&CLIENT_SECRET.into(), &"gitlab.com".into())
    );
    assert_eq!(objects[2]["id"], ID.to_string());
    let env = machine.read("seen.env").unwrap();
    assert!(
        env.contains("SEALINK_REVISION=3") && !env.contains("canary"),
        "no secret in arguments or environment"
    );
}

/// A revision is saved only after the command took it: whatever happens, it is not lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_is_run_again_and_says_so() {
    let machine = Machine::new().await;
    machine.live.world().integrate(github(&machine));
    let with_command = || {
        let mut options = machine.options();
        options.on_change = Some(format!(
            "echo $SEALINK_REVISION >> {}; test -e {}",
            machine.path("tries").display(),
            machine.path("works").display()
        ));
        options
    };
    let tries = || machine.read("tries").unwrap_or_default();
    let agent = machine.start(with_command());
    eventually("it was tried twice", || tries().lines().count() >= 2).await;
    assert!(machine.saved().is_none(), "nothing is saved yet");
    let degraded = |wanted: fn(&str) -> bool| {
        let world = machine.live.world();
        world
            .statuses
            .last()
            .and_then(|last| last.degradation_message.clone())
            .is_some_and(|said| wanted(&said))
    };
    eventually("it is DEGRADED", || degraded(|said| said.contains("--on-change ended with 1"))).await;
    agent.stop().await;

    // After a restart it is tried again, and once it works all is well.
    fs::write(machine.path("works"), "").unwrap();
    let before = tries().lines().count();
    let agent = machine.start(with_command());
    machine.saved_revision(2).await;
    assert_eq!(tries().lines().count(), before + 1);
    eventually("all is well", || degraded(str::is_empty)).await;
    agent.stop().await;
}

/// The process: ready, told to stop, and gone without a trace of a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_stops_cleanly_on_sigterm() {
    let machine = Machine::new().await;
    machine.live.world().integrate(github(&machine));
    let secret = format!("secrets/{ID}/client_secret");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sealink"))
        .args(["agent", "run", "--agent-dir", "agent", "--key-dir", "keys", "--secrets-dir", "secrets"])
        .args(["--log", "trace"])
        .current_dir(machine.path("."))
        .stderr(Stdio::from(fs::File::create(machine.path("stderr")).unwrap()))
        .spawn()
        .unwrap();
    eventually("the secret is there", || machine.read(&secret).as_deref() == Some(CLIENT_SECRET)).await;
    eventually("it says so", || machine.read("stderr").unwrap().contains(" is running")).await;
    let told = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(told.success());
    let ended = tokio::task::spawn_blocking(move || child.wait()).await.unwrap().unwrap();
    let log = machine.read("stderr").unwrap();
    assert_eq!(ended.code(), Some(0), "{log}");
    assert!(!machine.path(&format!("secrets/{ID}")).exists());
    assert!(!log.contains("canary"), "{log}");
}
