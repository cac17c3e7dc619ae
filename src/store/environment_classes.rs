//! Environment classes.
use sqlx::FromRow;

use super::{
    Store,
    changes::{Operation, lock_runner, log_audit, log_change},
    on,
    runner_pages::names,
    runner_policies::granted_runners,
    tx::{execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        access::RunnerFacts,
        audit::{Actor, Entry},
        change::ObjectKind,
        environment_class::{ClassFilter, EnvironmentClass, Patch},
        id::{EnvironmentClassId, OrganizationId, RunnerId, UserId},
        page::{Page, PageRequest},
    },
    error::{Error, Kind, Result},
};

/// Which environment classes a list shows.
#[derive(Clone, Copy, Debug)]
pub enum ClassScope {
    /// The whole organization's.
    Organization(OrganizationId),
    /// Those of the runners a user created.
    CreatedBy(UserId),
    /// Those of the runners on which policies give a member a role.
    GrantedTo(UserId),
    /// One runner's.
    Runner(RunnerId),
}

#[derive(FromRow)]
struct ClassRow {
    id: EnvironmentClassId,
    organization_id: OrganizationId,
    runner_id: RunnerId,
    creator_id: UserId,
    display_name: String,
    description: String,
    configuration: String,
    enabled: bool,
    created_at: Instant,
    updated_at: Instant,
}

impl ClassRow {
    fn facts(&self) -> RunnerFacts {
        RunnerFacts { id: self.runner_id, organization: self.organization_id, creator: self.creator_id }
    }

