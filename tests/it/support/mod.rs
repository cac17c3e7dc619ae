//! The real server in this process, on a database of its own, and everybody who talks to it.
//!
//! ```text
//! TestServer ── admin() / member() / read_only() / other_organization() ──> Actor ──> Answer
//!      │                                                       enroll()
//!      └── database(): what SQL says                 Actor ───────────────> Agent (Actor + private keys)
//! ```
mod actor;
mod agent;
mod answer;
mod canary;
mod database;
mod found;
mod rest;
mod scripted;
mod server;
mod stream;
mod verbs;
mod watch;

pub(crate) use self::{
    actor::Actor,
    agent::{Agent, Begun},
    answer::Answer,
    canary::{Canary, hex},
    database::Database,
    scripted::LiveAgent,
    server::{TestServer, postgres_url},
    stream::EventStream,
    watch::{Heard, Watch, files},
};

/// An id that nothing else has.
pub(crate) fn new_id() -> uuid::Uuid {
    sealink::clock::Clock::System.new_id()
}

/// Runs each test on both stores; it gets the server, and on PostgreSQL the database goes with it.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&$crate::support::TestServer::start().await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs TEST_POSTGRES_URL"]
            async fn $name() {
                let server = $crate::support::TestServer::start_on_postgres().await;
                super::$name(&server).await;
                server.stop().await;
            })*
        }
    };
}
pub(crate) use on_both_stores;
