//! Reading runners: one, and pages of those a caller may see.
use sqlx::FromRow;

use super::{
    Store,
    liveness::LivenessRow,
    on,
    runner_keys::KeyRow,
    runner_policies::{granted_role, granted_runners},
};
use crate::{
    clock::Instant,
    domain::{
        access::{RunnerFacts, Visible},
        id::{OrganizationId, RunnerId, UserId},
        page::{Page, PageRequest},
        runner::{Runner, RunnerFilter, RunnerKind, RunnerProvider},
        runner_policy::RunnerRole,
        schema::OfferedScms,
        secret::{Kid, Sealed},
        user::MemberKind,
    },
    error::{Error, Kind, Result},
};

/// [`runner_columns`].
#[derive(FromRow)]
pub(super) struct RunnerRow {
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
    pub(super) fn runner(self) -> Result<Runner> {
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

/// The columns of a runner `r` after [`runner_joins`].
macro_rules! runner_columns {
    () => {
        "r.id, r.organization_id, r.creator_id, \
         (SELECT c.kind FROM member c WHERE c.id = r.creator_id) AS creator_kind, r.name, r.kind, r.provider, \
         r.configuration, r.honeycomb_key, r.honeycomb_kid, \
         r.metrics_password IS NOT NULL AS has_metrics_password, r.registered, r.offered_scms, r.revision, \
         r.version, r.created_at, r.updated_at, k.kid AS key_kid, k.runner_id AS key_runner_id, \
         k.state AS key_state, k.algorithm AS key_algorithm, k.bits AS key_bits, \
         k.public_key AS key_public_key, k.created_at AS key_created_at, k.activated_at AS key_activated_at, \
         k.revoked_at AS key_revoked_at, k.revocation_reason AS key_revocation_reason, \
         s.alive_at AS status_alive_at, s.degraded_at AS status_degraded_at, s.message AS status_message, \
         s.report AS status_report, s.updated_at AS status_updated_at"
    };
}
macro_rules! runner_joins {
    () => {
        "LEFT JOIN runner_key k ON k.runner_id = r.id AND k.state = 'ACTIVE' \
         LEFT JOIN runner_status s ON s.runner_id = r.id "
    };
}
pub(super) use {runner_columns, runner_joins};

macro_rules! select_runner {
    ($where:literal) => {
        select_runner!([""] $where)
    };
    ([$($column:tt)*] $($where:tt)*) => {
        concat!(
            "SELECT ",
            $($column)*,
            runner_columns!(),
            " FROM runner r ",
            runner_joins!(),
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
