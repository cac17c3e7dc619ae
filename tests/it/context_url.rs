//! URLs people copy from forges: what each shape means, and that hostile ones mean nothing.
use proptest::{prelude::*, sample::select};
use sealink::domain::{
    context_url::{ContextUrl, NotAPlace, RevisionKind, Site, Target},
    scm::Scm,
};

/// What is expected in the words of the tables: `branch a|a/b` lists the candidates.
fn say(target: &Target) -> String {
    match target {
        Target::Repository => "repository".to_owned(),
        Target::Commit(sha) => format!("commit {sha}"),
        Target::PullRequest(number) => format!("request {number}"),
        Target::Issue(number) => format!("issue {number}"),
        Target::Revision(revision) => {
            let kind = match revision.kind {
                RevisionKind::Branch => "branch",
                RevisionKind::Tag => "tag",
                RevisionKind::Any => "revision",
            };
            format!("{kind} {}", revision.candidates().collect::<Vec<_>>().join("|"))
        }
    }
}

/// Every row: a URL's path, the owner and repository, and the place.
#[track_caller]
fn table(site: &Site, prefix: &str, rows: &[(&str, &str, &str)]) {
    assert!(rows.len() >= 8, "a table of at least eight shapes");
    for (path, repository, place) in rows {
        let url = format!("{prefix}{path}");
        let found = site.parse(&url).unwrap_or_else(|refused| panic!("{url}: {refused:?}"));
        assert_eq!((found.full_name().as_str(), say(&found.target).as_str()), (*repository, *place), "{url}");
        assert_eq!(found.host, site.authority(), "{url}");
    }
}

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn github() {
    let commit = format!("/octo/hello/commit/{SHA}");
    let blob = format!("/octo/hello/blob/{SHA}/src/lib.rs");
    let (sha, rows) = (format!("commit {SHA}"), "octo/hello");
    table(
        &Site::new(Scm::GitHub, "github.com", ""),
        "https://github.com",
        &[
            ("/octo/hello", rows, "repository"),
            ("/octo/hello/", rows, "repository"),
            ("/octo/hello.git", rows, "repository"),
            ("/octo/hello?tab=readme#usage", rows, "repository"),
            ("/octo/hello/actions", rows, "repository"),
            ("/octo/hello/tree/main", rows, "revision main"),
            ("/octo/hello/tree/feature/x/src", rows, "revision feature|feature/x|feature/x/src"),
            ("/octo/hello/tree/caf%C3%A9", rows, "revision café"),
            ("/octo/hello/blob/main/README.md", rows, "revision main|main/README.md"),
            ("/octo/hello/raw/refs/heads/main/a", rows, "branch main|main/a"),
            ("/octo/hello/tree/refs/tags/v1", rows, "tag v1"),
            ("/octo/hello/releases/tag/v1.0/rc", rows, "tag v1.0/rc"),
            ("/octo/hello/releases", rows, "repository"),
            (&commit, rows, &sha),
            (&blob, rows, &sha),
            ("/octo/hello/pull/7", rows, "request 7"),
            ("/octo/hello/pull/7/files#diff-1", rows, "request 7"),
            ("/octo/hello/issues/9", rows, "issue 9"),
            ("/octo/hello/issues", rows, "repository"),
        ],
    );
}

#[test]
fn gitlab() {
    let commit = format!("/group/sub/deep/app/-/commit/{SHA}");
    let sha = format!("commit {SHA}");
    table(
        &Site::new(Scm::GitLab, "Gitlab.Example.com:8443", ""),
        "https://gitlab.example.com:8443",
        &[
            ("/group/app", "group/app", "repository"),
            ("/group/sub/deep/app.git", "group/sub/deep/app", "repository"),
            ("/group/app/-/tree/main", "group/app", "revision main"),
            ("/group/app/-/tree/a/b?ref_type=heads", "group/app", "branch a|a/b"),
            ("/group/app/-/blob/v1/x?ref_type=tags", "group/app", "tag v1|v1/x"),
            ("/group/app/-/tags/v1.0", "group/app", "tag v1.0"),
            ("/group/app/-/releases/v1.0", "group/app", "tag v1.0"),
            (&commit, "group/sub/deep/app", &sha),
            ("/group/sub/app/-/merge_requests/3/diffs", "group/sub/app", "request 3"),
            ("/group/app/-/merge_requests/new?x=1", "group/app", "repository"),
            ("/group/app/-/issues/4", "group/app", "issue 4"),
            ("/group/app/-/work_items/4", "group/app", "issue 4"),
            ("/group/app/-/pipelines", "group/app", "repository"),
            ("/group/app/merge_requests/3", "group/app", "request 3"),
            ("/group/app/tree/main", "group/app", "revision main"),
        ],
    );
}

