//! A server whose members may link accounts at fakes of four forges.
use http::Method;
use serde_json::{Value, json};

use crate::{
    forges::{FakeForge, Kind, TOKEN},
    support::{Actor, Answer, TestServer},
};

/// The server, the forges, and a member.
pub(super) struct Site {
    pub(super) server: TestServer,
    pub(super) nora: Actor,
    /// `scm_type` and fake, of every kind that has one.
    pub(super) forges: Vec<(&'static str, FakeForge)>,
}

impl Site {
    pub(super) async fn start(on_postgres: bool) -> Self {
        let mut forges = Vec::new();
        for (scm_type, kind) in [
            ("github-enterprise", Kind::GitHub),
            ("gitlab-self-hosted", Kind::GitLab),
            ("gitea", Kind::Gitea),
            ("forgejo", Kind::Forgejo),
        ] {
            forges.push((scm_type, FakeForge::start(kind).await));
        }
        let origins: Vec<_> = forges.iter().map(|(_, fake)| fake.origin.clone()).collect();
        let origins = origins.join(",");
        let settings = [("scm.allowed_origins", origins.as_str())];
        let server = if on_postgres {
            TestServer::start_on_postgres_with(&settings).await
        } else {
            TestServer::start_with(&settings).await
        };
        for (_, fake) in &forges {
            server.watch.keep_secret("a forge's text", b"canary-from-the-forge");
            assert!(fake.origin.starts_with("http://127.0.0.1:"));
        }
        let nora = server.member("nora").await;
        Self { server, nora, forges }
    }

    /// The fake of this type.
    pub(super) fn forge(&self, scm_type: &str) -> &FakeForge {
        &self.forges.iter().find(|(found, _)| *found == scm_type).expect("a fake").1
    }

    /// Links an account with this token.
    pub(super) async fn try_link(&self, actor: &Actor, scm_type: &str, token: &str) -> Answer {
        let url = &self.forge(scm_type).origin;
        link(actor, &json!({ "scm_type": scm_type, "url": url, "access_token": token })).await
    }

    /// The account that `nora` links with the token of `octo`.
    pub(super) async fn link(&self, scm_type: &str) -> Value {
        let answer = self.try_link(&self.nora, scm_type, TOKEN).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.value()["scm_integration"].clone()
    }

    /// The same; its id.
    pub(super) async fn linked(&self, scm_type: &str) -> String {
        self.link(scm_type).await["id"].as_str().expect("an id").to_owned()
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.nora.rest(Method::GET, &format!("/v1/scm_integrations{path}"), None).await
    }
}

pub(super) async fn link(actor: &Actor, integration: &Value) -> Answer {
    let body = json!({ "scm_integration": integration });
    actor.rest(Method::POST, "/v1/scm_integrations", Some(&body)).await
}

/// Runs each test on both stores, with the forges.
macro_rules! with_forges {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::rest::site::Site::start(false).await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs TEST_POSTGRES_URL"]
            async fn $name() {
                let site = $crate::rest::site::Site::start(true).await;
                super::$name(&site).await;
                site.server.stop().await;
            })*
        }
    };
}
pub(super) use with_forges;
