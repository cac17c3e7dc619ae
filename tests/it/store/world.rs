//! What the behaviours talk about: an organization with an administrator, its runners, keys and integrations.
use std::sync::Arc;

use sealink::{
    clock::{Clock, Instant},
    domain::{
        audit::Actor,
        environment_class::{EnvironmentClass, Setting},
        host::Host,
        id::{EnvironmentClassId, IntegrationId, OrganizationId, RegistrationId, RunnerId, UserId},
        integration::{Integration, OAuth},
        page::{After, PageRequest, PageSize},
        runner::{Configuration, RunnerKind, RunnerProvider},
        runner_key::{KeyAlgorithm, KeyState},
        secret::{Kid, Sealed},
        token::{TokenId, TokenKind},
        user::{NewUser, Role},
    },
    error::Result,
    store::{FirstAdmin, NewRegistration, NewRunnerRow, NewTokenRow, RecordUpdate, RunnerUpdate, Store},
};
use uuid::Uuid;

use super::database::Raw;

/// The tables whose rows belong together.
pub(crate) const TABLES: &[&str] = &[
    "member",
    "runner",
    "token",
    "runner_key",
    "revoked_key",
    "key_registration",
    "scm_integration",
    "environment_class",
    "runner_schema",
    "member_group",
    "group_membership",
    "host_token",
    "llm_integration",
    "sealed_secret",
    "runner_policy",
    "configuration_change",
    "audit_entry",
];

/// An open store and what the first start made in it.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) raw: Raw,
    pub(crate) organization: OrganizationId,
    pub(crate) admin: UserId,
}

pub(crate) fn new_id() -> Uuid {
    Clock::System.new_id()
}

pub(crate) fn now() -> Instant {
    Clock::System.now()
}

pub(crate) fn page(size: i32, after: After) -> PageRequest {
    PageRequest { size: PageSize::parse(size).unwrap(), after }
}

