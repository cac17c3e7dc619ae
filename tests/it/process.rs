//! `sealink serve` as a process of its own.
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{Actor, Watch, files};

const BINARY: &str = env!("CARGO_BIN_EXE_sealink");
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server and everything it writes. Dropping it kills it.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) watch: Arc<Watch>,
    child: Child,
    directory: TempDir,
}

impl Process {
    /// Starts the built binary with a preset administrator's token, logging all it can.
    pub(crate) fn start(admin_token: &str) -> Self {
        Self::start_with(admin_token, Command::new(BINARY), &[("SEALINK_LOG", "trace")])
    }

    /// The same with a quiet log and these settings, as the environment spells them.
    pub(crate) fn start_quietly(admin_token: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_with(admin_token, Command::new(BINARY), settings)
    }

    /// The same with no more than this many open files.
    pub(crate) fn start_with_descriptors(admin_token: &str, most: u32) -> Self {
        let mut shell = Command::new("bash");
        shell.args(["-c", r#"ulimit -n "$1" && shift && exec "$0" "$@""#, BINARY, &most.to_string()]);
        Self::start_with(admin_token, shell, &[])
    }

    fn start_with(admin_token: &str, mut command: Command, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| File::create(directory.path().join(name)).expect("a file");
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"])
            .current_dir(directory.path())
            .env("SEALINK_ADMIN_TOKEN", admin_token)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("the built binary");
        let mut process = Self { address: ([127, 0, 0, 1], 0).into(), watch: Watch::new(), child, directory };
        process.address = process.wait_until_ready();
        process.watch.listens_at(process.address);
        process
    }

    fn wait_until_ready(&mut self) -> SocketAddr {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let stderr = fs::read_to_string(self.path("stderr")).expect("readable");
            let line = stderr.lines().find_map(|line| line.strip_prefix("listening on http://"));
            if let Some(address) = line.filter(|_| stderr.ends_with('\n')) {
                return address.parse().expect("an address");
            }
            assert!(self.child.try_wait().expect("a child").is_none(), "it ended: {stderr}");
            thread::sleep(Duration::from_millis(20));
        }
        panic!("not ready after {PATIENCE:?}");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory it holds now.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Bytes of memory it has held at most.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// The time it has spent on the processors.
    pub(crate) fn worked(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("Linux");
        let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
        let ticks = |at: usize| fields.split(' ').nth(at).and_then(|ticks| ticks.parse::<u64>().ok());
        // User and system time, in hundredths of a second: fields 14 and 15 of proc(5).
        Duration::from_millis(10 * (ticks(11).expect("a number") + ticks(12).expect("a number")))
    }

    /// A file of the process's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Whoever holds `token`.
    pub(crate) fn bearer(&self, token: &str) -> Actor {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        Actor::new(http, self.address, Some(token.to_owned()), &self.watch)
    }

    /// Everything it has written: what it said, and the files of its data directory.
    pub(crate) fn written(&self) -> Vec<(String, Vec<u8>)> {
        files(self.directory.path())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.watch.end(&self.written());
    }
}
