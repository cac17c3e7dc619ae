//! `sealink agent doctor`: what state an agent is in, each in a sentence, with what helps.
//!
//! It changes nothing, and counts as no sign of life: an agent that does not run is not made to look alive.
mod report;

use std::collections::BTreeSet;

pub use self::report::{Finding, Key, Report, State};

use super::{
    cache,
    dir::AgentDir,
    fetch::{self, Configuration},
    keys::KeyDir,
    opener::Outcome,
    register::{self, Session},
};
use crate::{
    client::Server,
    clock::Clock,
    error::Kind,
    pb::{
        gitpod::v1::{GetRunnerRequest, RunnerPhase},
        sealink::v1::{KeyState, ListKeysRequest, RunnerKey},
    },
};

/// Looks at everything, from near to far, and stops where the rest would follow.
pub async fn examine(path: &std::path::Path, keys: &KeyDir, server: Option<Server>) -> Report {
    let mut report = Report::default();
    let Some((dir, session)) = at_home(&mut report, path, keys, server) else { return report };
    let known = at_server(&mut report, &session, keys).await;
    saved(&mut report, &dir, &session);
    if let Some(known) = known {
        active_key(&mut report, &known);
        opened(&mut report, fetch::fetch(&session, &dir, keys).await);
        phase(&mut report, &session).await;
    }
    report
}

/// What can be seen without the server: directory, registration, keys, and whether an agent runs.
fn at_home(
    report: &mut Report,
    path: &std::path::Path,
    keys: &KeyDir,
    server: Option<Server>,
) -> Option<(AgentDir, Session)> {
    let register = "run `sealink agent register < FILE` with the file of an exchange token";
    let dir = match AgentDir::open(path) {
        Ok(dir) => dir,
        Err(error) => {
            report.fail("directory", &error, register);
            return None;
        }
    };
    report.add("directory", State::Ok, format!("{} is private", path.display()), "");
    let session = match register::resume_unasked(&dir, server) {
        Ok(session) => session,
        Err(error) => {
            report.fail("registration", &error, register);
            return None;
        }
    };
    let says = format!("registered as runner {} with {}", session.runner_id, session.client.server());
    report.add("registration", State::Ok, says, "");
    match keys.load() {
        Ok(found) => {
            for key in found.newest_first() {
                let (kid, fingerprint) = (key.public().kid().0.clone(), key.public().fingerprint());
                report.keys.push(Key { kid, fingerprint, state: "unknown".to_owned(), held: true });
            }
            let says = format!("{} private keys in {}", report.keys.len(), keys.path().display());
            let none = report.keys.is_empty();
            let cure =
                if none { "name the directory with --key-dir, or run `sealink agent register`" } else { "" };
            report.add("keys", if none { State::Bad } else { State::Ok }, says, cure);
        }
        Err(error) => report.fail("keys", &error, "mend the file, or move it away"),
    }
    match dir.run_alone() {
        Ok(_) => report.add(
            "process",
            State::Note,
            "no agent runs in this directory",
            "run `sealink agent run`, for example as a service",
        ),
        Err(_) => report.add("process", State::Ok, "an agent runs in this directory", ""),
    }
    Some((dir, session))
}

/// The server's keys, if the server answers.
async fn at_server(report: &mut Report, session: &Session, keys: &KeyDir) -> Option<Vec<RunnerKey>> {
    let request = ListKeysRequest { runner_id: session.runner_id.to_string(), ..Default::default() };
    let known = match session.client.list(request).await {
        Ok(known) => known,
        Err(error) => {
            let error = register::refused(error);
            let cure = "start the server, or check the address and the network between";
            report.fail("server", &error, cure);
            return None;
        }
    };
    report.add("server", State::Ok, format!("{} answers and takes the token", session.client.server()), "");
    let ours = keys.load().unwrap_or_default();
    for key in &known {
        let held = ours.ring.iter().any(|one| one.public().wire_bytes() == key.public_key);
        let state = key.state().as_str_name().trim_start_matches("KEY_STATE_").to_owned();
        match report.keys.iter_mut().find(|one| one.kid == key.kid) {
            Some(one) => one.state = state,
            None => report.keys.push(Key {
                kid: key.kid.clone(),
                fingerprint: key.fingerprint.clone(),
                state,
                held,
            }),
        }
    }
    Some(known)
}

