//! OAuth with nothing faked: `sealink serve`, `sealink agent run` and Gitea as processes, and a person between them.
//!
//! `docs/oauth.md` is the same journey in a browser: `docs.rs`.
mod world;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use url::Url;

use self::world::{PATIENCE, REPOSITORY, World};
use crate::forges::Browser;

/// One test, because there is one Gitea, and each part begins where the one before it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs TEST_GITEA_URL, which tests/forge/gitea sets"]
async fn a_real_gitea_authorizes_through_a_real_agent() {
    let mut world = World::begin().await;
    a_configuration_is_tried(&world).await;
    nobody_is_authenticated_yet(&world).await;
    denied(&world).await;
    too_late(&world).await;
    with_a_wrong_client_secret(&world).await;
    connected_with_pkce(&world).await;
    the_callers_own_token_is_used(&world).await;
    renewed(&world).await;
    a_token_that_ended_is_none(&world).await;
    offline(&mut world).await;
    let log = world.agent.log();
    assert!(!log.contains(&world.client_secret) && !log.contains("canary-wrong"), "{log}");
}

async fn verdict(world: &World, over: Value) -> Value {
    let mut tried = json!({
        "scmId": "gitea", "host": world.gitea.host(), "oauthClientId": world.client_id,
        "oauthPlaintextClientSecret": world.client_secret,
    });
    tried.as_object_mut().expect("an object").extend(over.as_object().expect("an object").clone());
    let asked = json!({ "runnerId": world.runner, "scmIntegration": tried });
    let answer = world.admin.call("RunnerConfigurationService/ValidateRunnerConfiguration", &asked).await;
    answer.ok()["scmIntegration"].clone()
}

/// The agent tries the app at Gitea's token endpoint, which knows the right secret, a wrong one, and a stranger.
async fn a_configuration_is_tried(world: &World) {
    assert_eq!(verdict(world, json!({})).await, json!({ "valid": true }));
    let wrong = [
        json!({ "oauthPlaintextClientSecret": "canary-wrong-secret-4711" }),
        json!({ "oauthClientId": "01234567-0000-4000-8000-000000000000" }),
    ];
    for over in wrong {
        let found = verdict(world, over).await;
        assert!(
            found["oauthError"].as_str().is_some_and(|text| text.contains("client id and secret")),
            "{found}"
        );
        assert_eq!(found.as_object().expect("an object").len(), 1, "nothing else is blamed: {found}");
    }
    // What is stored is as good as it was.
    assert_eq!(verdict(world, json!({})).await, json!({ "valid": true }));
}

async fn nobody_is_authenticated_yet(world: &World) {
    let check = world.check().await;
    assert_eq!((&check["authenticated"], &check["scmName"]), (&Value::Null, &json!("Gitea")));
    let link = check["supportsOauth2"]["authUrl"].as_str().expect("a link");
    assert!(link.starts_with(&format!("http://{}/oauth/start/", world.server.address)), "{link}");
    let parsed = world.ask("ParseContextURL", json!({ "contextUrl": world.repository() })).await;
    parsed.refused(400, "failed_precondition", "authentication");
    assert!(parsed.detail("gitpod.v1.ParseContextURLPreconditionFailureDetails").is_some());
}

/// The person says no at Gitea.
async fn denied(world: &World) {
    let mut browser = world.gitea.sign_in().await;
    let authorize = world.to_forge(&mut browser).await;
    let back = browser.decide(&authorize, false).await;
    assert!(back.query_pairs().any(|(name, value)| name == "error" && value == "access_denied"), "{back}");
    let (status, page) = world.come_back(&mut browser, &back).await;
    assert!(status == 403 && page.contains("Access was denied"), "{status} {page}");
    failed_with(world, "denied", 1).await;
}

