//! What an integration may say: ids, hosts, issuers, and the rules of each SCM.
use serde_json::{Value, json};

use crate::support::{Actor, Agent, TestServer};

async fn scene() -> (TestServer, Actor, Agent) {
    let server = TestServer::start().await;
    let admin = server.admin();
    let agent = admin.register().await;
    (server, admin, agent)
}

fn pat(host: &str) -> Value {
    json!({ "host": host, "pat": true, "oauthClientId": null, "oauthPlaintextClientSecret": null })
}

/// A10: one spelling of a UUID, either case, stored lower.
#[tokio::test]
async fn a10_runner_ids_have_one_spelling() {
    let (_server, admin, agent) = scene().await;
    let id = &agent.runner;
    let braced = format!("{{{id}}}");
    let urn = format!("urn:uuid:{id}");
    let bare = id.replace('-', "");
    for bad in ["", "x", "runner", &braced, &urn, &bare, &format!("{id} "), &id[1..]] {
        admin.try_integrate(bad, &json!({})).await.blames("runner_id");
        let got = admin.call("RunnerService/GetRunner", &json!({ "runnerId": bad })).await;
        got.blames("runner_id");
    }
    let integration = admin.integrate(&id.to_uppercase(), &json!({})).await;
    assert_eq!(admin.integration(&integration.to_uppercase()).await["runnerId"], json!(id));
    let shown = admin.runner(&id.to_uppercase()).await;
    assert_eq!(shown["runnerId"], json!(id));
}

/// A17: a host is a host, nothing more.
#[tokio::test]
async fn a17_hosts_that_are_more_than_a_host() {
    let (_server, admin, agent) = scene().await;
    let long = format!("{}.com", "a".repeat(63) + &".b".repeat(95));
    for bad in [
        "user:pw@github.com",
        "user@github.com",
        "github.com/x",
        "github.com?x",
        "github.com#x",
        "github.com\\evil",
        "git\thub.com",
        "github.com\r",
        "github.com\n",
        "git hub.com",
        " github.com",
        "github.com ",
        "%2e",
        "git%2ehub.com",
        "",
        ".",
        "..",
        "*.github.com",
        "a..b",
        "-a.com",
        "a-.com",
        "https://github.com",
        "a_b.com",
        "github.com:",
        "github.com:x",
        "github.com:443:443",
        "github.com:0443",
        "[github.com]",
        "[::1",
        &long,
        "dev.azure.com/contoso",
    ] {
        admin.try_integrate(&agent.runner, &pat(bad)).await.blames("host");
    }
    for good in
        ["GitHub.Example.COM", "ghe.example.com:8443", "forge", "a-b.example", "xn--bcher-kva.example"]
    {
        let id = admin.integrate(&agent.runner, &pat(good)).await;
        assert_eq!(admin.integration(&id).await["host"], json!(good), "kept as sent");
    }
    let again = admin.try_integrate(&agent.runner, &pat("github.example.com")).await;
    again.refused(409, "already_exists", "");
    let entra = |host: &str| {
        let mut over = pat(host);
        over["scmId"] = json!("azuredevops_entra");
        over
    };
    admin.integrate(&agent.runner, &entra("dev.azure.com/contoso")).await;
    for bad in
        ["dev.azure.com/", "dev.azure.com/a/b", "dev.azure.com/..", "evil.com/contoso", "dev.azure.com/a?b"]
    {
        admin.try_integrate(&agent.runner, &entra(bad)).await.blames("host");
    }
}

/// A18: an address has one spelling, and none that leads to this machine or a cloud's metadata.
#[tokio::test]
async fn a18_addresses_in_disguise() {
    let (_server, admin, agent) = scene().await;
    for bad in [
        "127.1",
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "１２７.0.0.1",
        "127。0。0。1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "[0:0:0:0:0:0:0:1]",
        "10.1",
        "10.0.0.01",
        "[2001:DB8:0::1]",
        "127.0.0.1:3000",
        "[::1]:3000",
    ] {
        admin.try_integrate(&agent.runner, &pat(bad)).await.blames("host");
    }
    for good in ["10.0.0.1", "192.168.1.20:3000", "[fd00::1]", "[2001:db8::1]:8443", "203.0.113.9"] {
        admin.integrate(&agent.runner, &pat(good)).await;
    }
}

