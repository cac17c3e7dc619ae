//! The agent's forge clients: one list of behaviours, every kind of forge, at the wire.
//!
//! The fakes answer what the forges publish: `fake/mod.rs`. `gitea` is the real program.
mod fake;
mod faults;
mod gitea;
mod limits;
mod oauth;
mod real;

use std::sync::Arc;

use sealink::{
    agent::forge::{self, Credential, Forge, ForgeError, PullState, Search, Slice, Slug},
    domain::{
        allowed_origins::AllowedOrigins,
        context_url::{RevisionKind, Site},
        scm::Scm,
        secret::Secret,
    },
    scm::{
        egress::Policy,
        http::{Http, Limits},
    },
};

use fake::GITEA;
pub(crate) use fake::{CLIENT_ID, CLIENT_SECRET, FakeForge, Fault, Kind, NEXT_TOKEN, OTHER_TOKEN, TOKEN};
pub(crate) use real::{Browser, RealGitea, location};

/// The repository of every forge here, and the first page of a list.
pub(crate) const SLUG: Slug<'static> = Slug { owner: "octo", name: "hello" };
const FIRST: Slice = Slice { page: 1, size: 25 };

/// Every forge there is a fake of.
const KINDS: [(Kind, Scm); 4] = [
    (Kind::GitHub, Scm::GitHub),
    (Kind::GitLab, Scm::GitLab),
    (Kind::Gitea, Scm::Gitea),
    (Kind::Forgejo, Scm::Forgejo),
];

/// A forge that holds what [`behaves`] looks for.
struct Subject {
    forge: Box<dyn Forge>,
    token: Secret,
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::parse("secret", text.to_owned()).expect("a secret")
}

/// What an operator says who allows this origin.
pub(crate) fn allowed(origin: &str) -> AllowedOrigins {
    AllowedOrigins::parse(&[origin]).expect("an origin")
}

/// A client that may only ask `origin`.
pub(crate) fn http(origin: &str, limits: Limits) -> Arc<Http> {
    let policy = Policy::new(allowed(origin));
    Http::new(policy, None, limits).expect("a client")
}

/// The forge of this kind at `origin`.
fn open(scm: Scm, origin: &str, limits: Limits) -> Box<dyn Forge> {
    let host = origin.trim_start_matches("http://");
    let opened = forge::open(&http(origin, limits), &Site::new(scm, host, ""));
    opened.expect("an origin that is allowed").expect("a client for this kind")
}

