//! Runner policies.
use crate::{
    domain::{
        id::{GroupId, RunnerId},
        runner_policy::{RunnerPolicy, RunnerRole},
    },
    error::{Error, Result},
    pb::gitpod::v1 as pb,
};

impl TryFrom<pb::CreateRunnerPolicyRequest> for RunnerPolicy {
    type Error = Error;

    fn try_from(request: pb::CreateRunnerPolicyRequest) -> Result<Self> {
        let pb::CreateRunnerPolicyRequest { runner_id, group_id, role: given } = request;
        policy(&runner_id, &group_id, given)
    }
}

impl TryFrom<pb::UpdateRunnerPolicyRequest> for RunnerPolicy {
    type Error = Error;

    fn try_from(request: pb::UpdateRunnerPolicyRequest) -> Result<Self> {
        let pb::UpdateRunnerPolicyRequest { runner_id, group_id, role: given } = request;
        policy(&runner_id, &group_id, given)
    }
}

fn policy(runner: &str, group: &str, given: i32) -> Result<RunnerPolicy> {
    let (runner, group) = (RunnerId::parse("runner_id", runner)?, GroupId::parse("group_id", group)?);
    let role = match pb::RunnerRole::try_from(given) {
        Ok(pb::RunnerRole::Admin) => RunnerRole::Admin,
        Ok(pb::RunnerRole::User) => RunnerRole::User,
        Ok(pb::RunnerRole::Unspecified) | Err(_) => {
            let message = "value must be RUNNER_ROLE_ADMIN or RUNNER_ROLE_USER";
            return Err(Error::invalid("role", "sealink.runner_role", message));
        }
    };
    Ok(RunnerPolicy { runner, group, role })
}

/// A policy as those see it who administer its runner.
pub(crate) fn runner_policy(policy: RunnerPolicy) -> pb::RunnerPolicy {
    let role = match policy.role {
        RunnerRole::Admin => pb::RunnerRole::Admin,
        RunnerRole::User => pb::RunnerRole::User,
    };
    pb::RunnerPolicy { group_id: policy.group.to_string(), role: role.into() }
}