/// A19: names that mean this machine, and ports that no forge listens on.
#[tokio::test]
async fn a19_local_names_and_odd_ports() {
    let server =
        TestServer::start_with(&[("scm.allowed_origins", "http://127.0.0.1:3000,http://localhost:3000")])
            .await;
    let admin = server.admin();
    let agent = admin.register().await;
    for bad in [
        "localhost",
        "LOCALHOST",
        "x.localhost",
        "metadata.google.internal",
        "metadata.goog",
        "github.com.",
        "localhost:3001",
        "127.0.0.1",
    ] {
        let refused = admin.try_integrate(&agent.runner, &pat(bad)).await;
        refused.blames("host");
    }
    let refused = admin.try_integrate(&agent.runner, &pat("localhost")).await;
    assert!(refused.message().contains("scm.allowed_origins"), "{}", refused.message());
    for port in ["0", "22", "99999", "-1", "65536", "+80"] {
        admin.try_integrate(&agent.runner, &pat(&format!("github.com:{port}"))).await.blames("host");
    }
    for good in ["forge.local", "git.corp.internal", "127.0.0.1:3000", "localhost:3000", "github.com:65535"] {
        admin.integrate(&agent.runner, &pat(good)).await;
    }
}

/// A20: look-alikes in Unicode are refused; their ASCII form is shown as it is.
#[tokio::test]
async fn a20_homographs() {
    let (_server, admin, agent) = scene().await;
    for bad in ["gіthub.com", "gιthub.com", "ｇithub.com", "bücher.example"] {
        admin.try_integrate(&agent.runner, &pat(bad)).await.blames("host");
    }
    let id = admin.integrate(&agent.runner, &pat("xn--gthub-n4a.com")).await;
    assert_eq!(admin.integration(&id).await["host"], "xn--gthub-n4a.com");
}

/// A21: an issuer is an https URL with a name in it.
#[tokio::test]
async fn a21_issuers() {
    let (_server, admin, agent) = scene().await;
    let entra =
        |issuer: &str| json!({ "scmId": "azuredevops_entra", "host": "dev.azure.com", "issuerUrl": issuer });
    let long = format!("https://login.example.com/{}", "x".repeat(2_048));
    for bad in [
        "http://login.example.com",
        "ftp://login.example.com",
        "https://user@login.example.com",
        "https://user:pw@login.example.com/",
        "https://login.example.com/#x",
        "https://login.example.com/?x=1",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://0x7f000001/",
        "//login.example.com",
        "/v2.0",
        "login.example.com",
        "https://",
        "https://login.example.com\\x",
        "https://login.example.com./",
        &long,
    ] {
        admin.try_integrate(&agent.runner, &entra(bad)).await.blames("issuer_url");
    }
    let id = admin.integrate(&agent.runner, &entra("https://login.example.com/t/oauth2/v2.0")).await;
    let secret = |issuer: &str| json!({ "issuerUrl": issuer, "oauthPlaintextClientSecret": "second" });
    for bad in ["http://login.example.com", "https://127.0.0.1/"] {
        admin.update_integration(&id, &secret(bad)).await.blames("issuer_url");
    }
    assert_eq!(agent.opened(&id).await, "canary-client-secret-4711");
}

