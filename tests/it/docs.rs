//! The transcripts in the documentation, run word for word by bash against the real binary.
//!
//! In a fenced block marked `console`, or `console forge` for what needs one, a line after `$ ` is a command, lines indented by four spaces after it
//! continue it, and the rest is its output, in which `..` stands for anything. Replaced are only the port, by a free
//! one, cargo, which has built the binary already, and the forge, by a real Gitea.
use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{forges::RealGitea, support::Watch};

const BINARY: &str = env!("CARGO_BIN_EXE_sealink");
const DEADLINE: Duration = Duration::from_mins(2);
/// How most blocks begin.
const CONSOLE: &str = "```console";
/// One Gitea takes a key once, and other tests have other ones.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9g";
const MARK: &str = "@@ ended with ";

/// `cargo run --release -- serve` becomes the server, whose log stays out of the transcript.
const PREAMBLE: &str = r#"
trap 'jobs -p | xargs -r kill' EXIT
cargo() {
    if [ "$1" = build ]; then return; fi
    shift 3
    exec sealink "$@" 2>server.log
}
xdg-open() { "$TEST_BROWSER" "$1"; }
"#;

#[test]
fn the_readme_runs_word_for_word() {
    run("README.md", CONSOLE, None);
}

#[test]
fn the_quickstart_runs_word_for_word() {
    run("docs/quickstart.md", CONSOLE, None);
}

/// The browser is a real one, too: `tests/browser/connect.mjs` does in it what the document says.
#[tokio::test]
#[ignore = "needs TEST_BROWSER, which tests/browser/run sets, and TEST_GITEA_URL"]
async fn the_oauth_journey_runs_word_for_word() {
    assert!(env::var_os("TEST_BROWSER").is_some(), "TEST_BROWSER: run tests/browser/run");
    let gitea = RealGitea::connect().as_new_user("grace").await;
    run("docs/oauth.md", CONSOLE, Some(&gitea));
}

/// A person whom both documents are about, with a key and a repository.
#[tokio::test]
#[ignore = "needs TEST_GITEA_URL, which tests/forge/gitea sets"]
async fn a_key_is_imported_word_for_word() {
    let gitea = RealGitea::connect().as_new_user("lena").await;
    gitea.post("user/keys", &json!({ "title": "laptop", "key": KEY })).await;
    let repository = json!({ "name": "storefront", "auto_init": true, "default_branch": "main" });
    gitea.post("user/repos", &repository).await;
    let commands = run("README.md", "```console forge", Some(&gitea));
    assert_eq!(commands, 5, "the README promises as many");
    run("docs/accounts.md", CONSOLE, Some(&gitea));
}

#[test]
fn a_transcript_that_lies_is_noticed() {
    assert!(matches("{\"id\":\"..\"}", "{\"id\":\"0198\"}"));
    assert!(matches("..", ""));
    assert!(matches("..b..", "a\nb\nc"));
    assert!(matches(" ID  HOST", " ID       HOST\n"));
    assert!(!matches("", "warning: unexpected"));
    assert!(!matches("{\"id\":\"..\"}", "{\"code\":\"internal\"}"));
    assert!(!matches("a..b..c", "a c b"));
}

/// One command and what the document says it prints.
#[derive(Debug)]
struct Step {
    command: String,
    expected: String,
}

