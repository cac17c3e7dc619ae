//! What `RunnerService` passes on to live agents, and what it makes of their answers.
use serde_json::{Value, json};

use crate::support::{Actor, Agent, Answer, LiveAgent, TestServer, on_both_stores};

/// An agent that answers each call with what `script` says of its one member.
async fn scripted(agent: &Agent, script: fn(&str) -> Value) -> LiveAgent {
    agent
        .live(move |call| {
            let members = call.as_object().expect("an object");
            let known = ["requestId", "attempt", "deadline", "remaining", "revision"];
            let name = members.keys().find(|name| !known.contains(&name.as_str())).expect("a call");
            Some(json!({ name: { "response": script(name) } }))
        })
        .await
}

async fn ask(actor: &Actor, method: &str, agent: &Agent, more: &Value) -> Answer {
    let mut body = more.clone();
    body["runnerId"] = json!(agent.runner);
    actor.call(&format!("RunnerService/{method}"), &body).await
}

/// How to authenticate is what the agent says, as far as the integration allows it.
async fn authentication_is_what_agent_and_integration_say(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate(&agent.runner, &json!({ "host": "GHE.example.com" })).await;
    admin.integrate_pat(&agent.runner, "pat.example.com").await;
    let live = scripted(&agent, |_| {
        json!({
            "authenticated": true, "scmName": "Forge", "scmId": "made up",
            "supportsOauth2": { "docsUrl": "https://docs.example.com" },
            "supportsPat": { "createUrl": "https://pat.example.com/new", "requiredScopes": ["repo"] },
        })
    })
    .await;
    let method = "CheckAuthenticationForHost";
    let oauth = ask(&admin, method, &agent, &json!({ "host": "ghe.example.com" })).await.ok();
    assert_eq!(
        (&oauth["authenticated"], &oauth["scmId"], &oauth["scmName"]),
        (&json!(true), &json!("github"), &json!("Forge"))
    );
    assert_eq!(oauth["supportsOauth2"]["docsUrl"], "https://docs.example.com");
    assert!(oauth.get("supportsPat").is_none() && oauth["patSupported"] != true, "{oauth}");
    let pat = ask(&admin, method, &agent, &json!({ "host": "pat.example.com" })).await.ok();
    assert_eq!(pat["supportsPat"]["requiredScopes"], json!(["repo"]));
    assert_eq!(pat["patSupported"], true);
    assert!(pat.get("supportsOauth2").is_none(), "{pat}");
    let asked = live.asked();
    let integration = &asked[0]["checkAuthenticationForHost"]["integration"];
    assert_eq!(integration["host"], "GHE.example.com");
    let none = ask(&admin, method, &agent, &json!({ "host": "other.example.com" })).await;
    none.refused(400, "failed_precondition", "no SCM integration for this host");
    assert_eq!(live.asked().len(), 2, "nobody is asked about a host that is not configured");
}

/// Searches page by number, in either of two ways to say how much.
async fn searches_page_by_number(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    let live = scripted(&agent, |_| {
        json!({
            "repositories": [{ "name": "widgets", "url": "https://github.com/example/widgets" }],
            "pagination": { "nextToken": "3/40/1000" },
        })
    })
    .await;
    for (request, size, token) in [
        (json!({ "searchString": "w" }), 25, ""),
        (json!({ "limit": 7 }), 7, ""),
        (json!({ "pagination": { "pageSize": 9, "token": "2/40/1000" } }), 9, "2"),
        (json!({ "pagination": { "token": "2/-1/-1" } }), 25, "2"),
    ] {
        let found = ask(&admin, "SearchRepositories", &agent, &request).await.ok();
        assert_eq!(
            (&found["pagination"]["nextToken"], &found["lastPage"]),
            (&json!("3/40/1000"), &json!(40))
        );
        assert_eq!(found["repositories"][0]["name"], "widgets");
        let asked = live.asked().pop().expect("a call")["searchRepositories"]["request"].clone();
        assert_eq!(asked["pagination"]["pageSize"], size, "{request}");
        assert_eq!(asked["pagination"].get("token").and_then(Value::as_str).unwrap_or_default(), token);
        assert!(asked.get("limit").is_none());
    }
    for token in ["x", "0/1/1", "-1/1/1", "1/x/1", "https://evil.example.com/"] {
        let request = json!({ "pagination": { "token": token } });
        ask(&admin, "SearchRepositories", &agent, &request).await.blames("pagination.token");
    }
}