/// The person takes more than ten minutes: for the page, and for the forge's.
async fn too_late(world: &World) {
    const LATER: &str =
        "UPDATE oauth_ticket SET expires_at = expires_at - 660000000 WHERE finished_at IS NULL";
    let database = world.database().await;
    let mut browser = world.gitea.sign_in().await;
    let check = world.check().await;
    let link = check["authenticationUrl"].as_str().expect("a link");
    database.execute(LATER).await;
    let (status, page) = world.come_back(&mut browser, &Url::parse(link).expect("a URL")).await;
    assert!(status == 404 && page.contains("no longer good"), "{status} {page}");

    let authorize = world.to_forge(&mut browser).await;
    let back = browser.decide(&authorize, true).await;
    database.execute(LATER).await;
    let (status, page) = world.come_back(&mut browser, &back).await;
    assert!(status == 404 && page.contains("no longer good"), "{status} {page}");
}

/// An administrator typed the secret wrong: Gitea refuses the agent, and the page says who can mend it.
async fn with_a_wrong_client_secret(world: &World) {
    world.update(json!({ "oauthPlaintextClientSecret": "canary-wrong-secret-4711" })).await;
    let mut browser = world.gitea.sign_in().await;
    let authorize = world.to_forge(&mut browser).await;
    let back = browser.decide(&authorize, true).await;
    let (status, page) = world.come_back(&mut browser, &back).await;
    assert!(status == 502 && page.contains("client id and secret"), "{status} {page}");
    assert!(page.contains("an administrator must enter"), "{page}");
    failed_with(world, "refused by the forge or the runner", 1).await;
    assert!(world.tokens().await.is_empty());
    world.update(json!({ "oauthPlaintextClientSecret": world.client_secret })).await;
}

/// Whoever gets hold of the code on its way, and even knows the client secret, has no use for it.
async fn connected_with_pkce(world: &World) {
    let mut browser = world.gitea.sign_in().await;
    let authorize = world.to_forge(&mut browser).await;
    let asked: HashMap<_, _> = authorize.query_pairs().into_owned().collect();
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["code_challenge"].len(), 43);
    assert_eq!(asked["redirect_uri"], format!("http://{}/oauth/callback", world.server.address));
    let back = browser.decide(&authorize, true).await;
    let returned: HashMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!(returned["state"], asked["state"]);

    let mut thief = Browser::new();
    let stolen = [
        ("grant_type", "authorization_code"),
        ("client_id", world.client_id.as_str()),
        ("client_secret", world.client_secret.as_str()),
        ("code", returned["code"].as_str()),
        ("redirect_uri", asked["redirect_uri"].as_str()),
    ];
    let token = format!("{}/login/oauth/access_token", world.gitea.origin);
    let guess = "A".repeat(43);
    let guessed = [&stolen[..], &[("code_verifier", guess.as_str())]].concat();
    for attempt in [&stolen[..], &guessed] {
        assert_eq!(thief.submit(&token, attempt).await.status(), 400, "no verifier, no token");
    }
    let (status, page) = world.come_back(&mut thief, &back).await;
    assert!(status == 403 && page.contains("another browser"), "{status} {page}");

    let (status, page) = world.come_back(&mut browser, &back).await;
    assert!(status == 200 && page.contains("Connected as ada"), "{status} {page}");
    let (status, _) = world.come_back(&mut browser, &back).await;
    assert_eq!(status, 404, "a code comes once");
    let tokens = world.tokens().await;
    let [token] = &tokens[..] else { panic!("one token: {tokens:?}") };
    assert_eq!(token["source"], "HOST_AUTHENTICATION_TOKEN_SOURCE_OAUTH");
    assert_eq!(token["integrationId"], json!(world.integration));
    assert!(token["expiresAt"].is_string(), "{token}");
}

