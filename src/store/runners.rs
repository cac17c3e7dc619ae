//! Runners.
use sqlx::FromRow;

use super::{
    Store,
    changes::{Operation, log_audit, log_change},
    liveness::LivenessRow,
    on,
    runner_keys::{KeyRow, require_active, retire_unused_keys},
    runner_policies::{granted_role, granted_runners},
    tokens::{NewTokenRow, insert_token},
    tx::{Tx, changed_meanwhile, execute, on_tx, version},
};
use crate::{
    clock::Instant,
    domain::{
        access::{RunnerFacts, Visible},
        audit::{Actor, Entry},
        id::{OrganizationId, RunnerId, UserId},
        page::{Page, PageRequest},
        runner::{Configuration, Runner, RunnerFilter, RunnerKind, RunnerProvider},
        runner_policy::RunnerRole,
        schema::OfferedScms,
        secret::{Kid, Sealed},
        user::MemberKind,
    },
    error::{Error, Kind, Result},
};

/// A runner to be stored, with the exchange token that belongs to it.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// Its id.
    pub id: RunnerId,
    /// Who creates it.
    pub creator: UserId,
    /// Its name.
    pub name: String,
    /// Whether it is local.
    pub kind: RunnerKind,
    /// What it runs on.
    pub provider: RunnerProvider,
    /// Its settings.
    pub configuration: Configuration,
    /// The metrics password.
    pub metrics_password: RecordUpdate,
    /// The exchange token.
    pub token: NewTokenRow,
}

/// A runner's settings as they are to become, if it is still at the version they were decided on.
#[derive(Clone, Debug)]
pub struct Update {
    /// The runner.
    pub id: RunnerId,
    /// The version it must have now.
    pub expected_version: u64,
    /// Its name afterwards.
    pub name: String,
    /// Its settings afterwards.
    pub configuration: Configuration,
    /// Its Honeycomb key afterwards.
    pub honeycomb_key: Option<Sealed>,
    /// The metrics password afterwards.
    pub metrics_password: RecordUpdate,
    /// What changed, for the audit log: names of fields, never values.
    pub changed: Vec<&'static str>,
}

/// What becomes of a record that is sealed at rest.
#[derive(Clone, Debug)]
pub enum RecordUpdate {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It becomes this.
    Set(Vec<u8>),
}

impl RecordUpdate {
    fn record(&self) -> Option<&[u8]> {
        match self {
            Self::Keep | Self::Remove => None,
            Self::Set(record) => Some(record),
        }
    }
}

#[derive(FromRow)]
struct RunnerRow {
    id: RunnerId,
    organization_id: OrganizationId,
    creator_id: UserId,
    creator_kind: MemberKind,
    name: String,
    kind: RunnerKind,
    provider: RunnerProvider,
    configuration: String,
    honeycomb_key: Option<Vec<u8>>,
    honeycomb_kid: Option<Kid>,
    has_metrics_password: bool,
    registered: bool,
    offered_scms: Option<OfferedScms>,
    revision: i64,
    version: i64,
    created_at: Instant,
    updated_at: Instant,
    #[sqlx(flatten)]
    key: KeyRow,
    #[sqlx(flatten)]
    status: LivenessRow,
}

