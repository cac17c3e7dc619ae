//! Which repositories a search finds, word by word, and how much of a list is read.
use serde_json::json;

use super::{
    conformance::names,
    site::{Site, with_forges},
};
use crate::{forges::Fault, support::Answer};

async fn search(site: &Site, scm_type: &str, query: &str) -> Answer {
    site.get(&format!("/{scm_type}/search_repos?query={query}")).await
}

async fn found(site: &Site, scm_type: &str, query: &str) -> Vec<String> {
    names(&search(site, scm_type, query).await.ok(), "repositories", "fullName")
}

/// What was asked last, below the path.
fn asked(site: &Site, scm_type: &str) -> String {
    let last = site.forge(scm_type).requests().pop().expect("a question");
    let url = url::Url::parse(&format!("http://forge{}", last.target)).expect("a target");
    let text = url.query_pairs().find(|(name, _)| name == "q").map(|(_, text)| text.into_owned());
    text.unwrap_or_default()
}

/// Without a word, these are the repositories that the person works with.
async fn no_query_finds_ones_own(site: &Site) {
    for (scm_type, _) in &site.forges {
        site.link(scm_type).await;
        let own = found(site, scm_type, "").await;
        assert!(own.contains(&"octo/hello".to_owned()), "{scm_type}: {own:?}");
        assert!(!own.contains(&"fan/hello".to_owned()), "{scm_type}: {own:?}");
        assert_eq!(found(site, scm_type, "user:nobody-here").await, Vec::<String>::new(), "{scm_type}");
    }
    // In quotes there is nothing, so nothing is asked for.
    let own = found(site, "github-enterprise", "").await;
    assert_eq!(found(site, "github-enterprise", "%22+%5C").await, own);
    assert_eq!(found(site, "github-enterprise", "fork:true").await.len(), own.len() + 1);
}

/// Every word must be there, wherever it stands; a comma is a letter as any other.
async fn every_word_must_be_there(site: &Site) {
    for scm_type in ["gitea", "forgejo"] {
        site.link(scm_type).await;
        let found = async |query: &str| found(site, scm_type, query).await;
        assert_eq!(found("llo+HE").await, ["octo/hello"], "{scm_type}: in any order");
        assert_eq!(found("nothing+empty").await, ["octo/empty"], "{scm_type}: in the description, too");
        assert_eq!(found("nothing,+empty").await, ["octo/empty"], "{scm_type}");
        for nothing in ["hello+empty", "hello,empty", "hello,"] {
            assert_eq!(found(nothing).await, Vec::<String>::new(), "{scm_type} {nothing}");
        }
        assert_eq!(found(",").await, ["octo/empty"], "{scm_type}");
        assert_eq!(found("oct/hell").await, ["octo/hello"], "{scm_type}: parts of owner and name");
        assert_eq!(found("looking").await, ["octo/looking-glass"], "{scm_type}: a mirror is no fork");
    }
}

/// What looks like a qualifier or an operator is a word, whatever quotes it brings.
async fn words_are_words_at_github(site: &Site) {
    site.link("github-enterprise").await;
    for (query, expected) in [
        ("hell+user:octo", "hell user:octo"),
        ("org:evil+-user:x+NOT+fork:only", r#""org:evil" "-user:x" "NOT" "fork:only""#),
        ("a+or+b+AND+c", r#"a "or" b "AND" c"#),
        ("%22org:evil", r#""org:evil""#),
        ("x%22+org:evil+%22y", r#"x "org:evil" y"#),
        ("a%22org:evil%22b%5C", r#""a org:evil b""#),
        ("%3E1", r#"">1""#),
        ("h%C3%A9llo.js", "h\u{e9}llo.js"),
    ] {
        search(site, "github-enterprise", query).await.ok();
        assert_eq!(asked(site, "github-enterprise"), expected, "{query}");
    }
}

/// Forks come first and fill whole pages, and pages are short: a hundred are found all the same.
async fn the_first_hundred_are_those_that_match(site: &Site) {
    for (scm_type, _) in &site.forges {
        site.link(scm_type).await;
        let answer = search(site, scm_type, "crowd").await;
        let repositories = names(&answer.ok(), "repositories", "fullName");
        assert_eq!(repositories.len(), 100, "{scm_type}");
        assert!(repositories.iter().all(|name| name.starts_with("octo/crowd-")), "{scm_type}");
        assert_eq!(answer.headers["x-sealink-truncated"], "true", "{scm_type}: there are 130");
        let few = search(site, scm_type, "crowd-12+fork:true").await;
        assert_eq!(few.headers.get("x-sealink-truncated"), None, "{scm_type}");
    }
}

/// However short a forge's pages are, a list is read to its end.
async fn short_pages_hide_nothing(site: &Site) {
    for (scm_type, _) in &site.forges {
        site.link(scm_type).await;
        let all = site.get(&format!("/{scm_type}/branches?repo_name=octo/short")).await;
        assert_eq!(all.ok()["branches"].as_array().map(Vec::len), Some(500), "{scm_type}");
        assert_eq!(all.headers.get("x-sealink-truncated"), None, "{scm_type}");
    }
}

/// Each fork's name is a question of its own at GitLab: a hundred are asked for, and who asks for more is told.
async fn forks_of_merge_requests_have_names(site: &Site) {
    site.link("gitlab-self-hosted").await;
    let pulls = async |query: &str| {
        let path = format!("/gitlab-self-hosted/search_pull_requests?query={query}+repo:octo/popular");
        let answer = site.get(&path).await;
        let sources = names(&answer.ok(), "pull_requests", "source_repo_name");
        let named = sources.iter().filter(|name| name.ends_with("/popular")).count();
        (sources.len(), named, answer.headers.contains_key("x-sealink-truncated"))
    };
    assert_eq!(pulls("is:open").await, (45, 45, false));
    assert_eq!(pulls("").await, (130, 100, true));
}

/// What a forge says of a page is shown to people only if it is one.
async fn only_pages_are_shown(site: &Site) {
    for (scm_type, _) in &site.forges {
        site.link(scm_type).await;
        let empty = search(site, scm_type, "empty").await.ok();
        assert_eq!(empty["repositories"][0]["url"], "", "{scm_type}: {empty}");
        let pulls = site.get(&format!("/{scm_type}/search_pull_requests?query=orphan+repo:octo/hello")).await;
        assert_eq!(pulls.ok()["pull_requests"][0]["html_url"], "", "{scm_type}");
    }
}

/// The address is asked for by itself where the profile does not say it, and is nobody's business without that right.
async fn an_address_may_stay_unknown(site: &Site) {
    for scm_type in ["gitea", "forgejo", "github-enterprise"] {
        site.forge(scm_type).break_with(Fault::EmailsForbidden);
        assert_eq!(site.link(scm_type).await["email"], json!(null), "{scm_type}");
    }
}

with_forges!(
    no_query_finds_ones_own,
    every_word_must_be_there,
    words_are_words_at_github,
    the_first_hundred_are_those_that_match,
    short_pages_hide_nothing,
    forks_of_merge_requests_have_names,
    only_pages_are_shown,
    an_address_may_stay_unknown,
);
