//! Calls about repositories and credentials, each with its refusals.
use sealink::{
    domain::scm::Scm,
    pb::{
        gitpod::v1::{
            CheckRepositoryAccessRequest, HostAuthenticationTokenSource as Source,
            ListScmOrganizationsRequest, PaginationRequest, ParseContextUrlRequest, ParseContextUrlResponse,
            SearchRepositoriesRequest, pull_request::State,
        },
        sealink::v1::{
            CallErrorCode as Code, CheckAuthenticationForHostCall, CheckRepositoryAccessCall,
            ConfiguredIntegration, ListScmOrganizationsCall, LiveCaller, ParseContextUrlCall,
            SearchRepositoriesCall, TailLogCall, call_error_details::Details,
            send_response_request::Result as Reply, watch_requests_response::Call,
        },
    },
    wkt::Timestamp,
};
use uuid::Uuid;

use super::desk::{Office, configuration, integration};
use crate::forges::{Fault, Kind, TOKEN};

const KINDS: [(Kind, Scm); 3] =
    [(Kind::GitHub, Scm::GitHub), (Kind::GitLab, Scm::GitLab), (Kind::Gitea, Scm::Gitea)];

fn parse(caller: LiveCaller, url: &str) -> Call {
    let request = ParseContextUrlRequest { context_url: url.to_owned(), ..Default::default() };
    Call::ParseContextUrl(ParseContextUrlCall { caller: Some(caller), request: Some(request) })
}

async fn parsed(office: &Office, path: &str) -> ParseContextUrlResponse {
    let url = format!("{}{path}", office.forge.origin);
    match office.answer(parse(office.caller(), &url)).await {
        Ok(Reply::ParseContextUrl(found)) => found.response.expect("a response"),
        other => panic!("{url}: {other:?}"),
    }
}

fn access(caller: LiveCaller, url: String) -> Call {
    let request = CheckRepositoryAccessRequest { repository_url: url, ..Default::default() };
    Call::CheckRepositoryAccess(CheckRepositoryAccessCall { caller: Some(caller), request: Some(request) })
}

fn search(caller: LiveCaller, request: SearchRepositoriesRequest) -> Call {
    Call::SearchRepositories(SearchRepositoriesCall { caller: Some(caller), request: Some(request) })
}

fn check(caller: Option<LiveCaller>, integration: &ConfiguredIntegration) -> Call {
    let integration = Some(integration.clone());
    Call::CheckAuthenticationForHost(CheckAuthenticationForHostCall { caller, integration })
}

#[tokio::test]
#[expect(deprecated, reason = "older clients read `pr`")]
async fn urls_become_places() {
    let office = Office::open(Kind::Gitea, Scm::Gitea).await;
    let origin = office.forge.origin.clone();
    let clone = format!("{origin}/octo/hello.git");

    let repository = parsed(&office, "/octo/hello").await;
    assert_eq!(
        (repository.scm_id.as_str(), repository.original_context_url),
        ("gitea", format!("{origin}/octo/hello"))
    );
    let git = repository.git.unwrap();
    assert_eq!((&git.clone_url, git.branch.as_str(), git.host), (&clone, "main", office.forge.host()));
    assert_eq!((git.owner.as_str(), git.repo.as_str(), git.commit.as_str()), ("octo", "hello", ""));

    let git = |found: ParseContextUrlResponse| found.git.unwrap();
    assert_eq!(git(parsed(&office, "/octo/hello/src/branch/feature/x/README.md").await).branch, "feature/x");
    assert_eq!(git(parsed(&office, "/octo/hello/src/tag/v1/README.md").await).tag, "v1");
    assert_eq!(git(parsed(&office, "/octo/hello/src/feature/x").await).branch, "feature/x");
    let commit = "b".repeat(40);
    assert_eq!(git(parsed(&office, &format!("/octo/hello/commit/{commit}")).await).commit, commit);
    let fork = git(parsed(&office, "/fan/hello").await);
    assert_eq!((fork.upstream_remote_url, fork.owner.as_str()), (clone.clone(), "fan"));

    let issue = parsed(&office, "/octo/hello/issues/1").await;
    assert_eq!(issue.issue.unwrap().title, "A bug");
    let request = parsed(&office, "/octo/hello/pulls/2").await;
    let (git, old, new) = (request.git.unwrap(), request.pr.unwrap(), request.pull_request.unwrap());
    assert_eq!(
        (git.branch.as_str(), git.clone_url.as_str(), old.id.as_str()),
        ("feature/x", clone.as_str(), "2")
    );
    assert_eq!(
        (new.url.clone(), new.state(), new.author.as_str()),
        (format!("{origin}/octo/hello/pulls/2"), State::Open, "octo")
    );
    assert_eq!(new.repository.unwrap().clone_url, clone);
    let forked = parsed(&office, "/octo/hello/pulls/3").await.git.unwrap();
    assert_eq!((forked.owner.as_str(), &forked.upstream_remote_url), ("fan", &clone));
    let orphan = parsed(&office, "/octo/hello/pulls/4").await.git.unwrap();
    assert_eq!((orphan.owner.as_str(), orphan.commit, orphan.branch.as_str()), ("octo", commit, ""));
}

