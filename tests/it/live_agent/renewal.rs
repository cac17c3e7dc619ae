//! Once a forge is asked the old refresh token may be spent: the new one must not be lost on its way back.
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use sealink::{
    domain::scm::Scm,
    pb::sealink::v1::{
        RefreshHostTokenCall, RefreshHostTokenResult, send_response_request::Result as Reply,
        watch_requests_response::Call,
    },
    seal::{Field, Place, PublicKey, seal},
};
use uuid::Uuid;

use super::{
    deliver::get,
    desk::{INTEGRATION, RUNNER, SUBJECT, TOKEN_ID, integration, subject},
    machine::{Machine, Running, eventually},
    server::WayBack,
};
use crate::forges::{self, FakeForge, allowed, secret};

/// A running agent whose forge is fake, and that has its integration.
struct World {
    machine: Machine,
    forge: FakeForge,
    agent: Running,
    page: SocketAddr,
}

impl World {
    async fn new(way_back: WayBack) -> Self {
        let machine = Machine::new().await;
        let forge = FakeForge::start(forges::Kind::Gitea).await;
        let mut options = machine.options();
        options.allowed_origins = allowed(&forge.origin);
        let page = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
        options.status_listen = Some(page);
        let agent = machine.start(options);
        eventually("it listens", || machine.live.world().is_listened_to()).await;
        let one = integration(&machine.key, INTEGRATION, Scm::Gitea, &forge.host());
        machine.live.world().integrate(one);
        machine.saved_revision(2).await;
        machine.live.world().way_back = way_back;
        Self { machine, forge, agent, page }
    }

    /// Offers the renewal of a token whose refresh token is sealed with `key`.
    fn offer(&self, id: u128, key: &PublicKey) {
        let host = self.forge.host();
        let field = Field::HostTokenRefresh;
        let place = Place { runner: RUNNER, sub: TOKEN_ID, field, a: &host, b: SUBJECT, c: "OAUTH" };
        let sealed = seal(key, &place, &secret("sealink-canary-refresh")).expect("sealed");
        let call = Call::RefreshHostToken(RefreshHostTokenCall {
            token_id: TOKEN_ID.to_string(),
            integration: Some(integration(&self.machine.key, INTEGRATION, Scm::Gitea, &host)),
            sealed_refresh_token: sealed.bytes,
            kid: sealed.kid.0,
            subject: Some(subject()),
        });
        self.machine.live.world().offer(&Uuid::from_u128(id).to_string(), 1, 0, Some(call));
    }

    fn lost(&self) -> usize {
        self.machine.live.world().lost
    }

    /// How often the forge was asked to renew.
    fn renewals(&self) -> usize {
        self.forge.requests().iter().filter(|one| one.body.contains("grant_type=refresh_token")).count()
    }

    /// How many renewals ended so, by the agent's own count.
    fn ended(&self, outcome: &str) -> u64 {
        let metrics = get(self.page, "/metrics").expect("a page");
        let name = format!(r#"sealink_agent_calls_total{{call="RefreshHostToken",outcome="{outcome}"}} "#);
        let found = metrics.lines().find_map(|line| line.strip_prefix(&name));
        found.map_or(0, |count| count.trim().parse().expect("a number"))
    }

    /// What the server was told, once for each call.
    fn told(&self) -> Vec<RefreshHostTokenResult> {
        let responses = self.machine.live.world().responses.clone();
        let renewed = |one: &sealink::pb::sealink::v1::SendResponseRequest| match one.result.clone() {
            Some(Reply::RefreshHostToken(renewed)) => renewed,
            other => panic!("{other:?}"),
        };
        responses.iter().map(renewed).collect()
    }
}

/// The server is away when the answer comes, for longer than any caller waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_sent_until_it_arrives() {
    let world = World::new(WayBack::Lost).await;
    world.offer(1, &world.machine.key);
    eventually("several were lost", || world.lost() >= 4).await;
    world.machine.live.world().way_back = WayBack::Open;
    eventually("one arrives", || world.told().len() == 1).await;
    assert_eq!(world.renewals(), 1);
    world.agent.stop().await;
}

