//! Commands about what is sealed, against a running server.
use crate::commands::Site;

#[test]
fn host_tokens_are_stored_shown_and_deleted() {
    let site = Site::start();
    let runner = site.ok("runner create build-1 --exchange-token-file once");
    site.write("token", "canary-token\n");
    site.write("refresh", "canary-refresh\n");
    let create = format!("host-token create --runner {runner} --host github.com --value-file token");
    site.run(&create).failed(1, &["sealink agent register"]);
    site.ok("agent register --exchange-token-file once");
    let id = site.ok(&format!(
        "{create} --refresh-file refresh --source oauth --scope repo --scope read:user --expires-in 12h"
    ));
    site.run(&create).failed(1, &["already exists"]);
    let listed = site.ok(&format!("host-token list --runner {runner}"));
    assert!(listed.contains(&id) && listed.contains("oauth") && listed.contains(" hours"), "{listed}");
    let shown = site.ok(&format!("host-token show {id}"));
    assert!(shown.contains("repo, read:user") && !shown.contains("canary"), "{shown}");
    assert_eq!(site.json(&format!("host-token show {id}"))["host"], "github.com");
    site.ok(&format!("host-token delete {id}"));
    site.run(&format!("host-token show {id}")).failed(1, &["sealink host-token list"]);
    site.write("long", &"x".repeat(8_193));
    let long = format!("host-token create --runner {runner} --host github.com --value-file long");
    site.run(&long).failed(64, &["8192 bytes"]);
}

#[test]
fn llm_integrations_are_made_changed_opened_and_deleted() {
    let site = Site::start();
    let runner = site.ok("runner create build-1 --exchange-token-file once");
    site.write("key", "canary-api-key-4711\n");
    site.write("team", "canary-team-4712");
    let create = format!(
        "llm create --runner {runner} --model sonnet-4-5 --endpoint https://llm.example.com/v1 --api-key-file key"
    );
    site.run(&create).failed(1, &["sealink agent register"]);
    site.ok("agent register --exchange-token-file once");
    let id = site.ok(&create);
    let listed = site.ok(&format!("llm list --runner {runner}"));
    for text in [id.as_str(), "anthropic", "sonnet-4-5", "available"] {
        assert!(listed.contains(text), "{text}: {listed}");
    }
    let nothing = site.run(&format!("llm update {id}"));
    nothing.failed(64, &["nothing to change"]);
    site.run(&format!("llm update {id} --endpoint https://other.example.com")).failed(1, &["api_key"]);
    site.ok(&format!("llm update {id} --header-file X-Team=team --model opus-4-5"));
    let shown = site.ok(&format!("llm show {id}"));
    assert!(shown.contains("opus-4-5") && shown.contains("X-Team (sealed, "), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(site.json(&format!("llm show {id}"))["endpoint"], "https://llm.example.com/v1");

    // The agent opens both, and shows them only if it is asked to.
    let fetched = site.ok("agent fetch");
    assert!(fetched.contains("llm.api_key") && fetched.contains("X-Team"), "{fetched}");
    assert!(!fetched.contains("canary"), "{fetched}");
    let opened = site.json("agent fetch --reveal");
    let llm = &opened["llmIntegrations"][0];
    assert_eq!(
        (&llm["apiKey"], &llm["headers"][0]["value"], &llm["models"][0]),
        (&"canary-api-key-4711".into(), &"canary-team-4712".into(), &"OPUS_4_5".into())
    );
    let secrets = site.ok(&format!("runner key secrets {runner}"));
    assert!(secrets.contains("llm.api_key") && secrets.contains("OK"), "{secrets}");

    site.ok(&format!("llm update {id} --disable"));
    assert!(site.ok(&format!("llm show {id}")).contains("disabled"));
    site.ok(&format!("llm update {id} --enable"));
    site.run(&format!("llm delete {id}")).failed(1, &["force"]);
    site.ok(&format!("llm delete {id} --force"));
    site.run(&format!("llm show {id}")).failed(1, &["sealink llm list"]);
    // clap says how to get help on a line of its own.
    let unknown = site.run(&create.replace("sonnet-4-5", "eliza"));
    assert!(unknown.code == 64 && unknown.stderr.contains("names look like"), "{unknown:?}");
}