/// Everything a runner answers about a private repository, and to nobody else.
async fn the_callers_own_token_is_used(world: &World) {
    assert_eq!(world.check().await["authenticated"], true);
    let branch = format!("{}/src/branch/feature/x", world.repository());
    let parsed = world.ask("ParseContextURL", json!({ "contextUrl": branch })).await.ok();
    let git = &parsed["git"];
    assert_eq!((&git["owner"], &git["branch"]), (&json!("ada"), &json!("feature/x")));
    assert_eq!(git["cloneUrl"], json!(format!("{}.git", world.repository())));
    let found = world.ask("SearchRepositories", json!({ "searchString": REPOSITORY })).await.ok();
    assert_eq!(found["repositories"][0]["name"], json!(format!("ada/{REPOSITORY}")), "{found}");
    let found = world.ask("ListSCMOrganizations", json!({ "scmHost": world.gitea.host() })).await.ok();
    assert_eq!(found["organizations"][0]["name"], "ada-org", "{found}");
    let access = json!({ "repositoryUrl": world.repository() });
    assert_eq!(world.ask("CheckRepositoryAccess", access.clone()).await.ok()["hasAccess"], true);

    let stranger = world.admin.create_user("stranger", "ORGANIZATION_ROLE_ADMIN").await;
    let check = json!({ "host": world.gitea.host() });
    let check = world.ask_as(&stranger, "CheckAuthenticationForHost", check).await.ok();
    assert_ne!(check["authenticated"], true, "another's token is not theirs");
    let parsed = world.ask_as(&stranger, "ParseContextURL", json!({ "contextUrl": branch })).await;
    parsed.refused(400, "failed_precondition", "authentication");
    let access = world.ask_as(&stranger, "CheckRepositoryAccess", access).await;
    access.refused(400, "failed_precondition", "authentication");
}

/// When it is due, the agent trades the refresh token at Gitea for a new pair, and that works.
async fn renewed(world: &World) {
    let database = world.database().await;
    let id = world.tokens().await[0]["id"].as_str().expect("an id").to_owned();
    let before = database.sealed(&id, "host_token.value").await.expect("a ciphertext");
    assert_eq!(database.execute("UPDATE host_token_refresh SET due_at = 1").await, 1);
    let begun = Instant::now();
    while database.sealed(&id, "host_token.value").await.expect("a ciphertext") == before {
        assert!(begun.elapsed() < PATIENCE, "never renewed; the agent says:\n{}", world.agent.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.check().await["authenticated"], true);
    let parsed = world.ask("ParseContextURL", json!({ "contextUrl": world.repository() })).await.ok();
    assert_eq!(parsed["git"]["owner"], "ada");
}

/// Past its end a token is not even tried.
async fn a_token_that_ended_is_none(world: &World) {
    world.database().await.execute("UPDATE host_token SET expires_at = 1").await;
    assert_ne!(world.check().await["authenticated"], true);
    let parsed = world.ask("ParseContextURL", json!({ "contextUrl": world.repository() })).await;
    parsed.refused(400, "failed_precondition", "authentication");
    assert_eq!(world.tokens().await.len(), 1, "it is still shown");
}

/// Nobody is there who could open the client secret.
async fn offline(world: &mut World) {
    let mut browser = world.gitea.sign_in().await;
    let check = world.check().await;
    let link = check["authenticationUrl"].as_str().expect("a link");
    world.agent.kill();
    world.until_phase("RUNNER_PHASE_INACTIVE").await;
    let answer = world.confirm_at(&mut browser, link).await;
    let (status, page) = (answer.status(), answer.text().await.expect("text"));
    assert!(status == 503 && page.contains("sealink agent run"), "{status} {page}");
    failed_with(world, "runner offline", 1).await;
}

/// So many flows of the audit log failed for this reason.
async fn failed_with(world: &World, reason: &str, times: i64) {
    let sql = format!(
        "SELECT count(*) FROM audit_entry WHERE action = 'oauth.fail' AND CAST(details AS TEXT) LIKE '%{reason}%'"
    );
    assert_eq!(world.database().await.count_of(sql).await, times, "{reason}");
}
