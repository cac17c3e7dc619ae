//! `sealink account`.
use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::{account_key, context::Context, input};
use crate::error::{Error, Result};

/// Where the API has accounts.
const ACCOUNTS: &str = "scm_integrations";

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink account link gitea --url https://git.example.com --access-token-file token.txt
  sealink account repos gitea shop user:acme";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Link your account at a forge
    #[command(after_help = "\
The token is checked with the forge, and kept encrypted: nothing shows it again.
Types: github, github-enterprise, gitlab, gitlab-self-hosted, gitea, forgejo.

Examples:
  sealink account link gitea --url https://git.example.com --access-token-file token.txt
  pass show github/token | sealink account link github --access-token-file -")]
    Link(Link),
    /// List your accounts
    #[command(after_help = "Examples:\n  sealink account list\n  sealink account list --json")]
    List,
    /// Show one account
    #[command(after_help = "Example:\n  sealink account show gitea")]
    Show(Account),
    /// Replace an account's token by another of the same person
    #[command(after_help = "Example:\n  sealink account replace-token gitea --access-token-file token.txt")]
    ReplaceToken {
        #[command(flatten)]
        account: Account,
        /// Read the token from this file; - is stdin
        #[arg(long, value_name = "FILE")]
        access_token_file: PathBuf,
    },
    /// Unlink an account and wipe its token
    #[command(after_help = "Example:\n  sealink account unlink gitea")]
    Unlink(Account),
    /// Import the account's public SSH keys
    #[command(after_help = "Example:\n  sealink account import-keys gitea")]
    ImportKeys(Account),
    /// Find repositories
    #[command(after_help = "\
Examples:
  sealink account repos gitea shop user:acme
  sealink account repos github shop fork:true")]
    Repos {
        #[command(flatten)]
        account: Account,
        /// Words of the name; user:NAME, fork:true
        query: Vec<String>,
    },
    /// List the account's organizations
    #[command(after_help = "Example:\n  sealink account orgs gitea")]
    Orgs(Account),
    /// Find pull requests of a repository
    #[command(after_help = "Example:\n  sealink account pulls gitea acme/storefront is:open checkout")]
    Pulls {
        #[command(flatten)]
        account: Account,
        /// The repository, as owner/name
        repository: String,
        /// Words of the title; is:open, is:closed
        query: Vec<String>,
    },
    /// List the branches of a repository
    #[command(after_help = "Example:\n  sealink account branches gitea acme/storefront")]
    Branches {
        #[command(flatten)]
        account: Account,
        /// The repository, as owner/name
        repository: String,
    },
    /// Print a member's public SSH keys, for sshd's `AuthorizedKeysCommand`
    #[command(after_help = "\
Needs the token of an administrator or of a service account.

Example, in sshd_config(5):
  AuthorizedKeysCommand /usr/local/bin/sealink --server https://sealink.example.com --token-file /etc/ssh/sealink.token account authorized-keys %u
  AuthorizedKeysCommandUser sealink-keys")]
    AuthorizedKeys {
        /// The member's name
        user: String,
    },
    /// Your public SSH keys
    #[command(subcommand, after_help = account_key::EXAMPLES)]
    Keys(account_key::Command),
}

#[derive(Debug, Args)]
pub(super) struct Account {
    /// The account's id, or its type for the newest of that type
    #[arg(value_parser = id)]
    account: String,
}

/// What may stand in a path: URLs give some names a meaning of their own.
pub(super) fn id(text: &str) -> Result<String, &'static str> {
    if matches!(text, "" | "." | "..") { Err("must be an id") } else { Ok(text.to_owned()) }
}