#[test]
fn bitbucket() {
    let source = format!("/team/app/src/{SHA}/?at=feature%2Fx");
    let commit = format!("/team/app/commits/{SHA}");
    let sha = format!("commit {SHA}");
    table(
        &Site::new(Scm::Bitbucket, "bitbucket.org", ""),
        "https://bitbucket.org",
        &[
            ("/team/app", "team/app", "repository"),
            ("/team/app.git", "team/app", "repository"),
            ("/team/app/src/main/", "team/app", "revision main"),
            ("/team/app/src/main/docs/a.md", "team/app", "revision main"),
            (&source, "team/app", "revision feature/x"),
            ("/team/app/branch/feature/x", "team/app", "branch feature/x"),
            ("/team/app/commits/branch/main", "team/app", "branch main"),
            ("/team/app/commits/tag/v1", "team/app", "tag v1"),
            (&commit, "team/app", &sha),
            ("/team/app/pull-requests/12/a-title", "team/app", "request 12"),
            ("/team/app/issues/5/title", "team/app", "issue 5"),
            ("/team/app/overview", "team/app", "repository"),
        ],
    );
}

#[test]
fn azure_in_the_cloud() {
    let commit = format!("https://dev.azure.com/contoso/My%20App/_git/api/commit/{SHA}");
    let version = format!("https://dev.azure.com/contoso/My%20App/_git/api?version=GC{SHA}");
    let sha = format!("commit {SHA}");
    let api = "contoso/My App/api";
    for host in ["dev.azure.com", "dev.azure.com/Contoso"] {
        table(
            &Site::new(Scm::AzureEntra, host, ""),
            "",
            &[
                ("https://dev.azure.com/contoso/My%20App/_git/api", api, "repository"),
                ("https://contoso@dev.azure.com/contoso/My%20App/_git/api", api, "repository"),
                ("https://dev.azure.com/contoso/_git/web", "contoso/web/web", "repository"),
                (
                    "https://dev.azure.com/contoso/My%20App/_git/api?version=GBfeature%2Fx",
                    api,
                    "branch feature/x",
                ),
                ("https://dev.azure.com/contoso/My%20App/_git/api?path=/a&version=GTv1", api, "tag v1"),
                (&version, api, &sha),
                (&commit, api, &sha),
                ("https://dev.azure.com/contoso/My%20App/_git/api/pullrequest/8?_a=files", api, "request 8"),
                ("https://dev.azure.com/contoso/web/_workitems/edit/42", "contoso/web/web", "issue 42"),
                ("https://contoso.visualstudio.com/My%20App/_git/api", api, "repository"),
                ("https://contoso.visualstudio.com/DefaultCollection/My%20App/_git/api", api, "repository"),
                ("git@ssh.dev.azure.com:v3/contoso/My%20App/api", api, "repository"),
                ("ssh://contoso@vs-ssh.visualstudio.com/v3/contoso/My%20App/api", api, "repository"),
            ],
        );
    }
    let ours = Site::new(Scm::AzureEntra, "dev.azure.com/contoso", "");
    for other in ["https://dev.azure.com/fabrikam/a/_git/b", "https://fabrikam.visualstudio.com/a/_git/b"] {
        assert_eq!(ours.parse(other), Err(NotAPlace::OtherHost), "{other}");
    }
}

#[test]
fn azure_on_premises() {
    let commit = format!("/Main/App/_git/api/commit/{SHA}");
    let sha = format!("commit {SHA}");
    let api = "Main/App/api";
    table(
        &Site::new(Scm::AzureServer, "tfs.example.com", "/tfs"),
        "https://tfs.example.com/TFS",
        &[
            ("/Main/App/_git/api", api, "repository"),
            ("/Main/App/_git/api/", api, "repository"),
            ("/Main/_git/web", "Main/web/web", "repository"),
            ("/Main/App/_git/api?version=GBmain", api, "branch main"),
            ("/Main/App/_git/api?version=GTv1", api, "tag v1"),
            ("/Main/App/_git/api/commits?itemVersion=GBa%2Fb", api, "branch a/b"),
            (&commit, api, &sha),
            ("/Main/App/_git/api/pullrequest/8", api, "request 8"),
            ("/Main/App/_workitems/edit/42", "Main/App/App", "issue 42"),
        ],
    );
}