async fn organizations_and_access_are_passed_on(server: &TestServer) {
    let admin = server.admin();
    let agent = admin.register().await;
    admin.integrate_pat(&agent.runner, "gitlab.example.com").await;
    let _live = scripted(&agent, |name| match name {
        "listScmOrganizations" => json!({ "organizations": [{ "name": "example" }] }),
        _ => json!({ "hasAccess": false, "errorMessage": "no such repository" }),
    })
    .await;
    let host = json!({ "scmHost": "gitlab.example.com", "query": "ex" });
    let found = ask(&admin, "ListSCMOrganizations", &agent, &host).await.ok();
    assert_eq!(found["organizations"][0]["name"], "example");
    let url = json!({ "repositoryUrl": "https://gitlab.example.com/example/none.git" });
    let access = ask(&admin, "CheckRepositoryAccess", &agent, &url).await.ok();
    assert_eq!(access["errorMessage"], "no such repository");
    assert_ne!(access["hasAccess"], true);
    let wrong = json!({ "repositoryUrl": "not a url" });
    ask(&admin, "CheckRepositoryAccess", &agent, &wrong).await.blames("repository_url");
}

/// Without a runner the one that serves the host is meant; of several the live one; else the caller chooses.
async fn a_url_finds_its_runner(server: &TestServer) {
    let (admin, member) = (server.admin(), server.member("somebody").await);
    let (one, two) = (admin.register().await, admin.register().await);
    for agent in [&one, &two] {
        admin.integrate_pat(&agent.runner, "ghe.example.com:8443").await;
    }
    let body = json!({ "contextUrl": "https://GHE.example.com:8443/example/widgets/tree/main" });
    let parse = async |actor: &Actor| actor.call("RunnerService/ParseContextURL", &body).await;
    let candidates = |answer: &Answer| {
        use prost::Message;
        type Details = sealink::pb::gitpod::v1::ParseContextUrlPreconditionFailureDetails;
        let detail = answer.detail("gitpod.v1.ParseContextURLPreconditionFailureDetails").expect("a detail");
        Details::decode(&*detail).expect("details").runner_ids
    };
    let nobody_lives = parse(&admin).await;
    nobody_lives.refused(400, "failed_precondition", "several runners");
    assert_eq!(candidates(&nobody_lives), [one.runner.clone(), two.runner.clone()]);
    let answer = |_: &str| {
        json!({
            "git": { "repo": "widgets" },
            "pullRequest": { "id": "7", "title": "T", "fromBranch": "a", "toBranch": "b" },
        })
    };
    let _first = scripted(&two, answer).await;
    let found = parse(&admin).await.ok();
    assert_eq!(found["git"]["repo"], "widgets");
    assert_eq!(found["pr"], json!({ "id": "7", "title": "T", "fromBranch": "a", "toBranch": "b" }));
    let _second = scripted(&one, answer).await;
    assert_eq!(candidates(&parse(&admin).await).len(), 2, "both live");
    let none = parse(&member).await;
    none.refused(400, "failed_precondition", "no runner of yours");
    assert!(candidates(&none).is_empty());
    // Whom a policy lets use one of them means that one.
    let group = admin.create_group("people").await;
    admin.join(&group, "PRINCIPAL_USER", &member.id).await;
    let policy = json!({ "runnerId": one.runner, "groupId": group, "role": "RUNNER_ROLE_USER" });
    admin.call("RunnerService/CreateRunnerPolicy", &policy).await.ok();
    assert_eq!(parse(&member).await.ok()["git"]["repo"], "widgets");
}

on_both_stores!(
    authentication_is_what_agent_and_integration_say,
    searches_page_by_number,
    organizations_and_access_are_passed_on,
    a_url_finds_its_runner,
);
