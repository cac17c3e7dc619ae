//! Calls to live agents: who gets them, how often, and what becomes of the answers.
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Actor, Agent, Answer, TestServer, new_id, on_both_stores};

const URL: &str = "https://github.com/example/widgets";

async fn ask(actor: &Actor, agent: &Agent) -> Answer {
    let body = json!({ "runnerId": agent.runner, "contextUrl": URL });
    actor.call("RunnerService/ParseContextURL", &body).await
}

fn parsed(branch: &str) -> Value {
    json!({ "parseContextUrl": { "response": { "git": { "branch": branch } } } })
}

async fn phase(agent: &Agent) -> Value {
    agent.actor.runner(&agent.runner).await["status"]["phase"].clone()
}

async fn until_phase(agent: &Agent, expected: &str) {
    for _ in 0..200 {
        if phase(agent).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {expected}");
}

/// ACTIVE takes a heartbeat and an open stream; trouble makes it DEGRADED; silence ends both.
async fn phases_follow_heartbeat_and_stream(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let stream = agent.requests(0).await;
    assert_eq!(phase(&agent).await, "RUNNER_PHASE_INACTIVE", "a stream alone");
    ask(&admin, &agent).await.refused(400, "failed_precondition", "runner is not active");
    assert_eq!(agent.beat(&agent.id).await.ok()["phase"], "RUNNER_PHASE_ACTIVE");
    let trouble = json!({ "degradationMessage": "the disk is nearly full" });
    agent.report(&agent.id, &trouble).await.ok();
    let status = agent.actor.runner(&agent.runner).await["status"].clone();
    let degraded = (json!("RUNNER_PHASE_DEGRADED"), json!("the disk is nearly full"));
    assert_eq!((status["phase"].clone(), status["message"].clone()), degraded);
    // Another agent of the runner is well, which does not make this one well.
    let twin = agent.twin();
    twin.beat(&twin.id).await.ok();
    assert_eq!(phase(&agent).await, "RUNNER_PHASE_DEGRADED");
    agent.report(&agent.id, &json!({ "degradationMessage": "" })).await.ok();
    assert_eq!(phase(&agent).await, "RUNNER_PHASE_ACTIVE");
    let silence = "UPDATE runner_status SET alive_at = alive_at - 90000000";
    server.database().execute(silence).await;
    assert_eq!(phase(&agent).await, "RUNNER_PHASE_INACTIVE");
    agent.beat(&agent.id).await.ok();
    assert_eq!(phase(&agent).await, "RUNNER_PHASE_ACTIVE");
    drop(stream);
    until_phase(&agent, "RUNNER_PHASE_INACTIVE").await;
    ask(&admin, &agent).await.refused(400, "failed_precondition", "runner is not active");
}

/// A question reaches the agent with whose it is, the answer the caller, and nothing of either stays.
async fn a_call_is_asked_answered_and_wiped(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let live = agent.live(|_| Some(parsed("main"))).await;
    let answer = ask(&admin, &agent).await.ok();
    assert_eq!((&answer["git"]["branch"], &answer["originalContextUrl"]), (&json!("main"), &json!(URL)));
    let [call] = &live.asked()[..] else { panic!("one call") };
    assert_eq!(call["attempt"], 1);
    assert_eq!(call["parseContextUrl"]["request"]["contextUrl"], URL);
    assert_eq!(call["parseContextUrl"]["caller"]["subject"]["principal"], "PRINCIPAL_USER");
    assert_eq!(call["revision"], agent.configuration().await["revision"]);
    let remaining = call["remaining"].as_str().expect("a duration").trim_end_matches('s');
    let remaining = remaining.parse::<f64>().expect("seconds");
    assert!((7.0..=8.0).contains(&remaining), "{remaining}");
    let left = "SELECT count(*) FROM live_call WHERE request IS NOT NULL OR answer IS NOT NULL";
    for _ in 0..200 {
        if server.database().count(left).await == 0 {
            assert_eq!(server.database().count("SELECT count(*) FROM live_call").await, 1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the call is not wiped");
}

/// What goes wrong at the agent or at the forge is the caller's to read; a forge's 401 is never ours.
async fn errors_of_agents_have_their_place(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let _live = agent
        .live(|call| {
            let url = call["parseContextUrl"]["request"]["contextUrl"].as_str().expect("a URL");
            let code = url.rsplit('/').next().expect("a code").to_uppercase();
            let mut error =
                json!({ "code": format!("CALL_ERROR_CODE_{code}"), "message": format!("a\nb {code}") });
            if code == "UNAUTHENTICATED" {
                error["details"] =
                    json!({ "authenticationRequired": { "host": "github.com", "scmId": "github" } });
            }
            Some(json!({ "error": error }))
        })
        .await;
    for (code, status, expected) in [
        ("not_found", 404, "not_found"),
        ("permission_denied", 403, "permission_denied"),
        ("invalid_argument", 400, "invalid_argument"),
        ("failed_precondition", 400, "failed_precondition"),
        ("unauthenticated", 400, "failed_precondition"),
        ("unimplemented", 501, "unimplemented"),
        ("resource_exhausted", 429, "resource_exhausted"),
        ("unavailable", 503, "unavailable"),
        ("internal", 503, "unavailable"),
    ] {
        let body = json!({ "runnerId": agent.runner, "contextUrl": format!("https://github.com/{code}") });
        let answer = admin.call("RunnerService/ParseContextURL", &body).await;
        answer.refused(status, expected, &format!("ab {}", code.to_uppercase()));
        let detail = answer.detail("gitpod.v1.ParseContextURLPreconditionFailureDetails");
        assert_eq!(detail.is_some(), code == "unauthenticated", "{code}");
    }
}

/// The first answer counts, and only one from the runner that was asked, to what was asked.
async fn only_the_first_fitting_answer_counts(server: &TestServer) {
    let admin = server.admin();
    let (agent, other) = (admin.register().await, admin.register().await);
    let live = agent.live(|_| None).await;
    let answers = async {
        let call = live.first().await;
        let wrong = agent.respond(&call, &json!({ "searchRepositories": {} })).await;
        wrong.refused(400, "invalid_argument", "result");
        agent.respond(&call, &json!({})).await.refused(400, "invalid_argument", "result");
        other.respond(&call, &parsed("other")).await.refused(404, "not_found", "call");
        agent.respond(&call, &parsed("first")).await.ok();
        agent.twin().respond(&call, &parsed("second")).await.refused(409, "aborted", "already");
        let never = json!({ "requestId": new_id().to_string(), "attempt": 1 });
        agent.respond(&never, &parsed("never")).await.refused(404, "not_found", "call");
    };
    let (answer, ()) = tokio::join!(ask(&admin, &agent), answers);
    assert_eq!(answer.ok()["git"]["branch"], "first");
}

/// One agent has a call; if it stays silent for three seconds another gets it, once.
async fn a_call_that_is_not_answered_is_offered_once_more(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let silent = agent.live(|_| None).await;
    let asking = tokio::spawn({
        let (admin, agent) = (admin.clone(), agent.clone());
        async move { ask(&admin, &agent).await }
    });
    let first = silent.first().await;
    let twin = agent.twin().live(|_| None).await;
    let second = twin.first().await;
    assert_eq!((&second["requestId"], &second["attempt"]), (&first["requestId"], &json!(2)));
    assert_eq!(silent.asked().len(), 1);
    agent.respond(&second, &parsed("second")).await.ok();
    agent.respond(&first, &parsed("first")).await.refused(409, "aborted", "already");
    let answer = asking.await.expect("no panic").ok();
    assert_eq!(answer["git"]["branch"], "second");
}

/// Nobody waits for ever, nobody waits with too many, and a caller that went away holds up nothing.
async fn patience_and_places_end(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let live = agent.live(|_| None).await;
    let all = join_all((0..256).map(|_| ask(&admin, &agent)));
    let one_more = async {
        while live.asked().len() < 256 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let refused = ask(&admin, &agent).await;
        refused.refused(429, "resource_exhausted", "too many calls");
        assert!(refused.detail("google.rpc.RetryInfo").is_some());
    };
    let (all, ()) = tokio::join!(all, one_more);
    for answer in all {
        assert_eq!(answer.code(), "DEADLINE_EXCEEDED");
    }
    let twice = live.asked().iter().filter(|call| call["attempt"] == 2).count();
    assert_eq!((live.asked().len(), twice), (512, 256), "each offered twice, never more");
    // The places are free again, and nothing is kept.
    assert_eq!(agent.respond(&live.first().await, &parsed("late")).await.code(), "NOT_FOUND");
    for _ in 0..100 {
        if server.database().count("SELECT count(*) FROM live_call").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("calls whose time is up are kept");
}

/// Agents get no more at once than they asked for.
async fn capacity_is_respected(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    agent.beat(&agent.id).await.ok();
    let mut stream = agent.requests(2).await;
    let asking = join_all((0..5).map(|_| ask(&admin, &agent)));
    let answering = async {
        let mut held = vec![stream.next().await, stream.next().await];
        for _ in 0..5 {
            let more = tokio::time::timeout(Duration::from_millis(200), stream.next()).await;
            assert!(more.is_err() || held.len() < 2, "a third call at once: {more:?}");
            let Some(call) = held.pop() else { break };
            agent.respond(&call, &parsed("main")).await.ok();
            if let Ok(next) = tokio::time::timeout(Duration::from_secs(1), stream.next()).await {
                held.push(next);
            }
        }
    };
    let (answers, ()) = tokio::join!(asking, answering);
    for answer in answers {
        answer.ok();
    }
}

on_both_stores!(
    phases_follow_heartbeat_and_stream,
    a_call_is_asked_answered_and_wiped,
    errors_of_agents_have_their_place,
    only_the_first_fitting_answer_counts,
    a_call_that_is_not_answered_is_offered_once_more,
    patience_and_places_end,
    capacity_is_respected,
);

/// Any server offers a call, and any server is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn callers_and_agents_may_be_at_different_servers() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    let agent = admin.register().await;
    // It listens there and answers here.
    let there = agent.through(&replica.admin);
    there.beat(&there.id).await.ok();
    let mut stream = there.requests(16).await;
    for round in 0..5 {
        let answering = async {
            let call = stream.next().await;
            assert_eq!(call["attempt"], 1);
            let here = if round % 2 == 0 { &agent } else { &there };
            here.respond(&call, &parsed("main")).await.ok();
        };
        let (answer, ()) = tokio::join!(ask(&admin, &agent), answering);
        assert_eq!(answer.ok()["git"]["branch"], "main");
    }
    replica.stop().await;
    server.stop().await;
}
