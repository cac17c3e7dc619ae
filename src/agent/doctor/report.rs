//! What the doctor says.
use std::collections::BTreeMap;

use crate::error::Error;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Note,
    /// It does not work until somebody does something.
    Bad,
}

impl State {
    /// One word, for tables and programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
pub struct Finding {
    /// What was looked at: one stable word.
    pub check: &'static str,
    /// How bad it is.
    pub state: State,
    /// A sentence.
    pub says: String,
    /// What to do; empty if there is nothing to do.
    pub cure: String,
}

/// A key, here or at the server.
#[derive(Debug)]
pub struct Key {
    /// Its thumbprint.
    pub kid: String,
    /// For comparison by people.
    pub fingerprint: String,
    /// The server's word for it, or "unknown".
    pub state: String,
    /// Whether its private half is here.
    pub held: bool,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order it was looked at.
    pub findings: Vec<Finding>,
    /// The keys of the directory, and those of the server.
    pub keys: Vec<Key>,
    /// How many secrets are in each state.
    pub secrets: BTreeMap<&'static str, u64>,
}

impl Report {
    /// Whether nothing is bad.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.state != State::Bad)
    }

    pub(super) fn add(
        &mut self,
        check: &'static str,
        state: State,
        says: impl Into<String>,
        cure: impl Into<String>,
    ) {
        self.findings.push(Finding { check, state, says: says.into(), cure: cure.into() });
    }

    /// Behind a semicolon an error's sentence names its own cure.
    pub(super) fn fail(&mut self, check: &'static str, error: &Error, cure: &str) {
        let text = error.message();
        let (says, cure) = text.split_once("; ").unwrap_or((text, cure));
        self.add(check, State::Bad, says, cure);
    }
}
