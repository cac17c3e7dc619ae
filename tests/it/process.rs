//! `sealink serve` as a process of its own.
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::Actor;

const PATIENCE: Duration = Duration::from_mins(1);

/// A running server and everything it writes. Dropping it kills it.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    directory: TempDir,
}

impl Process {
    /// Starts the built binary with a preset administrator's token, logging all it can.
    pub(crate) fn start(admin_token: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str| File::create(directory.path().join(name)).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_sealink"))
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "trace", "--data-dir", "data"])
            .current_dir(directory.path())
            .env("SEALINK_ADMIN_TOKEN", admin_token)
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("the built binary");
        let mut process = Self { address: ([127, 0, 0, 1], 0).into(), child, directory };
        process.address = process.wait_until_ready();
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

    /// A file of the process's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Whoever holds `token`.
    pub(crate) fn bearer(&self, token: &str) -> Actor {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        Actor::new(http, self.address, Some(token.to_owned()))
    }

    /// Everything it has written: what it said, and the files of its data directory.
    pub(crate) fn written(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        collect(self.directory.path(), &mut found);
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            found.push((name, fs::read(&path).expect("readable")));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
