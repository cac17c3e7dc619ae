//! `sealink group member`.
use clap::{Args, Subcommand};
use serde_json::json;

use super::{context::Context, words::word};
use crate::{
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateMembershipRequest, DeleteMembershipRequest, GetMembershipRequest, ListMembershipsRequest,
        Principal, Subject,
    },
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink group member add GROUP --user ID
  sealink group member list GROUP";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a user or a service account to a group
    #[command(after_help = "\
Examples:
  sealink group member add GROUP --user ID
  sealink group member add GROUP --service-account ID")]
    Add(Named),
    /// Take a user or a service account out of a group
    #[command(after_help = "Example:\n  sealink group member remove GROUP --user ID")]
    Remove(Named),
    /// List who is in a group
    #[command(after_help = "Example:\n  sealink group member list GROUP")]
    List {
        /// The group
        group: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The group
    group: String,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// The user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// The service account
    #[arg(long, value_name = "ID")]
    service_account: Option<String>,
}

impl Who {
    fn subject(self) -> Subject {
        match (self.user, self.service_account) {
            (Some(id), _) => Subject { id, principal: Principal::User.into() },
            (None, id) => Subject { id: id.unwrap_or_default(), principal: Principal::ServiceAccount.into() },
        }
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Add(Named { group, who }) => {
            let request = CreateMembershipRequest { group_id: group, subject: Some(who.subject()) };
            let answer = context.client()?.call(&request).await?;
            let member = answer.member.ok_or_else(missing)?;
            context.out.created(&member, &member.id, &format!("{} is in the group now", member.name))
        }
        Command::Remove(Named { group, who }) => {
            let client = context.client()?;
            let request = GetMembershipRequest { group_id: group, subject: Some(who.subject()) };
            let member = client.call(&request).await?.member.ok_or_else(missing)?;
            client.call(&DeleteMembershipRequest { membership_id: member.id.clone() }).await?;
            if context.out.is_json() {
                return super::output::json(&json!({ "id": member.id }));
            }
            super::output::note(&format!("{} is no longer in the group", member.name));
            Ok(())
        }
        Command::List { group } => list(context, group).await,
    }
}

fn missing() -> Error {
    Error::not_found("group membership")
}

async fn list(context: &Context, group_id: String) -> Result<()> {
    let members = context.client()?.list(ListMembershipsRequest { group_id, ..Default::default() }).await?;
    context.out.list(
        &members,
        ["ID", "KIND", "NAME"],
        |member| {
            let subject = member.subject.clone().unwrap_or_default();
            let kind = word(subject.principal, "PRINCIPAL_", Principal::as_str_name);
            [subject.id, kind, member.name.clone()]
        },
        "nobody is in this group; add somebody with `sealink group member add`",
    )
}
