//! `sealink agent doctor`: every state in a sentence, with a cure.
use std::fs;

use sealink::{
    agent::doctor::{self, Report, State},
    domain::scm::Scm,
    seal::open::PrivateKey,
};
use uuid::Uuid;

use super::{
    desk::{integration, llm_integration},
    machine::Machine,
};

async fn examine(machine: &Machine) -> Report {
    let report = doctor::examine(&machine.path("agent"), &machine.keys, None).await;
    for finding in &report.findings {
        assert!(!finding.says.is_empty() && !finding.says.ends_with('.'), "{finding:?}");
        assert!(finding.state != State::Bad || !finding.cure.is_empty(), "no cure: {finding:?}");
        assert!(!finding.says.contains("canary"));
    }
    report
}

/// The finding of one check.
fn finding(report: &Report, check: &str) -> (State, String, String) {
    let found = report.findings.iter().find(|one| one.check == check);
    let found = found.unwrap_or_else(|| panic!("no {check}: {:?}", report.findings));
    (found.state, found.says.clone(), found.cure.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_the_way_is_named_from_near_to_far() {
    let machine = Machine::new().await;
    let nowhere = doctor::examine(&machine.path("nowhere"), &machine.keys, None).await;
    assert!(!nowhere.is_healthy());
    assert!(finding(&nowhere, "directory").2.contains("sealink agent register"));

    let state = machine.path("agent/state.json");
    let kept = fs::read(&state).unwrap();
    fs::remove_file(&state).unwrap();
    assert!(finding(&examine(&machine).await, "registration").2.contains("sealink agent register"));
    fs::write(&state, kept).unwrap();
    fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();

    let report = examine(&machine).await;
    assert_eq!(finding(&report, "process").0, State::Note);
    assert_eq!(finding(&report, "saved configuration").0, State::Note);
    assert_eq!(finding(&report, "active key").0, State::Ok);
    assert_eq!((report.keys.len(), report.keys[0].held, report.keys[0].state.as_str()), (1, true, "ACTIVE"));

    let agent = machine.start(machine.options());
    machine.saved_revision(1).await;
    let report = examine(&machine).await;
    assert_eq!(finding(&report, "process").0, State::Ok);
    assert!(finding(&report, "saved configuration").1.contains("revision 1"));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_and_tokens_that_do_not_fit_are_explained() {
    let mut machine = Machine::new().await;
    let foreign = PrivateKey::generate_rsa(2_048).unwrap().public().clone();
    machine.live.world().keys.insert(0, foreign.clone());
    let (state, says, cure) = finding(&examine(&machine).await, "active key");
    assert_eq!(state, State::Bad);
    assert!(says.contains(&foreign.fingerprint()) && cure.contains("--key-dir"), "{says}; {cure}");
    machine.live.world().keys.clear();
    assert!(finding(&examine(&machine).await, "active key").2.contains("sealink agent register"));
    machine.live.world().refuses_token = true;
    let (state, _, cure) = finding(&examine(&machine).await, "server");
    assert_eq!(state, State::Bad);
    assert!(cure.contains("exchange token"), "{cure}");
    machine.live.vanish().await;
    let (state, says, cure) = finding(&examine(&machine).await, "server");
    assert_eq!(state, State::Bad);
    assert!(says.contains("no server answers") && cure.contains("sealink serve"), "{says}; {cure}");
    fs::remove_dir_all(machine.path("keys")).unwrap();
    assert!(finding(&examine(&machine).await, "keys").2.contains("--key-dir"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_counted_and_each_bad_one_has_a_cure() {
    let machine = Machine::new().await;
    let good = integration(&machine.key, Uuid::from_u128(10), Scm::GitHub, "github.com");
    let mut moved = integration(&machine.key, Uuid::from_u128(11), Scm::GitLab, "gitlab.com");
    "another".clone_into(&mut moved.client_id);
    let mut lost = integration(&machine.key, Uuid::from_u128(12), Scm::Gitea, "git.example.com");
    "another".clone_into(&mut lost.kid);
    for one in [good, moved, lost] {
        machine.live.world().integrate(one);
    }
    let mut llm =
        llm_integration(&machine.key, Uuid::from_u128(13), ("canary-key-4711", "canary-value-4712"));
    "another".clone_into(&mut llm.header_kids[0]);
    machine.live.world().integrate_llm(llm);
    let report = examine(&machine).await;
    assert_eq!(
        report.secrets.into_iter().collect::<Vec<_>>(),
        [("OK", 2), ("REJECTED", 1), ("UNDECRYPTABLE", 2)]
    );
    let bad: Vec<_> = report.findings.iter().filter(|one| one.check == "secrets").collect();
    assert_eq!(bad.len(), 3, "{bad:?}");
    assert!(bad[2].says.starts_with("the header x-team for https://llm.example.com/v1: UNDECRYPTABLE"));
    assert!(
        bad[0].says.starts_with("gitlab.com: REJECTED") && bad[0].cure.contains("enter the secret again")
    );
}