/// Runs what stands in the blocks with this fence; how many commands that were.
fn run(document: &str, fence: &str, forge: Option<&RealGitea>) -> usize {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).expect("the document");
    let port = free_port();
    let mut text = text.replace("7400", &port.to_string());
    if let Some(forge) = forge {
        text =
            text.replace("https://git.example.com", &forge.origin).replace("git.example.com", forge.host());
    }
    let steps = steps(&text, fence);
    assert!(steps.len() > 3, "{document} holds no transcript");

    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("transcript.sh"), script(&steps)).expect("the script is written");
    // On a terminal, curl shows no progress meter beside an answer.
    fs::write(directory.path().join(".curlrc"), "silent\nshow-error\n").expect("curl's settings");
    let output = fs::File::create(directory.path().join("output")).expect("the output file");
    let mut shell = Command::new("bash");
    if let Some(RealGitea { origin, user, password, .. }) = forge {
        let login = format!("machine 127.0.0.1 login {user} password {password}\n");
        fs::write(directory.path().join(".netrc"), login).expect("the login is written");
        shell
            .env("HOME", directory.path())
            .env("SEALINK_SCM_ALLOWED_ORIGINS", origin)
            .env("SEALINK_ALLOW_ORIGIN", origin)
            .env("TEST_GITEA_USER", user)
            .env("TEST_GITEA_PASSWORD", password);
    }
    let mut shell = shell
        .arg("transcript.sh")
        .current_dir(directory.path())
        .env("PATH", path())
        .env("CURL_HOME", directory.path())
        .env("SEALINK_LISTEN", format!("127.0.0.1:{port}"))
        .env("SEALINK_URL", format!("http://127.0.0.1:{port}"))
        .env_remove("SEALINK_TOKEN")
        .env_remove("SEALINK_ADMIN_TOKEN")
        .stdin(Stdio::null())
        .stdout(output.try_clone().expect("a second handle"))
        .stderr(output)
        .spawn()
        .expect("bash");
    let in_time = ended(&mut shell);
    let output = fs::read_to_string(directory.path().join("output")).expect("the output");
    let log = fs::read_to_string(directory.path().join("server.log")).unwrap_or_default();
    let watch = Watch::new();
    watch.said("the transcript", output.as_bytes());
    watch.end_in(directory.path());
    assert!(in_time, "{document} was not done in {DEADLINE:?}:\n{output}\nserver:\n{log}");
    compare(document, &steps, &output, &log);
    steps.len()
}

fn compare(document: &str, steps: &[Step], output: &str, log: &str) {
    let mut rest = output;
    for Step { command, expected } in steps {
        let (printed, after) =
            rest.split_once(MARK).unwrap_or_else(|| panic!("{document} stopped before {command}:\n{rest}"));
        let (status, after) = after.split_once('\n').unwrap_or((after, ""));
        assert_eq!(status, "0", "{document}: {command}\n{printed}\nserver:\n{log}");
        assert!(
            matches(expected, printed.trim()),
            "{document}: {command}\nprinted:\n{}\ninstead of:\n{expected}",
            printed.trim()
        );
        rest = after;
    }
}

fn steps(text: &str, fence: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut in_command) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == fence;
            in_command = false;
        } else if !inside {
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), expected: String::new() });
            in_command = true;
        } else if let Some(step) = steps.last_mut() {
            in_command &= line.starts_with("    ");
            let part = if in_command { &mut step.command } else { &mut step.expected };
            if !part.is_empty() {
                part.push('\n');
            }
            part.push_str(line);
        }
    }
    steps
}

fn script(steps: &[Step]) -> String {
    let mut script = PREAMBLE.to_owned();
    for Step { command, .. } in steps {
        script.push_str(command);
        script.push_str("\nprintf '\\n");
        script.push_str(MARK);
        script.push_str("%s\\n' $?\n");
    }
    script
}

/// Whether `printed` is `expected`, in which `..` stands for anything, also for several lines. White space does not
/// count: a document breaks long lines and narrows tables.
fn matches(expected: &str, printed: &str) -> bool {
    let [expected, printed] =
        [expected, printed].map(|text| text.split_whitespace().collect::<Vec<_>>().concat());
    let Some((first, after)) = expected.split_once("..") else {
        return expected == printed;
    };
    let Some(mut rest) = printed.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = after.split("..").collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(found) = rest.find(part) else {
            return false;
        };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

fn ended(shell: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        if shell.try_wait().expect("its state").is_some() {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    // Asked to end, the shell also ends the server it started.
    let asked = Command::new("kill").arg(shell.id().to_string()).status();
    assert!(asked.is_ok_and(|status| status.success()), "the shell could not be ended");
    shell.wait().expect("its end");
    false
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn path() -> std::ffi::OsString {
    let mut paths = vec![Path::new(BINARY).parent().expect("its directory").to_owned()];
    paths.extend(env::split_paths(&env::var_os("PATH").expect("PATH")));
    env::join_paths(paths).expect("a PATH")
}