#[tokio::test]
async fn what_does_not_exist_or_is_no_url_is_told_apart() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    let at = |path: &str| format!("{}{path}", office.forge.origin);
    for (url, code) in [
        (at("/octo/missing"), Code::NotFound),
        (at("/octo/hello/tree/missing"), Code::NotFound),
        (at("/octo/hello/pull/999"), Code::NotFound),
        (at("/octo"), Code::InvalidArgument),
        (at("/octo/hello/tree/--upload-pack=x"), Code::InvalidArgument),
        ("https://elsewhere.example/octo/hello".to_owned(), Code::InvalidArgument),
        ("nonsense".to_owned(), Code::InvalidArgument),
    ] {
        assert_eq!(office.refused(parse(office.caller(), &url)).await.code(), code, "{url}");
    }
}

/// Missing, expired and refused credentials look alike: they all need a new one.
#[tokio::test]
async fn without_a_credential_the_answer_says_where_to_get_one() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    let url = format!("{}/octo/hello", office.forge.origin);
    let mut expired = office.caller();
    expired.credentials[0].expires_at = Some(Timestamp { seconds: 1, nanos: 0 });
    let refused = office.caller_at(&office.forge.host(), "sealink-canary-old", Source::Pat);
    let elsewhere = office.caller_at("elsewhere.example", TOKEN, Source::Pat);
    for caller in [LiveCaller::default(), expired, refused, elsewhere] {
        for call in [parse(caller.clone(), &url), access(caller.clone(), url.clone())] {
            let error = office.refused(call).await;
            assert_eq!(error.code(), Code::Unauthenticated);
            assert_eq!(error.message, format!("missing authentication token for {}", office.forge.host()));
            let Some(Details::AuthenticationRequired(needed)) = error.details.unwrap().details else {
                panic!("no details");
            };
            assert_eq!((needed.host, needed.scm_id.as_str()), (office.forge.host(), "github"));
            assert_eq!(needed.integration_id, office.integration.id);
        }
    }
}

/// A sealed token only opens where it belongs: with another subject or source it is no token.
#[tokio::test]
async fn a_token_of_another_place_is_not_opened() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    let url = format!("{}/octo/hello", office.forge.origin);
    let mut other_person = office.caller();
    other_person.subject.as_mut().unwrap().id = "0198a7c0-0000-7000-8000-0000000000bb".to_owned();
    let mut other_source = office.caller();
    other_source.credentials[0].set_source(Source::Oauth);
    let mut other_token = office.caller();
    other_token.credentials[0].token_id = Uuid::from_u128(99).to_string();
    for caller in [other_person, other_source, other_token] {
        let error = office.refused(parse(caller, &url)).await;
        assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
        assert!(error.message.contains("authenticate again"));
    }
    assert_eq!(office.forge.requests().len(), 0, "no forge was asked");
}

#[tokio::test]
async fn access_is_a_yes_or_a_reason() {
    for (kind, scm) in KINDS {
        let office = Office::open(kind, scm).await;
        let at = |path: &str| format!("{}{path}", office.forge.origin);
        let ask = async |path: &str| match office.answer(access(office.caller(), at(path))).await {
            Ok(Reply::CheckRepositoryAccess(found)) => found.response.unwrap(),
            other => panic!("{other:?}"),
        };
        let good = ask("/octo/hello.git").await;
        assert_eq!((good.has_access, good.error_message.as_str()), (true, ""), "{kind:?}");
        let bad = ask("/octo/secret").await;
        assert!(!bad.has_access && bad.error_message.contains("not found"), "{kind:?}: {bad:?}");
        office.forge.break_with(Fault::Internal);
        assert_eq!(
            office.refused(access(office.caller(), at("/octo/hello"))).await.code(),
            Code::Unavailable
        );
    }
}