fn active_key(report: &mut Report, known: &[RunnerKey]) {
    let of = |state| known.iter().find(|key| key.state() == state);
    let here: BTreeSet<_> = report.keys.iter().filter(|key| key.held).map(|key| key.kid.clone()).collect();
    let held = |key: &RunnerKey| here.contains(&key.kid);
    let approve = |kid: &str| {
        format!("an administrator compares the fingerprint and runs `sealink runner key approve {kid}`")
    };
    match (of(KeyState::Active), of(KeyState::Pending)) {
        (Some(active), _) if held(active) => {
            let says = format!("the ACTIVE key {} is here", active.fingerprint);
            report.add("active key", State::Ok, says, "");
        }
        (Some(active), pending) => {
            let says =
                format!("the ACTIVE key {} is not here, so new secrets cannot be opened", active.fingerprint);
            let cure = pending.filter(|key| held(key)).map_or_else(
                || {
                    "put the runner's own key into the key directory, or name its directory with --key-dir; if \
                     nobody at your side registered that key, have an administrator run `sealink runner key revoke`"
                        .to_owned()
                },
                |key| approve(&key.kid),
            );
            report.add("active key", State::Bad, says, cure);
        }
        (None, Some(pending)) => {
            let says = format!("the key {} waits for approval", pending.fingerprint);
            report.add("active key", State::Bad, says, approve(&pending.kid));
        }
        (None, None) => report.add(
            "active key",
            State::Bad,
            "the runner has no ACTIVE key, so no secret can be sealed for it",
            "run `sealink agent register`",
        ),
    }
    for key in known.iter().filter(|key| key.state() == KeyState::Retiring && !held(key)) {
        let says = format!("the RETIRING key {} is not here, and ciphertexts still name it", key.fingerprint);
        report.add("old key", State::Bad, says, "restore its file, or enter those secrets again");
    }
}

/// The configuration on this disk.
fn saved(report: &mut Report, dir: &AgentDir, session: &Session) {
    match cache::load(dir, session.runner_id) {
        Ok(Some(known)) => {
            let seconds = (Clock::System.now().0 - known.confirmed_at.0).max(0) / 1_000_000;
            let says = format!("revision {} is saved here, confirmed {}", known.revision, ago(seconds));
            report.add("saved configuration", State::Ok, says, "");
        }
        Ok(None) => report.add(
            "saved configuration",
            State::Note,
            "no configuration is saved here, so a restart without the server has nothing to work from",
            "let `sealink agent run` reach the server once",
        ),
        Err(error) => report.fail("saved configuration", &error, "give the file back to this user"),
    }
}

fn ago(seconds: i64) -> String {
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// What became of the secrets.
fn opened(report: &mut Report, fetched: crate::error::Result<Configuration>) {
    let fetched = match fetched {
        Ok(fetched) => fetched,
        // Said already, as the state of the ACTIVE key.
        Err(error) if error.kind() == Kind::Precondition => return,
        Err(error) => return report.fail("secrets", &error, "try again"),
    };
    let mut bad = Vec::new();
    for (name, outcome) in fetched.secrets() {
        *report.secrets.entry(outcome.name()).or_default() += 1;
        if !matches!(*outcome, Outcome::Ok(_)) {
            let reason = outcome.reason();
            let (says, cure) = reason.rsplit_once("; ").unwrap_or((reason, "enter the secret again"));
            bad.push((format!("{name}: {}: {says}", outcome.name()), cure.to_owned()));
        }
    }
    if bad.is_empty() {
        let count: u64 = report.secrets.values().sum();
        report.add("secrets", State::Ok, format!("all {count} secrets can be opened"), "");
    }
    for (says, cure) in bad {
        report.add("secrets", State::Bad, says, cure);
    }
}

/// What others see of the runner.
async fn phase(report: &mut Report, session: &Session) {
    let request = GetRunnerRequest { runner_id: session.runner_id.to_string() };
    let runner = match session.client.call(&request).await {
        Ok(answer) => answer.runner.unwrap_or_default(),
        Err(error) => return report.fail("phase", &error.into(), "try again"),
    };
    let status = runner.status.unwrap_or_default();
    let run = "run `sealink agent run`; if it runs, its log says what it cannot reach";
    let (state, says, cure) = match status.phase() {
        RunnerPhase::Active => (State::Ok, "the runner is ACTIVE".to_owned(), ""),
        RunnerPhase::Degraded => (
            State::Note,
            format!("the runner is DEGRADED: {}", status.message),
            "do what the message says; it goes away by itself",
        ),
        RunnerPhase::Created => {
            (State::Note, "the runner is CREATED: no agent of it ever ran".to_owned(), run)
        }
        RunnerPhase::Inactive => {
            (State::Note, "the runner is INACTIVE: no agent was heard for 90 s".to_owned(), run)
        }
        other => {
            let name = other.as_str_name().trim_start_matches("RUNNER_PHASE_");
            (State::Note, format!("the runner is {name}"), "")
        }
    };
    report.add("phase", state, says, cure);
}
