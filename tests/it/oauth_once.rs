//! A code is spent by its use: whatever becomes of the agent that has it, nobody else gets it.
use serde_json::{Value, json};

use sealink::seal::Field;

use crate::{
    oauth::{HOST, sealed, to_forge},
    support::{Agent, LiveAgent, TestServer, on_both_stores},
};

/// An agent that sends browsers to the forge and is never heard of again once it has a code.
async fn silent(agent: &Agent) -> LiveAgent {
    let own = agent.clone();
    agent
        .live(move |call| {
            if call.get("completeOauth").is_some() {
                return None;
            }
            let Some(begin) = call.get("beginOauth") else {
                return Some(json!({ "checkAuthenticationForHost": { "response": {} } }));
            };
            let (place, field) = ((HOST, "", "client_id"), Field::OauthVerifier);
            let (verifier, kid) = sealed(&own, &begin["ticketId"], field, place, "canary-verifier-4711");
            let url = format!("https://{HOST}/login/oauth/authorize?state={}", begin["state"].as_str()?);
            Some(json!({ "beginOauth": { "authorizeUrl": url, "sealedVerifier": verifier, "kid": kid } }))
        })
        .await
}

fn codes(live: &LiveAgent) -> Vec<Value> {
    live.asked().into_iter().filter(|call| call.get("completeOauth").is_some()).collect()
}

/// `agent` and `others`, wherever they are connected, and `agent` once more when it has the code.
async fn a_code_goes_to_one_agent_once(server: &TestServer, agent: &Agent, others: &[Agent]) {
    let admin = server.admin();
    let first = silent(agent).await;
    let (mut browser, back) = to_forge(server, &admin, agent).await;
    let going = tokio::spawn(async move {
        let page = browser.get(&format!("{back}&code=good")).await;
        (page.status, browser.get(&format!("{back}&code=good")).await.status)
    });
    while codes(&first).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let call = codes(&first).remove(0);
    drop(first);
    let again = silent(agent).await;
    let mut all = vec![again];
    for other in others {
        all.push(silent(other).await);
    }
    let (first, second) = going.await.expect("no panic");
    assert!(first >= 500, "a page that says so: {first}");
    assert_eq!(second, 404, "a code comes once");
    for live in &all {
        assert_eq!(codes(live), [] as [Value; 0]);
    }
    assert_eq!(call["attempt"], 1);
    assert_eq!(server.database().count("SELECT count(*) FROM host_token").await, 0);
}

async fn a_code_is_never_offered_again(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
    a_code_goes_to_one_agent_once(server, &agent, &[agent.twin(), agent.twin()]).await;
}

on_both_stores!(a_code_is_never_offered_again);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_POSTGRES_URL"]
async fn nor_by_another_server() {
    let server = TestServer::start_on_postgres().await;
    let replica = server.replica().await;
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate(&agent.runner, &json!({ "host": HOST })).await;
    // The agent itself also comes back at the other server.
    let others = [agent.through(&replica.admin), agent.twin().through(&replica.admin), agent.twin()];
    a_code_goes_to_one_agent_once(&server, &agent, &others).await;
    replica.stop().await;
    server.stop().await;
}