impl RunnerRow {
    fn runner(self) -> Result<Runner> {
        let damaged = |error| Error::new(Kind::DataLoss, "a stored runner is damaged").caused_by(error);
        let honeycomb_key =
            self.honeycomb_key.zip(self.honeycomb_kid).map(|(bytes, kid)| Sealed { bytes, kid });
        Ok(Runner {
            configuration: serde_json::from_str(&self.configuration).map_err(damaged)?,
            id: self.id,
            organization: self.organization_id,
            creator: self.creator_id,
            creator_kind: self.creator_kind,
            name: self.name,
            kind: self.kind,
            provider: self.provider,
            honeycomb_key,
            has_metrics_password: self.has_metrics_password,
            active_key: self.key.key(),
            registered: self.registered,
            offered: self.offered_scms,
            liveness: self.status.liveness()?,
            revision: self.revision.unsigned_abs(),
            version: self.version.unsigned_abs(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(FromRow)]
struct GrantedRow {
    granted: RunnerRole,
    #[sqlx(flatten)]
    runner: RunnerRow,
}

macro_rules! select_runner {
    ($where:literal) => {
        select_runner!([""] $where)
    };
    ([$($column:tt)*] $($where:tt)*) => {
        concat!(
            "SELECT ",
            $($column)*,
            "r.id, r.organization_id, r.creator_id, \
             (SELECT c.kind FROM member c WHERE c.id = r.creator_id) AS creator_kind, r.name, r.kind, r.provider, r.configuration, \
             r.honeycomb_key, r.honeycomb_kid, r.metrics_password IS NOT NULL AS has_metrics_password, r.registered, r.offered_scms, r.revision, r.version, r.created_at, r.updated_at, \
             k.kid AS key_kid, k.runner_id AS key_runner_id, k.state AS key_state, \
             k.algorithm AS key_algorithm, k.bits AS key_bits, k.public_key AS key_public_key, \
             k.created_at AS key_created_at, k.activated_at AS key_activated_at, \
             k.revoked_at AS key_revoked_at, k.revocation_reason AS key_revocation_reason, \
             s.alive_at AS status_alive_at, s.degraded_at AS status_degraded_at, \
             s.message AS status_message, s.report AS status_report, s.updated_at AS status_updated_at \
             FROM runner r LEFT JOIN runner_key k ON k.runner_id = r.id AND k.state = 'ACTIVE' \
             LEFT JOIN runner_status s ON s.runner_id = r.id ",
            $($where)*
        )
    };
}

/// One text for both databases: lists of names as `,A,B,`, up to 25 creators as that many places.
macro_rules! runner_filter {
    () => {
        " AND ($4 = '' OR $4 LIKE '%,' || r.kind || ',%') \
          AND ($5 = '' OR $5 LIKE '%,' || r.provider || ',%') \
          AND ($6 = 0 OR r.creator_id IN ($7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
               $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31)) \
          ORDER BY r.id LIMIT $3"
    };
}
const CREATOR_PLACES: usize = 25;
pub(super) const ALL: &str =
    concat!(select_runner!("WHERE r.organization_id = $1 AND r.id > $2"), runner_filter!());
pub(super) const CREATED: &str =
    concat!(select_runner!("WHERE r.creator_id = $1 AND r.id > $2"), runner_filter!());
pub(super) const GRANTED: &str = concat!(
    select_runner!([granted_role!("r.id"), " AS granted, "] "WHERE r.id IN (", granted_runners!(), ") AND r.id > $2"),
    runner_filter!()
);
pub(super) const ONE: &str = concat!(select_runner!("WHERE r.id = $1 AND r.id > $2"), runner_filter!());

/// The rows of a list of runners.
macro_rules! runner_rows {
    ($store:expr, $sql:expr, $of:expr, $filter:expr, $page:expr) => {{
        let (filter, page): (&RunnerFilter, PageRequest) = ($filter, $page);
        let (kinds, providers) = (names(&filter.kinds), names(&filter.providers));
        let narrowed = i64::from(!filter.creators.is_empty());
        let mut creators = filter.creators.clone();
        creators.resize(CREATOR_PLACES, UserId(uuid::Uuid::nil()));
        on!($store, pool => {
            let mut query = sqlx::query_as($sql)
                .bind($of).bind(page.after.0).bind(page.size.with_lookahead())
                .bind(&kinds).bind(&providers).bind(narrowed);
            for creator in &creators {
                query = query.bind(creator);
            }
            query.fetch_all(pool).await
        })
    }};
}

impl Store {
    /// Stores a new runner and its exchange token.
    pub async fn create_runner(&self, actor: Actor, new: NewRow) -> Result<()> {
        const SQL: &str = "INSERT INTO runner (id, organization_id, creator_id, name, kind, provider, \
            configuration, metrics_password, registered, revision, version, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 1, $10, $10)";
        self.write((actor, new), |tx, (actor, new)| {
            Box::pin(async move {
                let configuration = serde_json::to_string(&new.configuration).map_err(Error::internal)?;
                execute!(
                    tx,
                    SQL,
                    new.id,
                    actor.organization,
                    new.creator,
                    &new.name,
                    new.kind,
                    new.provider,
                    &configuration,
                    new.metrics_password.record(),
                    false,
                    actor.at,
                )?;
                insert_token(tx, actor, &new.token).await?;
                log_change(tx, actor, new.id, Operation::Put, ("runner", new.id.0)).await?;
                let entry = Entry::new("runner.create", &new.id).with("name", new.name.as_str());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// A runner of the organization, with its ACTIVE key.
    pub async fn runner(&self, organization: OrganizationId, id: RunnerId) -> Result<Option<Runner>> {
        const SQL: &str = select_runner!("WHERE r.id = $1 AND r.organization_id = $2");
        let row: Option<RunnerRow> =
            on!(self, pool => sqlx::query_as(SQL).bind(id).bind(organization).fetch_optional(pool).await)?;
        row.map(RunnerRow::runner).transpose()
    }

    /// A page of the runners a caller may see, oldest first.
    pub async fn runners(
        &self,
        organization: OrganizationId,
        visible: Visible,
        filter: RunnerFilter,
        page: PageRequest,
    ) -> Result<Page<Runner>> {
        let (sql, of) = match visible {
            Visible::Organization => (ALL, organization.0),
            Visible::CreatedBy(user) => (CREATED, user.0),
            Visible::Only(runner) => (ONE, runner.0),
        };
        let rows: Vec<RunnerRow> = runner_rows!(self, sql, of, &filter, page)?;
        let runners = rows.into_iter().map(RunnerRow::runner).collect::<Result<_>>()?;
        Ok(Page::cut(runners, page.size, |runner: &Runner| runner.id.0))
    }

    /// A page of the runners on which policies give a member a role, oldest first.
    pub async fn granted_runners(
        &self,
        member: UserId,
        filter: RunnerFilter,
        page: PageRequest,
    ) -> Result<Page<(Runner, RunnerRole)>> {
        let rows: Vec<GrantedRow> = runner_rows!(self, GRANTED, member.0, &filter, page)?;
        let rows = rows.into_iter().map(|row| Ok((row.runner.runner()?, row.granted)));
        let rows = rows.collect::<Result<_>>()?;
        Ok(Page::cut(rows, page.size, |(runner, _): &(Runner, _)| runner.id.0))
    }

    /// What the access rules need to know of a runner of the organization.
    pub async fn runner_facts(
        &self,
        organization: OrganizationId,
        id: RunnerId,
    ) -> Result<Option<RunnerFacts>> {
        const SQL: &str = "SELECT creator_id FROM runner WHERE id = $1 AND organization_id = $2";
        let creator: Option<UserId> = on!(self, pool => sqlx::query_scalar(SQL).bind(id).bind(organization).fetch_optional(pool).await)?;
        Ok(creator.map(|creator| RunnerFacts { id, organization, creator }))
    }

    /// Replaces a runner's settings by compare-and-swap on its version.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if it, or the key its secrets are sealed with, changed meanwhile;
    /// [`Kind::NotFound`] if it is gone.
    pub async fn update_runner(&self, actor: Actor, update: Update) -> Result<()> {
        const SQL: &str = "UPDATE runner SET name = $3, configuration = $4, honeycomb_key = $5, \
            honeycomb_kid = $6, version = version + 1, updated_at = $7 WHERE id = $1 AND version = $2";
        const PASSWORD: &str = "UPDATE runner SET metrics_password = $2 WHERE id = $1";
        self.write((actor, update), |tx, (actor, update)| {
            Box::pin(async move {
                log_change(tx, actor, update.id, Operation::Put, ("runner", update.id.0)).await?;
                let configuration = serde_json::to_string(&update.configuration).map_err(Error::internal)?;
                let honeycomb = update.honeycomb_key.as_ref();
                require_sealed_anew(tx, update.id, honeycomb).await?;
                let touched = execute!(
                    tx,
                    SQL,
                    update.id,
                    version(update.expected_version),
                    &update.name,
                    &configuration,
                    honeycomb.map(|sealed| sealed.bytes.as_slice()),
                    honeycomb.map(|sealed| &sealed.kid),
                    actor.at,
                )?;
                if touched == 0 {
                    return Err(changed_meanwhile());
                }
                if !matches!(update.metrics_password, RecordUpdate::Keep) {
                    execute!(tx, PASSWORD, update.id, update.metrics_password.record())?;
                }
                retire_unused_keys(tx, update.id).await?;
                let entry = Entry::new("runner.update", &update.id).with("changed", update.changed.clone());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// Deletes a runner of the organization with its integrations, keys and tokens. `false`: there is none.
    pub async fn delete_runner(&self, actor: Actor, id: RunnerId) -> Result<bool> {
        const SQL: &str = "DELETE FROM runner WHERE id = $1 AND organization_id = $2";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                if execute!(tx, SQL, *id, actor.organization)? == 0 {
                    return Ok(false);
                }
                log_audit(tx, actor, &Entry::new("runner.delete", id)).await?;
                Ok(true)
            })
        })
        .await
    }
}

/// A Honeycomb key other than the stored one must be sealed with the key that is ACTIVE at the commit.
async fn require_sealed_anew(tx: &mut Tx, runner: RunnerId, key: Option<&Sealed>) -> Result<()> {
    const SQL: &str = "SELECT honeycomb_key FROM runner WHERE id = $1";
    let Some(key) = key else { return Ok(()) };
    let stored = on_tx!(tx, conn => sqlx::query_scalar::<_, Option<Vec<u8>>>(SQL)
        .bind(runner).fetch_optional(conn).await)?;
    if stored.flatten().as_ref() == Some(&key.bytes) {
        return Ok(());
    }
    require_active(tx, runner, Some(&key.kid)).await
}

/// Stored names between commas; empty if nothing is narrowed. A name nothing has stands for `None`.
pub(super) fn names<T: StoredName>(values: &[Option<T>]) -> String {
    let names: Vec<_> =
        values.iter().map(|value| value.as_ref().map_or("-", StoredName::stored_name)).collect();
    if names.is_empty() { String::new() } else { format!(",{},", names.join(",")) }
}

/// Enums that queries compare as text.
pub(super) trait StoredName {
    fn stored_name(&self) -> &'static str;
}

impl StoredName for RunnerKind {
    fn stored_name(&self) -> &'static str {
        match self {
            Self::Local => "LOCAL",
            Self::Remote => "REMOTE",
        }
    }
}

impl StoredName for RunnerProvider {
    fn stored_name(&self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::AwsEc2 => "AWS_EC2",
            Self::LinuxHost => "LINUX_HOST",
            Self::DesktopMac => "DESKTOP_MAC",
            Self::Gcp => "GCP",
            Self::DevAgent => "DEV_AGENT",
        }
    }
}
