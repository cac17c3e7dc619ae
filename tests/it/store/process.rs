//! The real server as a process.
use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use crate::support::{Watch, files};

/// Presets the administrator's token.
pub(crate) const ADMIN: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn command(data_dir: &Path) -> Command {
    command_at(data_dir, "127.0.0.1:0")
}

/// The same for a server that is to be found at one address.
pub(crate) fn command_at(data_dir: &Path, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
    command.arg("serve").arg("--data-dir").arg(data_dir).args(["--listen", address]);
    for name in ["SEALINK_DATABASE_URL", "SEALINK_CONFIG", "SEALINK_ADMIN_TOKEN", "SEALINK_LOG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A server that does not start: its exit code and what it says.
#[track_caller]
pub(crate) fn refused(data_dir: &Path, code: i32, word: &str) {
    does_not_run(command(data_dir), code, word);
}

/// A command that ends by itself: its exit code and what it says.
#[track_caller]
pub(crate) fn does_not_run(mut command: Command, code: i32, word: &str) {
    let Output { status, stderr, .. } = command.stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{said}");
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("sealink: ")).collect();
    assert!(lines.len() == 1 && lines[0].contains(word), "{word}: {said}");
    assert!(said.lines().last() == lines.first().copied(), "the reason comes last: {said}");
}

/// A running server; dropped, it is killed, and no secret may be in what it said and wrote.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) data_dir: PathBuf,
    /// Everything it has said.
    said: Option<JoinHandle<Vec<u8>>>,
    watch: Arc<Watch>,
}

impl Server {
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::spawn(command(data_dir), data_dir)
    }

    /// The server that a command starts.
    pub(crate) fn spawn(mut command: Command, data_dir: &Path) -> Self {
        command.env("SEALINK_ADMIN_TOKEN", ADMIN).env("SEALINK_LOG", "trace");
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let url = loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "the server did not start: {said}");
            if let Some(url) = line.trim().strip_prefix("listening on ") {
                break url.to_owned();
            }
            said.push_str(&line);
        };
        // A full pipe would stop the server.
        let said = thread::spawn(move || {
            let mut said = said.into_bytes();
            stderr.read_to_end(&mut said).unwrap();
            said
        });
        let watch = Watch::new();
        watch.keep_secret("the admin token", ADMIN.as_bytes());
        Self { child, url, data_dir: data_dir.to_owned(), said: Some(said), watch }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// SIGTERM, and the end of its draining.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Runs a command of the binary against this server.
    pub(crate) fn cli(&self, arguments: &[&str], stdin: Stdio) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
        command.args(arguments).current_dir(&self.data_dir).stdin(stdin);
        let output = command.env("SEALINK_URL", &self.url).env("SEALINK_TOKEN", ADMIN).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        let mut places = files(&self.data_dir);
        places.push(("stderr".to_owned(), said));
        self.watch.end(&places);
    }
}

/// Calls the API over Connect, in JSON.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    watch: Arc<Watch>,
}

impl Client {
    pub(crate) fn new(server: &Server) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap();
        Self { http, url: server.url.clone(), watch: Arc::clone(&server.watch) }
    }

    /// The status and the answer, or `None` if the connection broke.
    pub(crate) async fn call(&self, method: &str, request: &Value) -> Option<(u16, Value)> {
        self.watch.sent(request);
        let url = format!("{}/gitpod.v1.RunnerConfigurationService/{method}", self.url);
        let request = self
            .http
            .post(url)
            .bearer_auth(ADMIN)
            .header("content-type", "application/json")
            .body(request.to_string());
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, serde_json::from_slice(&answer.bytes().await.ok()?).ok()?))
    }
}