#[tokio::test]
async fn repositories_are_found_over_all_hosts_of_the_caller() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    let request = SearchRepositoriesRequest { search_string: "hello".to_owned(), ..Default::default() };
    let found = match office.answer(search(office.caller(), request.clone())).await {
        Ok(Reply::SearchRepositories(found)) => found.response.unwrap(),
        other => panic!("{other:?}"),
    };
    let names: Vec<_> = found.repositories.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["octo/hello", "fan/hello"]);
    assert_eq!(found.repositories[0].url, format!("{}/octo/hello", office.forge.origin));
    assert_eq!(found.pagination.unwrap().next_token, "");
    let asked = &office.forge.requests()[0].target;
    assert!(asked.contains("in%3Aname") && asked.contains("fork%3Atrue"), "{asked}");

    // A second integration that the caller knows nothing of is not asked, and does not stand in the way.
    let other = integration(&office.key, Uuid::from_u128(11), Scm::GitLab, "gitlab.example.com");
    office.configuration.send_replace(configuration(2, &[other, office.integration.clone()]).into());
    assert!(office.answer(search(office.caller(), request.clone())).await.is_ok());

    let none = office.refused(search(LiveCaller::default(), request.clone())).await;
    assert_eq!(none.code(), Code::Unauthenticated);
    let nowhere = SearchRepositoriesRequest { scm_host: "elsewhere.example".to_owned(), ..request.clone() };
    assert_eq!(office.refused(search(office.caller(), nowhere)).await.code(), Code::FailedPrecondition);
    let pagination = Some(PaginationRequest { page_size: 25, token: "x".to_owned() });
    let odd = SearchRepositoriesRequest { pagination, ..request };
    assert_eq!(office.refused(search(office.caller(), odd)).await.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn organizations_have_pages_and_urls() {
    for (kind, scm) in KINDS {
        let office = Office::open(kind, scm).await;
        let request = ListScmOrganizationsRequest { scm_host: office.forge.host(), ..Default::default() };
        let call = ListScmOrganizationsCall { caller: Some(office.caller()), request: Some(request) };
        let found = match office.answer(Call::ListScmOrganizations(call.clone())).await {
            Ok(Reply::ListScmOrganizations(found)) => found.response.unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found.organizations.len(), 1);
        assert_eq!(found.organizations[0].url, format!("{}/octo-org", office.forge.origin), "{kind:?}");
        // Without the right to list them there are none: no failure.
        office.forge.break_with(Fault::Forbidden);
        match office.answer(Call::ListScmOrganizations(call)).await {
            Ok(Reply::ListScmOrganizations(found)) => {
                assert_eq!(found.response.unwrap().organizations.len(), 0);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn authentication_is_checked_at_the_forge() {
    let office = Office::open(Kind::GitLab, Scm::GitLab).await;
    let ask = async |caller| match office.answer(check(caller, &office.integration)).await {
        Ok(Reply::CheckAuthenticationForHost(found)) => found.response.unwrap(),
        other => panic!("{other:?}"),
    };
    let good = ask(Some(office.caller())).await;
    assert!(good.authenticated && good.supports_oauth2.is_some());
    assert_eq!((good.scm_id.as_str(), good.scm_name.as_str()), ("gitlab", "GitLab"));
    let pat = good.supports_pat.unwrap();
    assert!(pat.create_url.starts_with(&office.forge.origin), "{pat:?}");
    assert_eq!(pat.required_scopes, ["api", "read_repository"]);
    assert!(!ask(None).await.authenticated);
    assert!(
        !ask(Some(office.caller_at(&office.forge.host(), "sealink-canary-old", Source::Pat)))
            .await
            .authenticated
    );
    office.forge.break_with(Fault::Internal);
    let error = office.refused(check(Some(office.caller()), &office.integration)).await;
    assert_eq!(error.code(), Code::Unavailable);
}

/// Where to go is never decided by a call: the agent knows its integrations.
#[tokio::test]
async fn a_call_cannot_point_an_integration_elsewhere() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    let evil = crate::forges::FakeForge::start(Kind::GitHub).await;
    let mut moved = office.integration.clone();
    moved.host = evil.host();
    let mut unknown = office.integration.clone();
    unknown.id = Uuid::from_u128(77).to_string();
    for integration in [moved, unknown] {
        let error = office.refused(check(Some(office.caller()), &integration)).await;
        assert_eq!(error.code(), Code::FailedPrecondition);
    }
    assert_eq!((evil.requests().len(), office.forge.requests().len()), (0, 0));
}

#[tokio::test]
async fn forges_known_by_their_urls_answer_by_grammar_alone() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    let one = integration(&office.key, Uuid::from_u128(12), Scm::Bitbucket, "bitbucket.org");
    office.configuration.send_replace(configuration(2, std::slice::from_ref(&one)).into());
    let found =
        match office.answer(parse(LiveCaller::default(), "https://bitbucket.org/team/app/src/main/")).await {
            Ok(Reply::ParseContextUrl(found)) => found.response.unwrap(),
            other => panic!("{other:?}"),
        };
    let git = found.git.unwrap();
    assert_eq!((git.clone_url.as_str(), git.branch.as_str()), ("https://bitbucket.org/team/app.git", "main"));
    let error = office.refused(access(office.caller(), "https://bitbucket.org/team/app".to_owned())).await;
    assert_eq!(error.message, "CheckRepositoryAccess is unsupported for scm_id bitbucket");
    assert_eq!(error.code(), Code::FailedPrecondition);
    let error = office.refused(check(None, &one)).await;
    assert_eq!(error.message, "CheckAuthenticationForHost is unsupported for scm_id bitbucket");
}

#[tokio::test]
async fn the_log_is_empty_before_anything_was_logged() {
    let office = Office::open(Kind::GitHub, Scm::GitHub).await;
    match office.answer(Call::TailLog(TailLogCall { max_bytes: 1 << 20 })).await {
        Ok(Reply::TailLog(found)) => assert_eq!(found.log, b""),
        other => panic!("{other:?}"),
    }
}