#[test]
fn gitea_and_forgejo() {
    let source = format!("/octo/hello/src/commit/{SHA}/a");
    let commit = format!("/octo/hello/commit/{SHA}");
    let sha = format!("commit {SHA}");
    for scm in [Scm::Gitea, Scm::Forgejo] {
        let rows = "octo/hello";
        table(
            &Site::new(scm, "127.0.0.1:3000", ""),
            "http://127.0.0.1:3000",
            &[
                ("/octo/hello", rows, "repository"),
                ("/octo/hello.git", rows, "repository"),
                ("/octo/hello/src/branch/a/b", rows, "branch a|a/b"),
                ("/octo/hello/src/tag/v1/README.md", rows, "tag v1|v1/README.md"),
                ("/octo/hello/raw/branch/main/x", rows, "branch main|main/x"),
                ("/octo/hello/commits/branch/main", rows, "branch main"),
                (&source, rows, &sha),
                (&commit, rows, &sha),
                ("/octo/hello/releases/tag/v1", rows, "tag v1"),
                ("/octo/hello/src/old", rows, "revision old"),
                ("/octo/hello/pulls/2/files", rows, "request 2"),
                ("/octo/hello/pulls", rows, "repository"),
                ("/octo/hello/issues/3#issuecomment-1", rows, "issue 3"),
            ],
        );
    }
}

/// A row's clone URL leads back to the same repository, also where names need encoding.
#[test]
fn clone_paths_are_encoded_and_lead_back() {
    let cases = [
        (Scm::GitHub, "github.com", "", "https://github.com/octo/hello/issues/1", "/octo/hello.git"),
        (Scm::GitLab, "gitlab.com", "", "https://gitlab.com/a/b/c/-/tree/x", "/a/b/c.git"),
        (
            Scm::AzureEntra,
            "dev.azure.com/contoso",
            "",
            "https://dev.azure.com/contoso/My%20App/_git/caf%C3%A9",
            "/contoso/My%20App/_git/caf%C3%A9",
        ),
        (
            Scm::AzureServer,
            "tfs.example.com",
            "/tfs",
            "https://tfs.example.com/tfs/C/P/_git/R",
            "/tfs/C/P/_git/R",
        ),
    ];
    for (scm, host, base, url, clone) in cases {
        let site = Site::new(scm, host, base);
        let found = site.parse(url).unwrap();
        assert_eq!(found.clone_path(), clone);
        let again = site.parse(&format!("https://{}{clone}", found.host)).unwrap();
        assert_eq!((&again.full_name(), &again.target), (&found.full_name(), &Target::Repository));
    }
}

#[test]
fn ssh_clone_urls_are_of_the_same_host_whatever_their_port() {
    let site = Site::new(Scm::Gitea, "git.example.com:3000", "");
    for url in [
        "git@git.example.com:octo/hello.git",
        "ssh://git@git.example.com:2222/octo/hello.git",
        "ssh://git@git.example.com/octo/hello",
    ] {
        assert_eq!(site.parse(url).unwrap().full_name(), "octo/hello", "{url}");
    }
}

#[test]
fn other_hosts_are_told_apart_from_bad_urls() {
    let site = Site::new(Scm::GitHub, "github.com", "");
    for url in [
        "https://gitlab.com/octo/hello",
        "https://github.com.evil.example/octo/hello",
        "https://evil.example/github.com/octo/hello",
        "https://github.com@evil.example/octo/hello",
        "https://evilgithub.com/octo/hello",
        "https://github.com:8443/octo/hello",
        "https://github.com./octo/hello",
        "https://dev.azure.com/github.com/a/_git/b",
    ] {
        assert_eq!(site.parse(url), Err(NotAPlace::OtherHost), "{url}");
    }
}

