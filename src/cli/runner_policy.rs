//! `sealink runner policy`.
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{context::Context, words::word};
use crate::{
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateRunnerPolicyRequest, DeleteRunnerPolicyRequest, ListRunnerPoliciesRequest, RunnerRole,
        UpdateRunnerPolicyRequest,
    },
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink runner policy create RUNNER GROUP --role user
  sealink runner policy list RUNNER";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a group's members a role on a runner
    #[command(after_help = "Example:\n  sealink runner policy create RUNNER GROUP --role user")]
    Create(Given),
    /// Change a group's role on a runner
    #[command(after_help = "Example:\n  sealink runner policy update RUNNER GROUP --role admin")]
    Update(Given),
    /// List which groups have which role on a runner
    #[command(after_help = "Example:\n  sealink runner policy list RUNNER")]
    List {
        /// The runner
        runner: String,
    },
    /// Take a group's role on a runner
    #[command(after_help = "Example:\n  sealink runner policy delete RUNNER GROUP")]
    Delete {
        /// The runner
        runner: String,
        /// The group
        group: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Given {
    /// The runner
    runner: String,
    /// The group
    group: String,
    /// What its members may do
    #[arg(long, value_enum)]
    role: Role,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Everything its creator may
    Admin,
    /// See it, use it, and manage their own host tokens
    User,
}

impl Role {
    fn number(self) -> i32 {
        match self {
            Self::Admin => RunnerRole::Admin,
            Self::User => RunnerRole::User,
        }
        .into()
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(Given { runner: runner_id, group: group_id, role }) => {
            let request = CreateRunnerPolicyRequest { runner_id, group_id, role: role.number() };
            let policy = context.client()?.call(&request).await?.policy.ok_or_else(missing)?;
            context.out.created(&policy, &policy.group_id, "the group has this role on the runner now")
        }
        Command::Update(Given { runner: runner_id, group: group_id, role }) => {
            let request = UpdateRunnerPolicyRequest { runner_id, group_id, role: role.number() };
            let policy = context.client()?.call(&request).await?.policy.ok_or_else(missing)?;
            context.out.created(&policy, &policy.group_id, "the group has this role on the runner now")
        }
        Command::List { runner } => list(context, runner).await,
        Command::Delete { runner: runner_id, group: group_id } => {
            let request = DeleteRunnerPolicyRequest { runner_id, group_id };
            context.client()?.call(&request).await?;
            if context.out.is_json() {
                let DeleteRunnerPolicyRequest { runner_id, group_id } = request;
                return super::output::json(&json!({ "runnerId": runner_id, "groupId": group_id }));
            }
            super::output::note("the group has no role on the runner any more");
            Ok(())
        }
    }
}

fn missing() -> Error {
    Error::not_found("runner policy")
}

async fn list(context: &Context, runner_id: String) -> Result<()> {
    let request = ListRunnerPoliciesRequest { runner_id, ..Default::default() };
    let policies = context.client()?.list(request).await?;
    context.out.list(
        &policies,
        ["GROUP", "ROLE"],
        |policy| [policy.group_id.clone(), word(policy.role, "RUNNER_ROLE_", RunnerRole::as_str_name)],
        "no group has a role on this runner; give one with `sealink runner policy create`",
    )
}
