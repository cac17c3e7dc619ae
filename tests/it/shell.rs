//! Runs the built binary the way a person does.
use std::{
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use crate::support::Watch;

/// A directory of its own, and an environment without any of ours. When it is dropped, the tokens and keys in its
/// files are looked for in all that was printed.
pub(crate) struct Shell {
    dir: TempDir,
    pub(crate) watch: Arc<Watch>,
}

/// Commands that hand a token to whoever runs them, and the option that shows what was sealed to the runner.
const ISSUERS: [&str; 4] = ["runner create", "runner token", "token create", "runner logs"];
const REVEAL: &str = "--reveal";

impl Shell {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), watch: Watch::new() }
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealink"));
        command.args(line.split_whitespace()).current_dir(self.dir.path()).stdin(Stdio::null());
        for name in
            ["SEALINK_URL", "SEALINK_TOKEN", "SEALINK_DATA_DIR", "SEALINK_AGENT_DIR", "SEALINK_KEY_DIR"]
        {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        self.ended(line, self.command(line).output().unwrap())
    }

    pub(crate) fn run_with_token(&self, line: &str) -> Ended {
        self.ended(line, self.command(line).env("SEALINK_TOKEN", "sealink_pat_canary").output().unwrap())
    }

    /// What a command printed and how it ended.
    pub(crate) fn ended(&self, line: &str, output: Output) -> Ended {
        self.watch.said(line, &output.stderr);
        if ISSUERS.iter().any(|issuer| line.contains(issuer)) {
            self.watch.issued(line, &output.stdout);
        } else if !line.contains(REVEAL) {
            self.watch.said(line, &output.stdout);
        }
        Ended::of(output)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.watch.end_in(self.dir.path());
    }
}

#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Failed with this code, in one line that says all of `words` and no secret.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert_eq!(self.stdout, "");
        assert!(!self.stderr.contains("canary"), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word}: {self:?}");
        }
    }
}
