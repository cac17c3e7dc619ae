//! `sealink service-account`.
use clap::{Args, Subcommand};

use super::{
    context::Context,
    humane,
    output::Output,
    words::{self, word},
};
use crate::{
    error::{Error, Result},
    pb::sealink::v1::{
        CreateServiceAccountRequest, DisableServiceAccountRequest, ListServiceAccountsRequest,
        OrganizationRole, ServiceAccount,
    },
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink service-account create ci --description 'the build server'
  sealink service-account list";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a service account
    #[command(after_help = "\
Examples:
  sealink service-account create ci --description 'the build server'
  sealink token create --service-account ID --output ci.token       a token for it")]
    Create(Create),
    /// List service accounts
    #[command(after_help = "Example:\n  sealink service-account list")]
    List,
    /// Disable a service account: all its tokens stop working at once
    #[command(
        after_help = "Example:\n  sealink service-account disable 0198a7c0-0000-7000-8000-000000000001"
    )]
    Disable {
        /// The service account
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Unique, also among users: 1 to 63 of a-z, 0-9, '.', '_' and '-'
    name: String,
    /// What it is for, up to 255 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// What it may do
    #[arg(long, value_enum, default_value = "member")]
    role: words::Role,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(Create { name, description, role }) => {
            let role = OrganizationRole::from(role).into();
            let request = CreateServiceAccountRequest { name, description, role };
            let answer = context.client()?.call(&request).await?;
            show(context.out, answer.service_account.as_ref())
        }
        Command::List => list(context).await,
        Command::Disable { id } => {
            let request = DisableServiceAccountRequest { service_account_id: id };
            let answer = context.client()?.call(&request).await?;
            show(context.out, answer.service_account.as_ref())
        }
    }
}

async fn list(context: &Context) -> Result<()> {
    let accounts = context.client()?.list(ListServiceAccountsRequest::default()).await?;
    context.out.list(
        &accounts,
        ["ID", "NAME", "ROLE", "STATE", "CREATED", "DESCRIPTION"],
        |account| {
            [
                account.id.clone(),
                account.name.clone(),
                role(account),
                state(account),
                humane::when(account.created_at.as_ref()),
                account.description.clone(),
            ]
        },
        "there are no service accounts; make one with `sealink service-account create NAME`",
    )
}

fn show(out: Output, account: Option<&ServiceAccount>) -> Result<()> {
    let account = account.ok_or_else(|| Error::not_found("service account"))?;
    out.show(
        account,
        &[
            ("id", account.id.clone()),
            ("name", account.name.clone()),
            ("description", account.description.clone()),
            ("role", role(account)),
            ("state", state(account)),
            ("created", humane::exact(account.created_at.as_ref())),
        ],
    )
}

fn role(account: &ServiceAccount) -> String {
    word(account.role, "ORGANIZATION_ROLE_", OrganizationRole::as_str_name)
}

fn state(account: &ServiceAccount) -> String {
    if account.disabled { "disabled" } else { "enabled" }.to_owned()
}