/// A29: which SCMs there are, and members that only one of them has.
#[tokio::test]
async fn a29_members_of_one_scm_only() {
    let (_server, admin, agent) = scene().await;
    for bad in ["", "GitHub", "bitbucket_server", "../", &"x".repeat(65), "github\0"] {
        admin.try_integrate(&agent.runner, &json!({ "scmId": bad })).await.blames("scm_id");
    }
    for (at, scm) in ["github", "gitlab", "bitbucket", "gitea", "forgejo"].iter().enumerate() {
        let host = format!("scm{at}.example.com");
        let issuer = json!({ "scmId": scm, "host": host, "issuerUrl": "https://login.example.com/" });
        admin.try_integrate(&agent.runner, &issuer).await.blames("issuer_url");
        let directory = json!({ "scmId": scm, "host": host, "virtualDirectory": "/tfs" });
        admin.try_integrate(&agent.runner, &directory).await.blames("virtual_directory");
        let plain = admin.integrate(&agent.runner, &json!({ "scmId": scm, "host": host })).await;
        assert_eq!(agent.opened(&plain).await, "canary-client-secret-4711");
        admin
            .update_integration(&plain, &json!({ "virtualDirectory": "/x" }))
            .await
            .blames("virtual_directory");
    }
    let server = |directory: &str| {
        let mut over = pat("ado.example.com");
        over["scmId"] = json!("azuredevops_server");
        over["virtualDirectory"] = json!(directory);
        over
    };
    for bad in ["tfs", "/", "//", "/../", "/tfs/..", "/./x", "/tfs/", "/t fs", "/tfs?x", "/%2e", "/tfs\\x"] {
        admin.try_integrate(&agent.runner, &server(bad)).await.blames("virtual_directory");
    }
    admin.integrate(&agent.runner, &server("/tfs/DefaultCollection")).await;
}

/// A30: what Azure DevOps needs.
#[tokio::test]
async fn a30_azure_devops() {
    let (_server, admin, agent) = scene().await;
    let entra = json!({ "scmId": "azuredevops_entra", "host": "dev.azure.com" });
    admin.try_integrate(&agent.runner, &entra).await.blames("issuer_url");
    let oauth =
        json!({ "scmId": "azuredevops_server", "host": "ado.example.com", "virtualDirectory": "/tfs" });
    admin.try_integrate(&agent.runner, &oauth).await.blames("oauth_client_id");
    let mut bare = pat("ado.example.com");
    bare["scmId"] = json!("azuredevops_server");
    admin.try_integrate(&agent.runner, &bare).await.blames("virtual_directory");
    // Without OAuth an issuer has no place in what is read.
    let mut over = pat("dev.azure.com");
    over["scmId"] = json!("azuredevops_entra");
    over["issuerUrl"] = json!("https://login.example.com/v2.0");
    let id = admin.integrate(&agent.runner, &over).await;
    assert_eq!(admin.integration(&id).await.get("oauth"), None);
}

/// The order of the checks: who, which runner, what, with which key.
#[tokio::test]
async fn checks_come_in_their_order() {
    let (server, admin, agent) = scene().await;
    let method = "RunnerConfigurationService/CreateSCMIntegration";
    let keyless = admin.enroll().await;
    let member = server.member("member").await;
    let bad_host = |runner: &str| json!({ "runnerId": runner, "scmId": "github", "host": "..", "pat": true });
    let garbage = server.nobody().raw(method, "application/json", "{").await;
    garbage.refused(401, "unauthenticated", "");
    agent.actor.raw(method, "application/json", "{").await.refused(400, "invalid_argument", "");
    agent.actor.call(method, &json!({ "runnerId": "x" })).await.refused(403, "permission_denied", "");
    member.call(method, &json!({ "runnerId": "x" })).await.blames("runner_id");
    let unknown = "0198a7c0-0000-7000-8000-0000000000ff";
    member.call(method, &bad_host(unknown)).await.refused(404, "not_found", "runner not found");
    member.call(method, &bad_host(&agent.runner)).await.refused(403, "permission_denied", "");
    admin.call(method, &bad_host(&keyless.runner)).await.blames("host");
    let oauth = json!({});
    admin.try_integrate(&keyless.runner, &oauth).await.refused(400, "failed_precondition", "public key");
    admin.integrate(&agent.runner, &oauth).await;
    admin.try_integrate(&agent.runner, &oauth).await.refused(409, "already_exists", "");
}
