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