/// An integration that was not stored yet; with a secret if there is a key to seal it with.
pub(crate) fn integration(runner: RunnerId, host: &str, kid: Option<&Kid>) -> Integration {
    let secret = kid.map(|kid| Sealed { bytes: vec![7; 700], kid: kid.clone() });
    let oauth = secret.map(|secret| OAuth { client_id: "client".into(), issuer: None, secret: Some(secret) });
    let now = now();
    Integration {
        id: IntegrationId(new_id()),
        runner,
        scm_id: "github".into(),
        host: Host::from_stored(host.into()),
        oauth,
        pat: true,
        virtual_directory: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

/// An environment class that was not stored yet.
pub(crate) fn environment_class(runner: RunnerId) -> EnvironmentClass {
    let now = now();
    EnvironmentClass {
        id: EnvironmentClassId(new_id()),
        runner,
        display_name: "Large".into(),
        description: "eight cores".into(),
        configuration: vec![Setting { key: "type".into(), value: "m6".into() }],
        enabled: true,
        created_at: now,
        updated_at: now,
    }
}

pub(crate) fn token(kind: TokenKind, member: Option<UserId>, runner: Option<RunnerId>) -> NewTokenRow {
    let id = new_id();
    NewTokenRow {
        id,
        token_id: TokenId(id.simple().to_string()),
        kind,
        member,
        runner,
        hash: [9; 32],
        description: "for a test".into(),
        read_only: false,
        expires_at: Some(now().plus(std::time::Duration::from_hours(1))),
    }
}

pub(crate) fn user(name: &str) -> NewUser {
    NewUser { name: name.into(), email: "a@b".into(), fullname: String::new(), role: Role::Member }
}

/// An offered key.
pub(crate) fn registration(runner: RunnerId, kid: &str) -> NewRegistration {
    NewRegistration {
        id: RegistrationId(new_id()),
        runner,
        kid: Kid(kid.into()),
        algorithm: KeyAlgorithm::X25519,
        bits: 256,
        public_key: vec![5; 32],
        answer_new_hash: [1; 32],
        old: None,
        expires_at: now().plus(std::time::Duration::from_mins(10)),
    }
}

impl World {
    pub(crate) async fn new(store: Store, raw: Raw) -> Arc<Self> {
        let (organization, admin) = (OrganizationId(new_id()), UserId(new_id()));
        let world = Self { store, raw, organization, admin };
        let mut user = user("admin");
        user.role = Role::Admin;
        let first = FirstAdmin { epoch: new_id(), organization, id: admin, user, token: None };
        assert!(!world.store.is_bootstrapped().await.unwrap());
        assert!(world.store.bootstrap(world.actor(), first).await.unwrap());
        Arc::new(world)
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor::server(self.organization, now(), new_id())
    }

    /// Another organization in the same database, and its administrator.
    pub(crate) async fn stranger(&self) -> (Actor, UserId) {
        let (organization, member) = (OrganizationId(new_id()), UserId(new_id()));
        let literal = self.raw.id(organization.0);
        self.raw
            .execute(&format!(
                "INSERT INTO organization (id, name, created_at) VALUES ({literal}, 'other', 1)"
            ))
            .await;
        let actor = Actor::server(organization, now(), new_id());
        self.store.create_user(actor.clone(), member, user("admin")).await.unwrap();
        (Actor { entry_id: new_id(), ..actor }, member)
    }

    pub(crate) fn new_runner(&self, name: &str) -> NewRunnerRow {
        let id = RunnerId(new_id());
        NewRunnerRow {
            id,
            creator: self.admin,
            name: name.into(),
            kind: RunnerKind::Remote,
            provider: RunnerProvider::AwsEc2,
            configuration: Configuration { region: "eu".into(), ..Configuration::default() },
            metrics_password: RecordUpdate::Keep,
            token: token(TokenKind::Exchange, None, Some(id)),
        }
    }

    pub(crate) async fn runner(&self) -> RunnerId {
        let new = self.new_runner("runner");
        let id = new.id;
        self.store.create_runner(self.actor(), new).await.unwrap();
        id
    }

    /// Registers a key; `replaces` is the ACTIVE key that was proved.
    pub(crate) async fn register(
        &self,
        runner: RunnerId,
        kid: &str,
        replaces: Option<&Kid>,
    ) -> Result<(Kid, KeyState)> {
        let offer = registration(runner, kid);
        let id = offer.id;
        self.store.begin_registration(self.actor(), offer).await?;
        self.store.complete_registration(self.actor(), id, replaces.cloned()).await
    }

    pub(crate) async fn state(&self, kid: &Kid) -> KeyState {
        self.store.runner_key(self.organization, kid.clone()).await.unwrap().unwrap().state
    }

    /// A runner with an ACTIVE key.
    pub(crate) async fn registered(&self, kid: &str) -> (RunnerId, Kid) {
        let runner = self.runner().await;
        let (kid, state) = self.register(runner, kid, None).await.unwrap();
        assert_eq!(state, KeyState::Active);
        (runner, kid)
    }

    pub(crate) async fn integrate(&self, runner: RunnerId, host: &str, kid: Option<&Kid>) -> Integration {
        let new = integration(runner, host, kid);
        self.store.create_integration(self.actor(), self.admin, new.clone()).await.unwrap();
        new
    }

    pub(crate) async fn class(&self, runner: RunnerId) -> EnvironmentClassId {
        let new = environment_class(runner);
        let id = new.id;
        self.store.create_environment_class(self.actor(), self.admin, new).await.unwrap();
        id
    }

    /// The integration as stored.
    pub(crate) async fn stored(&self, id: IntegrationId) -> Option<Integration> {
        self.store.integration(self.organization, id).await.unwrap().map(|(found, _)| found)
    }

    /// An update of a runner that changes nothing but its name.
    pub(crate) async fn renamed(&self, id: RunnerId, name: &str) -> RunnerUpdate {
        let runner = self.store.runner(self.organization, id).await.unwrap().unwrap();
        RunnerUpdate {
            id,
            expected_version: runner.version,
            name: name.into(),
            configuration: runner.configuration,
            honeycomb_key: runner.honeycomb_key,
            metrics_password: RecordUpdate::Keep,
            changed: vec!["name"],
        }
    }

    pub(crate) async fn revision(&self, runner: RunnerId) -> u64 {
        self.store.revision(runner).await.unwrap().unwrap()
    }

    /// The operations of a runner's change log, in order.
    pub(crate) async fn changes(&self, runner: RunnerId) -> Vec<String> {
        let id = self.raw.id(runner.0);
        let sql = format!(
            "SELECT operation || ' ' || object_kind FROM configuration_change WHERE runner_id = {id} \
             ORDER BY revision"
        );
        self.raw.texts(&sql).await
    }

    /// How many audit entries there are of `action`.
    pub(crate) async fn audited(&self, action: &str) -> i64 {
        self.raw.number(&format!("SELECT count(*) FROM audit_entry WHERE action = '{action}'")).await
    }

    /// How many rows each table has, and the sum of all revisions.
    pub(crate) async fn census(&self) -> Vec<i64> {
        let mut counts = Vec::new();
        for table in TABLES {
            counts.push(self.raw.number(&format!("SELECT count(*) FROM {table}")).await);
        }
        let revisions = "SELECT CAST(coalesce(sum(revision), 0) AS bigint) FROM runner";
        counts.push(self.raw.number(revisions).await);
        counts
    }

    /// Every runner's change log counts up to its revision; only its oldest entries may be forgotten.
    pub(crate) async fn revisions_have_no_gaps(&self) {
        let wrong = "SELECT count(*) FROM (SELECT r.revision, count(c.revision) AS n, max(c.revision) AS last, \
            min(c.revision) AS first FROM runner r LEFT JOIN configuration_change c ON c.runner_id = r.id \
            GROUP BY r.id, r.revision) x WHERE n <> last - first + 1 OR last <> revision";
        assert_eq!(self.raw.number(wrong).await, 0, "a change log has gaps");
    }
}