#[test]
fn hostile_urls_are_refused() {
    let github = Site::new(Scm::GitHub, "github.com", "");
    let long = format!("https://github.com/octo/{}", "a".repeat(2_048));
    for url in [
        "",
        "github.com/octo/hello",
        "ftp://github.com/octo/hello",
        "file:///octo/hello",
        "javascript:alert(1)",
        "https://octo:canary@github.com/octo/hello",
        "https://github.com\\@evil.example/octo/hello",
        "https://github.com/octo",
        "https://github.com/",
        "https://github.com/octo//hello",
        "https://github.com/octo/..%2Fhello",
        "https://github.com/octo/%2e%2e%5chello",
        "https://github.com/octo/hel%00lo",
        "https://github.com/octo/hel%0Alo",
        "https://github.com/octo/%FF",
        "https://github.com/octo/hello world",
        "https://github.com/-octo/hello",
        "https://github.com/octo/--upload-pack=x",
        "https://github.com/octo/hello/tree/--upload-pack=x",
        "https://github.com/octo/hello/tree/@%7B-1%7D",
        "https://github.com/octo/hello/releases/tag/a..b",
        "https://github.com/octo/hello/commit/main",
        "https://github.com/octo/hello/pull/0",
        "https://github.com/octo/hello/pull/-1",
        "https://github.com/octo/hello/pull/99999999999999999999",
        "https://github.com/settings/tokens",
        "https://github.com/octo/.git",
        &long,
    ] {
        assert!(matches!(github.parse(url), Err(NotAPlace::Invalid(_))), "{url}: {:?}", github.parse(url));
    }
    let azure = Site::new(Scm::AzureServer, "tfs.example.com", "/tfs");
    for url in ["https://tfs.example.com/other/C/P/_git/R", "https://tfs.example.com/tfs/C/_x/_git/R"] {
        assert!(matches!(azure.parse(url), Err(NotAPlace::Invalid(_))), "{url}");
    }
}

fn sites() -> Vec<Site> {
    [
        (Scm::GitHub, "github.com", ""),
        (Scm::GitLab, "gitlab.com", ""),
        (Scm::Bitbucket, "bitbucket.org", ""),
        (Scm::AzureEntra, "dev.azure.com/contoso", ""),
        (Scm::AzureServer, "tfs.example.com", "/tfs"),
        (Scm::Gitea, "127.0.0.1:3000", ""),
        (Scm::Forgejo, "[fd00::1]:8443", ""),
    ]
    .into_iter()
    .map(|(scm, host, base)| Site::new(scm, host, base))
    .collect()
}

/// What holds of everything that is accepted.
fn check(site: &Site, found: &ContextUrl) {
    assert_eq!(found.host, site.authority());
    let names = found.owner.split('/').chain([found.repo.as_str()]);
    for name in names {
        assert!(!name.is_empty() && !matches!(name, "." | "..") && !name.starts_with('-'), "{name:?}");
        assert!(!name.contains(|letter: char| letter.is_control() || "\\?#@%".contains(letter)), "{name:?}");
    }
    let clone = found.clone_path();
    assert!(
        clone.starts_with('/') && clone.is_ascii() && !clone.contains("//") && !clone.contains(' '),
        "{clone}"
    );
    if let Target::Revision(revision) = &found.target {
        assert!((1..=8).contains(&revision.candidates().count()));
        assert!(revision.candidates().all(|name| !name.starts_with('-') && !name.contains("..")));
    }
}

/// Parts that the grammars look for, and parts that hurt.
fn part() -> impl Strategy<Value = String> {
    let known = vec![
        "-",
        "tree",
        "blob",
        "src",
        "branch",
        "tag",
        "commit",
        "commits",
        "pull",
        "pulls",
        "issues",
        "_git",
        "_workitems",
        "edit",
        "merge_requests",
        "pull-requests",
        "releases",
        "v3",
        "tfs",
        "contoso",
        "octo",
        "hello.git",
        "7",
        "..",
        "%2e%2e",
        "%2F",
        "%00",
        "-x",
        "@{",
        "refs",
        "heads",
        "",
        SHA,
    ];
    prop_oneof![3 => select(known).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused_without_a_panic(text in "\\PC{0,64}|.{0,64}") {
        for site in sites() {
            if let Ok(found) = site.parse(&text) {
                check(&site, &found);
            }
        }
    }

    #[test]
    fn the_host_is_always_the_integrations(
        scheme in select(vec!["https://", "http://", "ssh://git@", "git@", "https://u@", "//", ""]),
        host in select(vec![
            "github.com", "GITHUB.com", "gitlab.com", "bitbucket.org", "dev.azure.com", "ssh.dev.azure.com",
            "contoso.visualstudio.com", "tfs.example.com", "127.0.0.1:3000", "0x7f000001:3000", "[fd00::1]:8443",
            "evil.example", "github.com.evil.example", "github.com%2eevil.example",
        ]),
        parts in prop::collection::vec(part(), 0..8),
        query in select(vec!["", "?at=a/b", "?version=GBx", "?version=GC12", "?version=é", "?ref_type=heads", "#x"]),
    ) {
        let url = format!("{scheme}{host}/{}{query}", parts.join("/"));
        for site in sites() {
            if let Ok(found) = site.parse(&url) {
                check(&site, &found);
                prop_assert!(!host.contains("evil"), "{url}");
            }
        }
    }
}
