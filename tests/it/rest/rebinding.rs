//! T6, A47: where a member's forge leads is decided by the address that is connected to, with every connection anew.
//!
//! ```text
//! forge.test:PORT --first--> 127.0.0.2: the forge, which its operator allows by name
//!                 --then---> 0.0.0.0: this machine, where something else listens on the same port
//! ```
use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sealink::{
    domain::{
        account::{ForgeUrl, ScmType},
        allowed_origins::AllowedOrigins,
        scm_query::{PullQuery, RepositoryName, RepositoryQuery},
    },
    scm::{
        ForgeError,
        egress::Policy,
        http::Limits,
        provider::{Forges, Patience, Provider},
    },
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::site::link;
use crate::{
    forges::{FakeForge, Fault, Kind, NEXT_TOKEN, TOKEN, secret},
    support::{Actor, Answer, TestServer},
};

/// Where the forge is, and where nobody may go; both are this machine.
const FORGE: &str = "127.0.0.2";
const INSIDE: &str = "0.0.0.0";
/// Addresses that nothing lifts the rules about, in every family that carries one.
const NEVER: [&str; 16] = [
    INSIDE,
    "::",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
];
/// What only an operator lets members connect to.
const PRIVATE: [&str; 12] = [
    "127.0.0.1",
    FORGE,
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
];

/// Says where names lead: what is on the list first, one entry for each time it is asked, and then the last for ever.
#[derive(Default)]
struct Names {
    first: Mutex<VecDeque<Vec<IpAddr>>>,
    last: Mutex<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Names {
    fn lead(&self, first: &[&[&str]], last: &[&str]) {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect();
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) =
            first.iter().map(|texts| read(texts)).collect();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = read(last);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let found = first.unwrap_or_else(|| self.last.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
        Box::pin(std::future::ready(Ok(Box::new(found) as Addrs)))
    }
}

/// The server of a member who has linked an account at `forge.test`, which keeps no connection.
struct Site {
    server: TestServer,
    nora: Actor,
    forge: FakeForge,
    names: Arc<Names>,
    url: String,
    /// Who came to what else listens on the forge's port.
    intruders: Arc<AtomicUsize>,
}

/// Two listeners on one port: the forge's, and one that counts who connects.
async fn listeners() -> (TcpListener, Arc<AtomicUsize>) {
    for _ in 0..100 {
        let forge = TcpListener::bind((FORGE, 0)).await.expect("a port");
        let port = forge.local_addr().expect("its address").port();
        let Ok(inside) = TcpListener::bind(("127.0.0.1", port)).await else { continue };
        let intruders = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&intruders);
        tokio::spawn(async move {
            while inside.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        return (forge, intruders);
    }
    panic!("no port is free on both addresses")
}

impl Site {
    async fn start() -> Self {
        let (listener, intruders) = listeners().await;
        let url = format!("http://forge.test:{}", listener.local_addr().expect("its address").port());
        let forge = FakeForge::serve(Kind::Gitea, listener, false);
        let names = Arc::new(Names::default());
        names.lead(&[], &[FORGE]);
        let server = TestServer::start_asking(forges(&[&url], &names, None)).await;
        server.watch.keep_secret("a forge's text", b"canary-from-the-forge");
        let nora = server.member("nora").await;
        Self { server, nora, forge, names, url, intruders }
    }

    async fn link(&self) -> Answer {
        link(&self.nora, &json!({ "scm_type": "gitea", "url": self.url, "access_token": TOKEN })).await
    }

    /// Every call that asks the forge, with its number of questions; the last two would change an account.
    fn calls(&self) -> Vec<(Method, String, Option<Value>)> {
        let account = "/v1/scm_integrations/gitea";
        let token = json!({ "scm_integration": { "access_token": NEXT_TOKEN } });
        let other = json!({ "scm_integration": {
            "scm_type": "forgejo", "url": self.url, "access_token": TOKEN,
        } });
        vec![
            (Method::POST, format!("{account}/import_keys"), None),
            (Method::GET, format!("{account}/search_repos?query=hell"), None),
            (Method::POST, format!("{account}/search_repos?query=hell"), None),
            (Method::GET, format!("{account}/orgs"), None),
            (Method::POST, format!("{account}/orgs"), None),
            (Method::GET, format!("{account}/search_pull_requests?query=repo:octo/hello"), None),
            (Method::POST, format!("{account}/search_pull_requests?query=repo:octo/hello"), None),
            (Method::GET, format!("{account}/branches?repo_name=octo/hello"), None),
            (Method::PATCH, account.to_owned(), Some(token)),
            (Method::POST, "/v1/scm_integrations".to_owned(), Some(other)),
        ]
    }

    async fn call(&self, (method, path, body): &(Method, String, Option<Value>)) -> Answer {
        self.nora.rest(method.clone(), path, body.as_ref()).await
    }

    /// Every call ends as it must when its forge may not be connected to, and nobody hears of it.
    async fn all_are_refused(&self, what: &str) {
        let heard = self.forge.requests().len();
        for call in self.calls() {
            let answer = self.call(&call).await;
            if call.2.is_none() {
                assert_eq!(answer.status, 503, "{what}: {call:?} {answer:?}");
                assert!(answer.headers.contains_key("retry-after"), "{what}: {call:?}");
            } else {
                assert_eq!(answer.status, 422, "{what}: {call:?} {answer:?}");
                let errors = answer.value()["errors"].as_object().expect("errors").clone();
                assert_eq!(errors.keys().collect::<Vec<_>>(), ["url"], "{what}: {call:?}");
            }
        }
        assert_eq!(self.forge.requests().len(), heard, "{what}");
        self.nobody_came();
    }

    fn nobody_came(&self) {
        assert_eq!(self.intruders.load(Ordering::SeqCst), 0);
    }
}

/// The way to the forges at `allowed`, where `names` says where they are.
fn forges(allowed: &[&str], names: &Arc<Names>, ca: Option<std::path::PathBuf>) -> Forges {
    let allowed = AllowedOrigins::parse(allowed).expect("origins");
    let names: Arc<dyn Resolve> = Arc::clone(names) as _;
    let policy = Policy::new(allowed).with_networks(Vec::new()).with_names(names);
    Forges::new(policy, ca, Limits::for_members())
}

/// The name leads to the forge when it is looked at, and inside when it is looked at again: what was looked at is
/// connected to, and the next connection is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_mind_leads_nowhere() {
    let site = Site::start().await;
    assert_eq!(site.link().await.status, 201);
    for call in site.calls() {
        let (heard, asked) = (site.forge.requests().len(), site.names.asked());
        // Who somebody is are two questions here, and whose keys are to be imported is asked, too.
        let questions = match &call {
            (_, path, _) if path.ends_with("import_keys") => 3,
            (.., body) => 1 + usize::from(body.is_some()),
        };
        site.names.lead(&vec![&[FORGE] as &[&str]; questions], &[INSIDE]);
        let answer = site.call(&call).await;
        assert!(answer.status.is_success(), "{call:?} {answer:?}");
        let came = (site.forge.requests().len() - heard, site.names.asked() - asked);
        assert_eq!(came, (questions, questions), "{call:?}");
        site.nobody_came();
    }
    let gone = site.nora.rest(Method::DELETE, "/v1/scm_integrations/forgejo", None).await;
    assert_eq!(gone.status, 204);
    site.all_are_refused("the name leads inside").await;

    // Also in the middle of a call: its second question, and a redirect that stays at the forge by name.
    let heard = site.forge.requests().len();
    site.names.lead(&[&[FORGE]], &[INSIDE]);
    let two = "/v1/scm_integrations/gitea/search_repos?query=user:octo";
    assert_eq!(site.nora.rest(Method::GET, two, None).await.status, 503);
    assert_eq!(site.forge.requests().len(), heard + 1);
    site.nobody_came();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_a_name_that_changed_its_mind_leads_nowhere() {
    let site = Site::start().await;
    site.forge.break_with(Fault::RedirectInside);
    site.names.lead(&[&[FORGE]], &[INSIDE]);
    let answer = site.link().await;
    assert_eq!((answer.status.as_u16(), site.names.asked()), (422, 2), "{answer:?}");
    assert_eq!(site.forge.requests().len(), 1, "the redirect is not followed");
    site.nobody_came();
}

/// A47: each forbidden address, alone and among good ones, for every call that reaches a forge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a47_no_call_reaches_a_forbidden_address() {
    let site = Site::start().await;
    assert_eq!(site.link().await.status, 201);
    for address in NEVER {
        for answer in [&[address] as &[&str], &[FORGE, address], &[address, FORGE]] {
            site.names.lead(&[], answer);
            site.all_are_refused(&format!("{answer:?}")).await;
        }
    }
    // What the server asks of itself: an hour later it looks at the profile again.
    let heard = site.forge.requests().len();
    let age = "UPDATE scm_account SET profiled_at = profiled_at - 3600000000";
    let asked = site.names.asked();
    site.server.database().execute(age).await;
    let before = site.nora.rest(Method::GET, "/v1/scm_integrations/gitea", None).await.ok();
    for _ in 0..600 {
        if site.names.asked() > asked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(site.names.asked(), asked + 1, "the profile is asked for");
    site.nobody_came();
    assert_eq!(site.forge.requests().len(), heard);
    site.names.lead(&[], &[FORGE]);
    assert_eq!(site.nora.rest(Method::GET, "/v1/scm_integrations/gitea", None).await.ok(), before);
    let call = &site.calls()[7];
    assert_eq!(site.call(call).await.status, 200, "and when the name leads to the forge again, it is asked");
}

/// A47: an account stays when its operator takes the forge off the list, and is asked no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a47_what_is_allowed_no_longer_is_asked_no_longer() {
    let mut site = Site::start().await;
    assert_eq!(site.link().await.status, 201);
    let token = site.nora.token.clone().expect("a token");
    site.server.restart_asking(forges(&["http://other.test"], &site.names, None)).await;
    site.nora = site.server.bearer(&token);
    let asked = site.names.asked();
    site.all_are_refused("taken off the list").await;
    assert_eq!(site.names.asked(), asked, "nobody even looks where it is");
}

/// All that a forge of any kind is asked.
async fn every_question(provider: &dyn Provider) -> Vec<Option<ForgeError>> {
    let token = &secret(TOKEN);
    let repository = &RepositoryName::parse("octo/hello").expect("a name");
    let pulls = &PullQuery::parse("repo:octo/hello").expect("a query");
    let repositories = &RepositoryQuery::parse("hello").expect("a query");
    vec![
        provider.profile(token).await.err(),
        provider.ssh_keys(token, "octo").await.err(),
        provider.search_repositories(token, repositories).await.err(),
        provider.organizations(token).await.err(),
        provider.search_pulls(token, pulls).await.err(),
        provider.branches(token, repository).await.err(),
    ]
}

/// A47: a forge that nobody allowed by name, over https: no address of this machine or a private network either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a47_no_question_reaches_a_private_address() {
    let (listener, intruders) = listeners().await;
    let port = listener.local_addr().expect("its address").port();
    let forge = FakeForge::serve(Kind::Gitea, listener, false);
    let names = Arc::new(Names::default());
    let forges = forges(&[], &names, None);
    let server = TestServer::start_asking(forges.clone()).await;
    let nora = server.member("nora").await;
    for address in NEVER.into_iter().chain(PRIVATE) {
        for answer in [&[address] as &[&str], &["192.0.2.1", address]] {
            names.lead(&[], answer);
            for (scm_type, host) in [
                (ScmType::GitHub, "github.com".to_owned()),
                (ScmType::GitHubEnterprise, format!("forge.test:{port}")),
                (ScmType::GitLab, "gitlab.com".to_owned()),
                (ScmType::GitLabSelfHosted, format!("forge.test:{port}")),
                (ScmType::Gitea, format!("forge.test:{port}")),
                (ScmType::Forgejo, format!("forge.test:{port}")),
            ] {
                let url = ForgeUrl::parse(&format!("https://{host}")).expect("a URL");
                let provider =
                    forges.provider(scm_type, &url, Patience::Use).expect("a client").expect("an origin");
                let asked = names.asked();
                let said = every_question(&*provider).await;
                let refused = said.iter().all(|error| matches!(error, Some(ForgeError::Disallowed(_))));
                assert!(refused, "{scm_type:?} {answer:?}: {said:?}");
                assert!(names.asked() >= asked + said.len(), "each question is a look of its own");
            }
            let url = format!("https://forge.test:{port}");
            let refused =
                link(&nora, &json!({ "scm_type": "gitea", "url": url, "access_token": TOKEN })).await;
            assert_eq!(refused.status, 422, "{answer:?}");
            assert!(refused.value()["errors"]["url"][0].is_string(), "{refused:?}");
        }
    }
    assert_eq!((intruders.load(Ordering::SeqCst), forge.requests().len()), (0, 0));
}
