//! `sealink group`.
use clap::{Args, Subcommand};

use super::{context::Context, group_member, humane, output::Output};
use crate::{
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateGroupRequest, DeleteGroupRequest, GetAuthenticatedIdentityRequest, GetGroupRequest, Group,
        ListGroupsRequest, UpdateGroupRequest, get_group_request::Group as Named,
        list_groups_request::Filter,
    },
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink group create platform --description 'runs the runners'
  sealink group member add ID --user USER";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a group
    #[command(after_help = "\
Examples:
  sealink group create platform --description 'runs the runners'
  sealink group member add ID --user USER")]
    Create(Create),
    /// List groups
    #[command(after_help = "Examples:\n  sealink group list\n  sealink group list --search plat --json")]
    List {
        /// Only those with this in their name
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        search: String,
    },
    /// Show one group
    #[command(after_help = "Examples:\n  sealink group show ID\n  sealink group show --name platform")]
    Show {
        /// The group
        #[arg(required_unless_present = "name")]
        id: Option<String>,
        /// The group's name instead
        #[arg(long, conflicts_with = "id")]
        name: Option<String>,
    },
    /// Change a group's name or description; what is not named stays as it is
    #[command(after_help = "Example:\n  sealink group update ID --name platform-team")]
    Update(Update),
    /// Delete a group, its memberships, and the roles it had
    #[command(after_help = "Example:\n  sealink group delete 0198a7c0-0000-7000-8000-000000000001")]
    Delete {
        /// The group
        id: String,
    },
    /// Who is in a group
    #[command(subcommand, after_help = group_member::EXAMPLES)]
    Member(group_member::Command),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Unique, 3 to 80 characters
    name: String,
    /// What it is for, up to 255 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true, args = ["name", "description"])]
pub(super) struct Update {
    /// The group
    id: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// A new description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(Create { name, description }) => {
            let client = context.client()?;
            let organization_id = client.call(&GetAuthenticatedIdentityRequest {}).await?.organization_id;
            let request = CreateGroupRequest { organization_id, name, description };
            show(context.out, client.call(&request).await?.group)
        }
        Command::List { search } => list(context, search).await,
        Command::Show { id, name } => {
            let group = name.map(Named::Name).or(id.map(Named::Id));
            let request = GetGroupRequest { group, ..Default::default() };
            show(context.out, context.client()?.call(&request).await?.group)
        }
        Command::Update(update) => update.run(context).await,
        Command::Delete { id } => {
            context.client()?.call(&DeleteGroupRequest { group_id: id.clone() }).await?;
            context.out.done(&id, &format!("group {id} deleted"))
        }
        Command::Member(command) => group_member::run(context, command).await,
    }
}

impl Update {
    /// The API replaces both, so what stays is read first.
    async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let named = GetGroupRequest { group: Some(Named::Id(self.id)), ..Default::default() };
        let now = client.call(&named).await?.group.ok_or_else(missing)?;
        let request = UpdateGroupRequest {
            group_id: now.id,
            name: self.name.unwrap_or(now.name),
            description: self.description.unwrap_or(now.description),
        };
        show(context.out, client.call(&request).await?.group)
    }
}

fn missing() -> Error {
    Error::not_found("group")
}

async fn list(context: &Context, search: String) -> Result<()> {
    let filter = Filter { search, ..Default::default() };
    let request = ListGroupsRequest { filter: Some(filter), ..Default::default() };
    let groups = context.client()?.list(request).await?;
    context.out.list(
        &groups,
        ["ID", "NAME", "MEMBERS", "CREATED", "DESCRIPTION"],
        |group| {
            [
                group.id.clone(),
                group.name.clone(),
                group.member_count.to_string(),
                humane::when(group.created_at.as_ref()),
                group.description.clone(),
            ]
        },
        "there are no groups; make one with `sealink group create NAME`",
    )
}

fn show(out: Output, group: Option<Group>) -> Result<()> {
    let group = group.ok_or_else(missing)?;
    out.show(
        &group,
        &[
            ("id", group.id.clone()),
            ("name", group.name.clone()),
            ("description", group.description.clone()),
            ("members", group.member_count.to_string()),
            ("created", humane::exact(group.created_at.as_ref())),
            ("updated", humane::exact(group.updated_at.as_ref())),
        ],
    )
}
