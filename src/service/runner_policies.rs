//! Runner policies: who else may do what with a runner. Those who administer it decide.
use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        id::{GroupId, RunnerId},
        runner_policy::RunnerPolicy,
    },
    error::{Error, Result},
};

fn missing() -> Error {
    Error::not_found("runner policy")
}

impl Service {
    /// Gives a group a role on a runner.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) or [`Kind::Forbidden`](crate::error::Kind::Forbidden)
    /// for the runner, [`Kind::NotFound`](crate::error::Kind::NotFound) for the group,
    /// [`Kind::AlreadyExists`](crate::error::Kind::AlreadyExists) if it has one.
    pub async fn create_runner_policy(&self, caller: &Caller, policy: RunnerPolicy) -> Result<RunnerPolicy> {
        if caller.repeats()?.is_some() {
            return Ok(policy);
        }
        self.reach_runner(caller, policy.runner).await?;
        self.store.create_runner_policy(self.actor(caller), self.clock.new_id(), policy).await?;
        Ok(policy)
    }

    /// Changes a group's role on a runner.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) or [`Kind::Forbidden`](crate::error::Kind::Forbidden)
    /// for the runner, [`Kind::NotFound`](crate::error::Kind::NotFound) if the group has no role on it.
    pub async fn update_runner_policy(&self, caller: &Caller, policy: RunnerPolicy) -> Result<RunnerPolicy> {
        self.reach_runner(caller, policy.runner).await?;
        let updated = self.store.update_runner_policy(self.actor(caller), policy).await?;
        if updated { Ok(policy) } else { Err(missing()) }
    }

    /// Takes a group's role on a runner.
    ///
    /// # Errors
    /// As [`Service::update_runner_policy`].
    pub async fn delete_runner_policy(
        &self,
        caller: &Caller,
        runner: RunnerId,
        group: GroupId,
    ) -> Result<()> {
        self.reach_runner(caller, runner).await?;
        let deleted = self.store.delete_runner_policy(self.actor(caller), runner, group).await?;
        if deleted { Ok(()) } else { Err(missing()) }
    }

    /// A page of a runner's policies, oldest first.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) or [`Kind::Forbidden`](crate::error::Kind::Forbidden)
    /// for the runner, [`Kind::Invalid`](crate::error::Kind::Invalid) for the page.
    pub async fn runner_policies(
        &self,
        caller: &Caller,
        id: RunnerId,
        ask: &PageAsk,
    ) -> Result<Listing<RunnerPolicy>> {
        self.reach_runner(caller, id).await?;
        let (filter, now) = ([id.to_string()], self.now());
        let list = List { name: "runner_policies", filter: &filter };
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.runner_policies(id, request).await?;
        self.ring().pages.write(caller, list, page, now)
    }
}