    fn class(self) -> Result<EnvironmentClass> {
        let damaged =
            |error| Error::new(Kind::DataLoss, "a stored environment class is damaged").caused_by(error);
        Ok(EnvironmentClass {
            id: self.id,
            runner: self.runner_id,
            display_name: self.display_name,
            description: self.description,
            configuration: serde_json::from_str(&self.configuration).map_err(damaged)?,
            enabled: self.enabled,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

macro_rules! select_class {
    ($($where:tt)*) => {
        concat!(
            "SELECT c.id, c.organization_id, c.runner_id, c.creator_id, c.display_name, c.description, \
             c.configuration, c.enabled, c.created_at, c.updated_at FROM environment_class c WHERE ",
            $($where)*
        )
    };
}

/// One text for both databases. Names of kinds and providers stand between commas; the third narrows to
/// disabled (0) or enabled (1) classes.
macro_rules! class_list {
    ($($owner:tt)*) => {
        concat!(
            select_class!($($owner)*),
            " AND c.id > $2 \
              AND ($4 = '' OR $4 LIKE '%,' || (SELECT r.kind FROM runner r WHERE r.id = c.runner_id) || ',%') \
              AND ($5 = '' OR $5 LIKE '%,' || (SELECT r.provider FROM runner r WHERE r.id = c.runner_id) || ',%') \
              AND ($6 < 0 OR c.enabled = ($6 > 0)) ORDER BY c.id LIMIT $3"
        )
    };
}
pub(super) const OF_ORGANIZATION: &str = class_list!("c.organization_id = $1");
pub(super) const OF_CREATOR: &str = class_list!("c.creator_id = $1");
pub(super) const OF_RUNNER: &str = class_list!("c.runner_id = $1");
pub(super) const GRANTED: &str = class_list!("c.runner_id IN (", granted_runners!(), ")");

impl Store {
    /// Stores a new environment class.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the runner is gone.
    pub async fn create_environment_class(
        &self,
        actor: Actor,
        creator: UserId,
        new: EnvironmentClass,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO environment_class (id, organization_id, runner_id, creator_id, \
            display_name, description, configuration, enabled, created_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
        let configuration = serde_json::to_string(&new.configuration).map_err(Error::internal)?;
        self.write((actor, creator, new, configuration), |tx, (actor, creator, new, configuration)| {
            Box::pin(async move {
                log_change(tx, actor, new.runner, Operation::Put, (ObjectKind::EnvironmentClass, new.id.0))
                    .await?;
                execute!(
                    tx,
                    SQL,
                    new.id,
                    actor.organization,
                    new.runner,
                    *creator,
                    &new.display_name,
                    &new.description,
                    configuration,
                    new.enabled,
                    new.created_at,
                )?;
                let entry = Entry::new("environment_class.create", &new.id)
                    .of_runner(new.runner)
                    .with("display_name", new.display_name.as_str());
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// An environment class of the organization, with its runner.
    pub async fn environment_class(
        &self,
        organization: OrganizationId,
        id: EnvironmentClassId,
    ) -> Result<Option<(EnvironmentClass, RunnerFacts)>> {
        const SQL: &str = select_class!("c.id = $1 AND c.organization_id = $2");
        let row: Option<ClassRow> =
            on!(self, pool => sqlx::query_as(SQL).bind(id).bind(organization).fetch_optional(pool).await)?;
        row.map(|row| Ok((row.facts(), row.class()?)).map(|(facts, class)| (class, facts))).transpose()
    }

    /// Changes a class of the organization as the patch says; one that changes nothing leaves no trace.
    /// `false`: there is no such class.
    pub async fn update_environment_class(
        &self,
        actor: Actor,
        id: EnvironmentClassId,
        patch: Patch,
    ) -> Result<bool> {
        const FIND: &str = select_class!("c.id = $1 AND c.organization_id = $2");
        const SQL: &str = "UPDATE environment_class SET display_name = $2, description = $3, enabled = $4, \
            updated_at = $5 WHERE id = $1";
        self.write((actor, id, patch), |tx, (actor, id, patch)| {
            Box::pin(async move {
                let found: Option<ClassRow> = on_tx!(tx, conn => sqlx::query_as(FIND)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(found) = found else { return Ok(false) };
                lock_runner(tx, actor, found.runner_id).await?;
                // What it is now that nobody else can change it.
                let found: Option<ClassRow> = on_tx!(tx, conn => sqlx::query_as(FIND)
                    .bind(*id).bind(actor.organization).fetch_optional(conn).await)?;
                let Some(now) = found.map(ClassRow::class).transpose()? else { return Ok(false) };
                let (next, changed) = patch.apply(&now);
                if changed.is_empty() {
                    return Ok(true);
                }
                let at = actor.at.max(now.updated_at);
                execute!(tx, SQL, *id, &next.display_name, &next.description, next.enabled, at)?;
                log_change(tx, actor, next.runner, Operation::Put, (ObjectKind::EnvironmentClass, id.0))
                    .await?;
                log_audit(tx, actor, &Entry::new("environment_class.update", id).with("changed", changed))
                    .await?;
                Ok(true)
            })
        })
        .await
    }

    /// A page of environment classes, oldest first. The filter's runners are the scope's business.
    pub async fn environment_classes(
        &self,
        scope: ClassScope,
        filter: &ClassFilter,
        page: PageRequest,
    ) -> Result<Page<EnvironmentClass>> {
        let (sql, owner) = match scope {
            ClassScope::Organization(id) => (OF_ORGANIZATION, id.0),
            ClassScope::CreatedBy(id) => (OF_CREATOR, id.0),
            ClassScope::GrantedTo(id) => (GRANTED, id.0),
            ClassScope::Runner(id) => (OF_RUNNER, id.0),
        };
        let enabled = filter.enabled.map_or(-1, i64::from);
        let rows: Vec<ClassRow> = on!(self, pool => sqlx::query_as(sql)
            .bind(owner).bind(page.after.0).bind(page.size.with_lookahead())
            .bind(names(&filter.kinds)).bind(names(&filter.providers)).bind(enabled)
            .fetch_all(pool).await)?;
        let rows = rows.into_iter().map(ClassRow::class).collect::<Result<_>>()?;
        Ok(Page::cut(rows, page.size, |class: &EnvironmentClass| class.id.0))
    }
}
