//! `sealink user`.
use clap::{Args, Subcommand};

use super::{
    context::Context,
    humane,
    output::Output,
    words::{self, word},
};
use crate::{
    error::{Error, Result},
    pb::sealink::v1::{CreateUserRequest, DisableUserRequest, ListUsersRequest, OrganizationRole, User},
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink user create ada --email ada@example.com --fullname 'Ada Lovelace'
  sealink user list";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a user
    #[command(after_help = "\
Examples:
  sealink user create ada --email ada@example.com --fullname 'Ada Lovelace'
  sealink token create --user ID --output ada.token        a token to get started with")]
    Create(Create),
    /// List users
    #[command(after_help = "Example:\n  sealink user list")]
    List,
    /// Disable a user: all its tokens stop working at once
    #[command(after_help = "Example:\n  sealink user disable 0198a7c0-0000-7000-8000-000000000001")]
    Disable {
        /// The user
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Unique: 1 to 63 of a-z, 0-9, '.', '_' and '-'
    name: String,
    /// Where to write to
    #[arg(long)]
    email: String,
    /// The name people use
    #[arg(long, default_value = "", hide_default_value = true)]
    fullname: String,
    /// What the user may do
    #[arg(long, value_enum, default_value = "member")]
    role: words::Role,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(Create { name, email, fullname, role }) => {
            let request =
                CreateUserRequest { name, email, fullname, role: OrganizationRole::from(role).into() };
            let answer = context.client()?.call(&request).await?;
            show(context.out, answer.user.as_ref())
        }
        Command::List => list(context).await,
        Command::Disable { id } => {
            let answer = context.client()?.call(&DisableUserRequest { user_id: id }).await?;
            show(context.out, answer.user.as_ref())
        }
    }
}

async fn list(context: &Context) -> Result<()> {
    let users = context.client()?.list(ListUsersRequest::default()).await?;
    context.out.list(
        &users,
        ["ID", "NAME", "EMAIL", "FULL NAME", "ROLE", "STATE", "CREATED"],
        |user| {
            [
                user.id.clone(),
                user.name.clone(),
                user.email.clone(),
                user.fullname.clone(),
                role(user),
                state(user),
                humane::when(user.created_at.as_ref()),
            ]
        },
        "there are no users",
    )
}

fn show(out: Output, user: Option<&User>) -> Result<()> {
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    out.show(
        user,
        &[
            ("id", user.id.clone()),
            ("name", user.name.clone()),
            ("email", user.email.clone()),
            ("full name", user.fullname.clone()),
            ("role", role(user)),
            ("state", state(user)),
            ("created", humane::exact(user.created_at.as_ref())),
        ],
    )
}

fn role(user: &User) -> String {
    word(user.role, "ORGANIZATION_ROLE_", OrganizationRole::as_str_name)
}

fn state(user: &User) -> String {
    if user.disabled { "disabled" } else { "enabled" }.to_owned()
}