/// A full disk, a conflict, a time that was up, a fault: what the server says of itself ends nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_trouble_is_waited_for() {
    let world = World::new(WayBack::Open).await;
    let troubles = ["resource_exhausted", "aborted", "deadline_exceeded", "internal", "data_loss", "unknown"];
    for (nth, code) in (1_u8..).zip(troubles) {
        let lost = world.lost();
        world.machine.live.world().way_back = WayBack::Refused(code);
        world.offer(nth.into(), &world.machine.key);
        eventually(code, || world.lost() >= lost + 2).await;
        world.machine.live.world().way_back = WayBack::Open;
        eventually("it arrives", || world.ended("OK") == u64::from(nth)).await;
        assert_eq!((world.told().len(), world.renewals()), (nth.into(), nth.into()), "{code}");
    }
    world.agent.stop().await;
}

/// What the server has no use for is not sent again, and not counted as delivered; who asks anew still gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_is_not_taken_is_counted_and_kept() {
    let world = World::new(WayBack::Open).await;
    let refusals = ["not_found", "invalid_argument", "permission_denied", "unimplemented", "unauthenticated"];
    for (nth, code) in (1_u8..).zip(refusals) {
        world.machine.live.world().way_back = WayBack::Refused(code);
        world.offer(nth.into(), &world.machine.key);
        eventually(code, || world.ended("UNDELIVERED") == u64::from(nth)).await;
        assert_eq!((world.lost(), world.ended("OK")), (nth.into(), 0), "{code}");
    }
    world.machine.live.world().way_back = WayBack::Open;
    world.offer(100, &world.machine.key);
    eventually("it arrives", || world.ended("OK") == 1).await;
    assert_eq!((world.told().len(), world.renewals()), (1, 1));
    world.agent.stop().await;
}

/// The server asks again, because it never heard: the forge would refuse, the agent knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_again_gets_what_the_forge_gave() {
    let world = World::new(WayBack::Lost).await;
    world.offer(1, &world.machine.key);
    eventually("the answer is lost", || world.lost() >= 1).await;
    world.offer(2, &world.machine.key);
    eventually("both are lost", || world.lost() >= 4).await;
    world.machine.live.world().way_back = WayBack::Open;
    eventually("it arrives", || !world.told().is_empty()).await;
    // The other answer is the same, or not sent any more.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let told = world.told();
    assert!(told.iter().all(|one| one.expires_at == told[0].expires_at), "one credential: {told:?}");
    assert_eq!(world.renewals(), 1);
    // What the server has taken is not kept: a token that is due again is renewed again.
    world.offer(3, &world.machine.key);
    eventually("it is renewed", || world.told().len() > told.len()).await;
    assert_eq!(world.renewals(), 2);
    world.agent.stop().await;
}

/// The runner's key was replaced between sealing and storing: the same credential comes sealed to the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_key_costs_no_credential() {
    let world = World::new(WayBack::NewKey).await;
    let new = world.machine.keys.generate(2_048).expect("a key").public().clone();
    world.machine.live.world().keys.insert(0, new.clone());
    world.offer(1, &world.machine.key);
    eventually("it arrives", || world.told().len() == 1).await;
    assert_eq!(world.told()[0].kid, new.kid().0);
    assert_eq!(world.renewals(), 1);
    world.agent.stop().await;
}

/// SIGTERM comes when the answer is on its way: it stops after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_the_answer() {
    let World { machine, forge, agent, .. } = {
        let world = World::new(WayBack::Lost).await;
        world.offer(1, &world.machine.key);
        eventually("it is lost", || world.lost() >= 1).await;
        world
    };
    let stopping = tokio::spawn(agent.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    machine.live.world().way_back = WayBack::Open;
    stopping.await.expect("no panic");
    assert_eq!(machine.live.world().responses.len(), 1);
    drop(forge);
}
