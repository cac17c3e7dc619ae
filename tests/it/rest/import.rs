//! Whose keys are imported: they let their owner in by SSH, so a name that was stored proves nothing.
use http::Method;
use serde_json::json;

use super::{
    conformance::names,
    site::{Site, with_forges},
};
use crate::{forges::Fault, support::Answer};

async fn import(site: &Site, scm_type: &str) -> Answer {
    let path = format!("/v1/scm_integrations/{scm_type}/import_keys");
    site.nora.rest(Method::POST, &path, None).await
}

/// The person is called otherwise now, somebody else has the old name, and the token may not list its own keys.
async fn a_login_that_changed_hands_brings_no_keys(site: &Site) {
    site.link("github-enterprise").await;
    let fake = site.forge("github-enterprise");
    fake.break_with(Fault::TakenOver);
    let imported = import(site, "github-enterprise").await;
    assert_eq!(imported.status, 201, "{imported:?}");
    let keys = names(&imported.value(), "keys", "name");
    assert_eq!(keys, ["github-enterprise-key-1", "github-enterprise-key-2"]);
    let content = imported.value().to_string();
    assert!(!content.contains("GRlZmdoaWprbG1ub3Bx"), "the key of who is called octo now: {content}");
    assert!(fake.requests().iter().all(|one| !one.target.contains("users/octo")), "nor is it asked for");
}

/// A token that is said to be another person's is refused, and brings no keys.
async fn another_persons_token_brings_no_keys(site: &Site) {
    for (scm_type, fake) in &site.forges {
        site.link(scm_type).await;
        fake.break_with(Fault::Replaced);
        let refused = import(site, scm_type).await;
        refused.said(403, "the access token belongs to another account of the forge");
        assert_eq!(refused.value()["code"], "scm_token_rejected", "{scm_type}");
        let keys = site.nora.rest(Method::GET, "/v1/keys", None).await.ok();
        assert_eq!(keys, json!({ "keys": [] }), "{scm_type}");
        fake.break_with(Fault::None);
    }
}

with_forges!(a_login_that_changed_hands_brings_no_keys, another_persons_token_brings_no_keys);
