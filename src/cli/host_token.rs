//! `sealink host-token`.
use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueEnum};

use super::{context::Context, humane, input, output::Output, words::word};
use crate::{
    clock::Clock,
    domain::secret::MAX_HOST_TOKEN_BYTES,
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateHostAuthenticationTokenRequest, DeleteHostAuthenticationTokenRequest,
        GetHostAuthenticationTokenRequest, HostAuthenticationToken, HostAuthenticationTokenSource,
        ListHostAuthenticationTokensRequest, Principal, Subject,
        list_host_authentication_tokens_request::Filter,
    },
    wkt::Timestamp,
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink host-token list --runner ID
  sealink host-token create --runner ID --host github.com --value-file token.txt";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Store a credential for a host, such as a personal access token
    #[command(after_help = "\
The token is sealed with the runner's key before it is stored: nobody but the runner reads it back.
Without --user or --service-account it is your own.

Examples:
  sealink host-token create --runner ID --host github.com --value-file token.txt
  pass show gitlab/token | sealink host-token create --runner ID --host gitlab.example.com --value-file - \\
      --scope api --scope read_user --expires-in 90d")]
    Create(Box<Create>),
    /// List stored credentials
    #[command(
        after_help = "Examples:\n  sealink host-token list\n  sealink host-token list --runner ID --json"
    )]
    List {
        /// Only this runner's
        #[arg(long, value_name = "ID")]
        runner: Option<String>,
        /// Only this user's or service account's
        #[arg(long, value_name = "ID")]
        subject: Option<String>,
    },
    /// Show what is known of one credential
    #[command(after_help = "Example:\n  sealink host-token show ID")]
    Show {
        /// The host token
        id: String,
    },
    /// Delete a credential
    #[command(after_help = "Example:\n  sealink host-token delete ID")]
    Delete {
        /// The host token
        id: String,
    },
}

/// How a credential came to be.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Source {
    /// A personal access token
    Pat,
    /// By OAuth
    Oauth,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The runner that is to use it
    #[arg(long, value_name = "ID")]
    runner: String,
    /// The host as users see it, such as github.com
    #[arg(long)]
    host: String,
    /// Read the token from this file; - is stdin
    #[arg(long, value_name = "FILE")]
    value_file: PathBuf,
    /// Read what it is renewed with from this file; - is stdin
    #[arg(long, value_name = "FILE")]
    refresh_file: Option<PathBuf>,
    /// How it came to be
    #[arg(long, value_enum, default_value = "pat")]
    source: Source,
    /// Whose it is, if it is not yours
    #[arg(long, value_name = "ID", conflicts_with = "service_account")]
    user: Option<String>,
    /// The service account whose it is
    #[arg(long, value_name = "ID")]
    service_account: Option<String>,
    /// The SCM integration it came by
    #[arg(long, value_name = "ID")]
    integration: Option<String>,
    /// What the host granted; may be repeated
    #[arg(long)]
    scope: Vec<String>,
    /// When it ends, such as 90d or 12h; without this it does not
    #[arg(long, value_name = "SPAN", value_parser = humane::span)]
    expires_in: Option<Duration>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(create) => create.run(context).await,
        Command::List { runner, subject } => list(context, runner, subject).await,
        Command::Show { id } => {
            let answer = context.client()?.call(&GetHostAuthenticationTokenRequest { id }).await?;
            show(context.out, &answer.token.ok_or_else(|| Error::not_found("host authentication token"))?)
        }
        Command::Delete { id } => {
            context.client()?.call(&DeleteHostAuthenticationTokenRequest { id: id.clone() }).await?;
            context.out.done(&id, &format!("host token {id} deleted"))
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let read = |option, path: &PathBuf| input::secret_up_to(MAX_HOST_TOKEN_BYTES, option, path);
        let value = read("--value-file", &self.value_file)?;
        let refresh = self.refresh_file.as_ref();
        let refresh = refresh.map(|path| read("--refresh-file", path)).transpose()?;
        let subject = |id, principal: Principal| Subject { id, principal: principal.into() };
        let user = self.user.map(|id| subject(id, Principal::User));
        let machine = self.service_account.map(|id| subject(id, Principal::ServiceAccount));
        let source = match self.source {
            Source::Pat => HostAuthenticationTokenSource::Pat,
            Source::Oauth => HostAuthenticationTokenSource::Oauth,
        };
        let request = CreateHostAuthenticationTokenRequest {
            runner_id: self.runner,
            host: self.host,
            token: value.expose().to_owned(),
            source: source.into(),
            expires_at: self.expires_in.map(after),
            refresh_token: refresh.map(|refresh| refresh.expose().to_owned()).unwrap_or_default(),
            integration_id: self.integration.unwrap_or_default(),
            scopes: self.scope,
            subject: user.or(machine),
            ..Default::default()
        };
        let token = client.call(&request).await?.token.unwrap_or_default();
        let sentence = "the host token was stored: it was sealed before";
        context.out.created(&token, &token.id, sentence)
    }
}

fn after(span: Duration) -> Timestamp {
    let at = Clock::System.now().plus(span).0;
    Timestamp { seconds: at.div_euclid(1_000_000), nanos: 0 }
}

async fn list(context: &Context, runner_id: Option<String>, subject_id: Option<String>) -> Result<()> {
    let filter = Filter { runner_id, subject_id, ..Default::default() };
    let request = ListHostAuthenticationTokensRequest { filter: Some(filter), ..Default::default() };
    let tokens = context.client()?.list(request).await?;
    context.out.list(
        &tokens,
        ["ID", "RUNNER", "HOST", "SUBJECT", "SOURCE", "EXPIRES"],
        |found| {
            [
                found.id.clone(),
                found.runner_id.clone(),
                found.host.clone(),
                found.subject.as_ref().map(|subject| subject.id.clone()).unwrap_or_default(),
                source(found),
                expiry(found, humane::when(found.expires_at.as_ref())),
            ]
        },
        "there are no host tokens; store one with `sealink host-token create`",
    )
}

fn show(out: Output, found: &HostAuthenticationToken) -> Result<()> {
    let subject = found.subject.clone().unwrap_or_default();
    let kind = word(subject.principal, "PRINCIPAL_", Principal::as_str_name);
    out.show(
        found,
        &[
            ("id", found.id.clone()),
            ("runner", found.runner_id.clone()),
            ("host", found.host.clone()),
            ("subject", format!("{} ({kind})", subject.id)),
            ("source", source(found)),
            ("integration", found.integration_id.clone()),
            ("scopes", found.scopes.join(", ")),
            ("expires", expiry(found, humane::exact(found.expires_at.as_ref()))),
        ],
    )
}

fn source(found: &HostAuthenticationToken) -> String {
    let name = HostAuthenticationTokenSource::as_str_name;
    word(found.source, "HOST_AUTHENTICATION_TOKEN_SOURCE_", name)
}

/// When it ends; one that has ended stands out.
fn expiry(found: &HostAuthenticationToken, words: String) -> String {
    let now = Clock::System.now().0.div_euclid(1_000_000);
    match found.expires_at {
        None => "never".to_owned(),
        Some(at) if at.seconds <= now => format!("EXPIRED {words}"),
        Some(_) => words,
    }
}