/// What every forge does, in one walk: a real forge takes its time to make ready.
async fn behaves(subject: &Subject) {
    let forge = &subject.forge;
    let token = Credential::Pat(&subject.token);
    assert_eq!(forge.probe().await, Ok(()));

    assert_eq!(forge.user(token).await.unwrap().login, "octo");
    let wrong = secret("sealink-canary-wrong");
    assert_eq!(forge.user(Credential::Pat(&wrong)).await, Err(ForgeError::Unauthenticated));
    assert_eq!(forge.user(Credential::OAuth(&wrong)).await, Err(ForgeError::Unauthenticated));
    let odd = Secret::parse("secret", "caf\u{e9}\u{4e00}".to_owned()).unwrap();
    assert!(forge.user(Credential::Pat(&odd)).await.is_err());

    let repository = forge.repository(token, SLUG).await.unwrap();
    assert_eq!(repository.full_name, "octo/hello");
    assert_eq!((repository.default_branch.as_deref(), repository.parent), (Some("main"), None));
    let missing = Slug { owner: "octo", name: "missing" };
    assert_eq!(forge.repository(token, missing).await, Err(ForgeError::NotFound));

    let mut shas = Vec::new();
    for (asked, name, kind) in [
        (RevisionKind::Branch, "main", RevisionKind::Branch),
        (RevisionKind::Branch, "feature/x", RevisionKind::Branch),
        (RevisionKind::Any, "feature/x", RevisionKind::Branch),
        (RevisionKind::Tag, "v1", RevisionKind::Tag),
        (RevisionKind::Any, "v1", RevisionKind::Tag),
    ] {
        let found = forge.resolve(token, SLUG, asked, name).await.unwrap().unwrap();
        assert_eq!((found.kind, found.name.as_str(), found.sha.len()), (kind, name, 40), "{asked:?} {name}");
        shas.push(found.sha);
    }
    assert_ne!(shas[0], shas[1], "the branch has a commit of its own");
    for (kind, name) in
        [(RevisionKind::Any, "feature"), (RevisionKind::Tag, "main"), (RevisionKind::Branch, "v1")]
    {
        assert_eq!(forge.resolve(token, SLUG, kind, name).await, Ok(None), "{kind:?} {name}");
    }
    assert_eq!(forge.commit(token, SLUG, &shas[1]).await.unwrap(), shas[1]);
    assert_eq!(forge.commit(token, SLUG, &"0".repeat(40)).await, Err(ForgeError::NotFound));

    let issue = forge.issue(token, SLUG, 1).await.unwrap();
    assert_eq!((issue.number, issue.title.as_str()), (1, "A bug"));
    assert_eq!(forge.issue(token, SLUG, 999).await, Err(ForgeError::NotFound));

    let request = forge.pull_request(token, SLUG, 2).await.unwrap();
    assert_eq!((request.number, request.title.as_str(), request.author.as_str()), (2, "A change", "octo"));
    assert_eq!((request.from_branch.as_str(), request.to_branch.as_str()), ("feature/x", "main"));
    assert_eq!((request.state, request.draft), (PullState::Open, false));
    assert_eq!((request.head_sha, request.head_repository.as_deref()), (shas[1].clone(), Some("octo/hello")));
    assert_eq!(forge.pull_request(token, SLUG, 999).await, Err(ForgeError::NotFound));

    for text in ["hell", ""] {
        let found = forge.search(token, Search { text, native: false }, FIRST).await.unwrap();
        assert!(found.items.contains(&"octo/hello".to_owned()), "{text:?}: {found:?}");
        assert!(!found.more);
    }
    let nothing = forge.search(token, Search { text: "zzz\"zzz", native: false }, FIRST).await.unwrap();
    assert_eq!(nothing.items, Vec::<String>::new());

    let organizations = forge.organizations(token, "", FIRST).await.unwrap();
    let paths: Vec<_> = organizations.items.iter().map(|one| one.path.as_str()).collect();
    assert_eq!((paths, organizations.more), (vec!["octo-org"], false));
    let small = Slice { page: 2, size: 1 };
    assert_eq!(forge.organizations(token, "", small).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn github_behaves() {
    let fake = FakeForge::start(Kind::GitHub).await;
    behaves(&fake.subject(Scm::GitHub)).await;
    for request in fake.requests() {
        assert!(request.target.starts_with("/api/v3/"), "{request:?}");
        assert!(request.header("user-agent").starts_with("sealink/"), "{request:?}");
        assert_eq!(request.header("x-github-api-version"), "2022-11-28");
        assert_eq!(request.header("accept"), "application/vnd.github+json");
        let who = request.header("authorization");
        assert!(who.is_empty() || who.starts_with("Bearer "), "{request:?}");
    }
}

#[tokio::test]
async fn gitlab_behaves() {
    let fake = FakeForge::start(Kind::GitLab).await;
    behaves(&fake.subject(Scm::GitLab)).await;
    let requests = fake.requests();
    assert!(requests.iter().any(|one| one.target == "/api/v4/projects/octo%2Fhello"), "{requests:?}");
    // A personal token and one of OAuth go into different headers.
    assert!(requests.iter().any(|one| one.header("private-token") == TOKEN));
    assert!(requests.iter().any(|one| one.header("authorization") == "Bearer sealink-canary-wrong"));
    assert!(
        requests
            .iter()
            .all(|one| one.header("authorization").is_empty() || one.header("private-token").is_empty())
    );
}

#[tokio::test]
async fn gitea_and_forgejo_behave() {
    for (kind, scm) in [(Kind::Gitea, Scm::Gitea), (Kind::Forgejo, Scm::Forgejo)] {
        let fake = FakeForge::start(kind).await;
        behaves(&fake.subject(scm)).await;
        assert!(fake.requests().iter().any(|one| one.header("authorization") == format!("token {TOKEN}")));
    }
}

/// What was forked, where from, and what became of requests: what one walk cannot show.
#[tokio::test]
async fn forks_and_ends_are_told() {
    for (kind, scm) in KINDS {
        let fake = FakeForge::start(kind).await;
        let Subject { forge, token } = fake.subject(scm);
        let token = Credential::Pat(&token);
        let fork = forge.repository(token, Slug { owner: "fan", name: "hello" }).await.unwrap();
        assert_eq!(fork.parent.as_deref(), Some("octo/hello"), "{kind:?}");
        let of = |number| forge.pull_request(token, SLUG, number);
        let forked = of(3).await.unwrap();
        assert_eq!(
            (forked.head_repository.as_deref(), forked.state),
            (Some("fan/hello"), PullState::Merged),
            "{kind:?}"
        );
        let orphan = of(4).await.unwrap();
        assert_eq!((orphan.head_repository, orphan.state), (None, PullState::Closed), "{kind:?}");
        let empty = forge.repository(token, Slug { owner: "octo", name: "empty" }).await.unwrap();
        assert_eq!(empty.default_branch.is_none(), kind != Kind::GitHub, "{kind:?}");
    }
}

#[tokio::test]
async fn kinds_known_by_their_urls_only_have_no_client() {
    for (scm, host) in [(Scm::Bitbucket, "bitbucket.org"), (Scm::AzureEntra, "dev.azure.com/contoso")] {
        let opened = forge::open(&http("http://127.0.0.1:1", Limits::default()), &Site::new(scm, host, ""));
        assert!(opened.unwrap().is_none());
    }
}

/// However an integration spells it, the agent does not dial this machine unless told to.
#[tokio::test]
async fn other_ports_of_this_machine_are_refused() {
    let fake = FakeForge::start(Kind::Gitea).await;
    let http = http("http://127.0.0.1:1", Limits::default());
    for host in [fake.host(), fake.host().replace("127.0.0.1", "localhost"), "169.254.169.254".to_owned()] {
        let opened = forge::open(&http, &Site::new(Scm::Gitea, &host, ""));
        assert!(matches!(opened.err(), Some(ForgeError::Disallowed(_))), "{host}");
    }
    assert_eq!(fake.requests().len(), 0);
}
