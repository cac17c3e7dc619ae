//! A runner's log: an hour, one runner, and nothing else.
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::support::{Actor, Agent, Answer, TestServer, on_both_stores};

async fn token(actor: &Actor, agent: &Agent) -> Answer {
    let body = json!({ "runnerId": agent.runner });
    actor.call("RunnerService/CreateRunnerLogsToken", &body).await
}

async fn read(server: &TestServer, runner: &str, token: Option<&str>) -> reqwest::Response {
    let url = format!("http://{}/runners/{runner}/logs", server.address);
    let request = server.http.get(url);
    let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
    request.send().await.expect("an answer")
}

/// The whole way: a token, the address in the runner's status, and the end of the agent's log.
async fn a_log_is_read_with_its_token(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let made = token(&admin, &agent).await.ok();
    let token = made["accessToken"].as_str().expect("a token");
    let absent = read(server, &agent.runner, Some(token)).await;
    assert_eq!(absent.status(), 400, "no agent lives");
    let lines = format!("{}\nthe end\n", "x".repeat(1 << 20));
    let sent = STANDARD.encode(&lines);
    let live = agent.live(move |_| Some(json!({ "tailLog": { "log": sent } }))).await;
    let url = admin.runner(&agent.runner).await["status"]["logUrl"].as_str().expect("a URL").to_owned();
    assert_eq!(url, format!("http://{}/runners/{}/logs", server.address, agent.runner));
    let answer = server.http.get(url).bearer_auth(token).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let text = answer.text().await.expect("text");
    assert_eq!((text.len(), &text[text.len() - 8..]), (1 << 20, "the end\n"));
    assert_eq!(live.asked()[0]["tailLog"]["maxBytes"], 1 << 20);
}

/// Its token opens nothing else, and nothing else opens it.
async fn a_logs_token_is_good_for_one_log(server: &TestServer) {
    let admin = server.admin();
    let (agent, other) = (admin.register().await, admin.register().await);
    let _live = agent.live(|_| Some(json!({ "tailLog": { "log": STANDARD.encode("log\n") } }))).await;
    let made = token(&admin, &agent).await.ok();
    let token = made["accessToken"].as_str().expect("a token");
    assert_eq!(read(server, &agent.runner, Some(token)).await.status(), 200);
    assert_eq!(read(server, &other.runner, Some(token)).await.status(), 401);
    assert_eq!(read(server, "no-id", Some(token)).await.status(), 401);
    let runners = admin.with_token(token).call("RunnerService/ListRunners", &json!({})).await;
    runners.refused(401, "unauthenticated", "");
    for wrong in [admin.token.as_deref(), agent.actor.token.as_deref(), Some("sealink_log_"), None] {
        assert_eq!(read(server, &agent.runner, wrong).await.status(), 401, "{wrong:?}");
    }
    let changed = format!("{}A", &token[..token.len() - 1]);
    let changed = if changed == token { format!("{}B", &token[..token.len() - 1]) } else { changed };
    assert_eq!(read(server, &agent.runner, Some(&changed)).await.status(), 401);
    admin.delete_runner(&agent.runner).await.ok();
    assert_eq!(read(server, &agent.runner, Some(token)).await.status(), 401);
    let noted = "SELECT count(*) FROM audit_entry WHERE action = 'runner.create_logs_token'";
    assert_eq!(server.database().count(noted).await, 1);
}

on_both_stores!(a_log_is_read_with_its_token, a_logs_token_is_good_for_one_log);
