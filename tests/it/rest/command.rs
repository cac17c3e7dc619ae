//! `sealink account` against a running server and a fake of a forge.
use crate::{
    commands::Site,
    forges::{FakeForge, Kind, NEXT_TOKEN, OTHER_TOKEN, TOKEN},
};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_linked_used_and_unlinked() {
    let fake = FakeForge::start(Kind::Gitea).await;
    let walk = tokio::task::spawn_blocking(move || walk(&fake.origin));
    walk.await.expect("a walk without a panic");
}

fn walk(origin: &str) {
    let site = Site::start_with(&[("SEALINK_SCM_ALLOWED_ORIGINS", origin)]);
    site.write("token", &format!("{TOKEN}\n"));
    site.write("next", NEXT_TOKEN);
    site.write("other", OTHER_TOKEN);
    assert_eq!(site.json("account list"), serde_json::json!([]));
    let link = format!("account link gitea --url {origin} --access-token-file");
    site.run("account show gitea").failed(1, &["account not found", "sealink account list"]);
    site.run(&format!("account link svn --url {origin} --access-token-file token")).failed(64, &["TYPE: "]);
    let id = site.ok(&format!("{link} token"));
    site.run(&format!("{link} next")).failed(64, &["--url: is linked already"]);
    assert!(site.ok("account list").contains("octo"));
    for name in [id.as_str(), "gitea"] {
        let shown = site.ok(&format!("account show {name}"));
        assert!(shown.contains("octo@forge.example") && shown.contains(origin), "{shown}");
    }
    site.run("account replace-token gitea --access-token-file other")
        .failed(64, &["--access-token-file: belongs to another account"]);
    site.ok("account replace-token gitea --access-token-file next");

    let imported = site.ok("account import-keys gitea");
    assert!(imported.contains("gitea-work laptop") && imported.contains("SHA256:"), "{imported}");
    assert_eq!(site.json("account import-keys gitea"), serde_json::json!([]));
    assert!(site.ok("account repos gitea hell").contains("https://forge.example/octo/hello"));
    assert!(site.ok("account orgs gitea").contains("octo-org"));
    assert!(site.ok("account pulls gitea octo/hello is:open").contains("A change"));
    assert!(site.ok("account branches gitea octo/hello").contains("feature/x"));
    site.run("account branches gitea octo/missing").failed(1, &["repository not found"]);
    site.run("account branches gitea octo").failed(64, &["owner/name"]);

    let keys = site.json("account keys list");
    let first = keys[0]["id"].as_str().expect("an id").to_owned();
    site.ok(&format!("account keys delete {first}"));
    site.run(&format!("account keys delete {first}")).failed(1, &["sealink account keys list"]);
    site.write("laptop.pub", &format!("{KEY} me@laptop\n"));
    let key = site.ok("account keys add laptop laptop.pub");
    site.run("account keys add again laptop.pub").failed(64, &["the file: has already been taken"]);
    assert!(site.ok("account keys list").contains(&key));

    site.ok("account unlink gitea");
    site.run("account unlink gitea").failed(1, &["account not found"]);
}