#[derive(Debug, Args)]
pub(super) struct Link {
    /// The kind of forge
    #[arg(value_name = "TYPE")]
    scm_type: String,
    /// Where the forge is; not needed for github and gitlab
    #[arg(long)]
    url: Option<String>,
    /// Read the access token from this file; - is stdin
    #[arg(long, value_name = "FILE")]
    access_token_file: PathBuf,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Link(link) => link.run(context).await,
        Command::List => list(context).await,
        Command::Show(Account { account }) => {
            let found = call(context, Method::GET, &[&account], &[], None).await?;
            show(context, &found["scm_integration"])
        }
        Command::ReplaceToken { account: Account { account }, access_token_file } => {
            let token = input::secret("--access-token-file", &access_token_file)?;
            let body = json!({ "scm_integration": { "access_token": token.expose() } });
            call(context, Method::PATCH, &[&account], &[], Some(&body)).await?;
            context.out.done(&account, "the token was replaced")
        }
        Command::Unlink(Account { account }) => {
            call(context, Method::DELETE, &[&account], &[], None).await?;
            context.out.done(&account, "the account was unlinked, and its token wiped")
        }
        Command::ImportKeys(Account { account }) => {
            let imported = call(context, Method::POST, &[&account, "import_keys"], &[], None).await?;
            account_key::list_of(context, &imported, "there is no key that you do not have already")
        }
        Command::Repos { account: Account { account }, query } => {
            let query = [("query", query.join(" "))];
            let found = call(context, Method::GET, &[&account, "search_repos"], &query, None).await?;
            let row = |one: &Value| [text(one, "fullName"), text(one, "url"), text(one, "description")];
            context.out.list(
                array(&found, "repositories"),
                ["NAME", "URL", "DESCRIPTION"],
                row,
                "nothing matches",
            )
        }
        Command::Orgs(Account { account }) => orgs(context, &account).await,
        Command::Pulls { account: Account { account }, repository, query } => {
            let query = [("query", format!("repo:{repository} {}", query.join(" ")))];
            let path = [account.as_str(), "search_pull_requests"];
            let found = call(context, Method::GET, &path, &query, None).await?;
            let row = |one: &Value| [one["number"].to_string(), text(one, "title"), text(one, "html_url")];
            let found = array(&found, "pull_requests");
            context.out.list(found, ["NUMBER", "TITLE", "URL"], row, "nothing matches")
        }
        Command::Branches { account: Account { account }, repository } => {
            let query = [("repo_name", repository)];
            let found = call(context, Method::GET, &[&account, "branches"], &query, None).await?;
            let row = |one: &Value| [text(one, "name")];
            context.out.list(array(&found, "branches"), ["NAME"], row, "there are no branches")
        }
        Command::AuthorizedKeys { user } => account_key::authorized(context, user).await,
        Command::Keys(command) => account_key::run(context, command).await,
    }
}

impl Link {
    async fn run(self, context: &Context) -> Result<()> {
        let token = input::secret("--access-token-file", &self.access_token_file)?;
        let body = json!({ "scm_integration": {
            "scm_type": self.scm_type, "url": self.url, "access_token": token.expose(),
        } });
        let made = call(context, Method::POST, &[], &[], Some(&body)).await?;
        let made = &made["scm_integration"];
        let sentence = format!("linked as {} at {}", text(made, "username"), text(made, "url"));
        context.out.created(made, &text(made, "id"), &sentence)
    }
}

async fn list(context: &Context) -> Result<()> {
    let found = call(context, Method::GET, &[], &[], None).await?;
    let row = |one: &Value| ["id", "scm_type", "url", "username"].map(|name| text(one, name));
    context.out.list(
        array(&found, "scm_integrations"),
        ["ID", "TYPE", "URL", "USERNAME"],
        row,
        "there are no accounts; link one with `sealink account link`",
    )
}

fn show(context: &Context, account: &Value) -> Result<()> {
    let members = ["id", "scm_type", "url", "uid", "username", "email", "profile_url", "created_at"];
    context.out.show(account, &members.map(|name| (name, text(account, name))))
}

/// All pages of them.
async fn orgs(context: &Context, account: &str) -> Result<()> {
    let (mut all, mut page) = (Vec::new(), Some(1));
    while let Some(number) = page {
        let query = [("page", number.to_string()), ("per_page", "100".to_owned())];
        let found = call(context, Method::GET, &[account, "orgs"], &query, None).await?;
        all.extend_from_slice(array(&found, "organizations"));
        let next = found["meta"]["pagination"]["next_page"].as_u64();
        page = next.filter(|next| *next > number);
    }
    let row = |one: &Value| [text(one, "login"), text(one, "description")];
    context.out.list(&all, ["NAME", "DESCRIPTION"], row, "there are no organizations")
}

/// A call about accounts, in the words of the command line.
async fn call(
    context: &Context,
    method: Method,
    path: &[&str],
    query: &[(&str, String)],
    body: Option<&Value>,
) -> Result<Value> {
    let path = [&[ACCOUNTS][..], path].concat();
    let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    context.client()?.rest(method, &path, &query, body).await.map_err(Error::from)
}

/// A member that is an array; empty if it is not.
pub(super) fn array<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A member that is a text; empty if it is not.
pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Subcommand as _;

    use super::Command;
    use crate::domain::account::ScmType;

    #[test]
    fn help_names_every_type() {
        let commands = Command::augment_subcommands(clap::Command::new("account"));
        let help =
            commands.find_subcommand("link").and_then(clap::Command::get_after_help).unwrap().to_string();
        let types = format!("\nTypes: {}.\n", ScmType::ALL.map(ScmType::id).join(", "));
        assert!(help.contains(&types), "{help}");
    }
}
