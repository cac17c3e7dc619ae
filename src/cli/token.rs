//! `sealink token`.
use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{context::Context, humane, input, output, words::word};
use crate::{
    error::Result,
    pb::sealink::v1::{ApiToken, CreateTokenRequest, ListTokensRequest, RevokeTokenRequest, TokenKind},
    private_file::Draft,
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink token create --description laptop --output ~/.sealink-token
  sealink token list";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a personal access token, or a service account's
    #[command(after_help = "\
The token is told only once and stored nowhere.

Examples:
  sealink token create --description laptop --output ~/.sealink-token
  sealink token create --user ID --expires-in 7d --read-only
  sealink token create --service-account ID --output ci.token
  export SEALINK_TOKEN=\"$(sealink token create --json | jq -r .token)\"")]
    Create(Create),
    /// List tokens: your own, or for an administrator everybody's
    #[command(after_help = "Examples:\n  sealink token list\n  sealink token list --user ID --json")]
    List {
        /// Only this user's
        #[arg(long, value_name = "ID", conflicts_with = "service_account")]
        user: Option<String>,
        /// Only this service account's
        #[arg(long, value_name = "ID")]
        service_account: Option<String>,
    },
    /// Revoke a token at once
    #[command(after_help = "Example:\n  sealink token revoke 0aB1cD2eF3gH")]
    Revoke {
        /// The token's id, from `sealink token list`
        #[arg(value_name = "ID")]
        token_id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Whom the token acts as [default: you]
    #[arg(long, value_name = "ID", conflicts_with = "service_account")]
    user: Option<String>,
    /// The service account that the token acts as
    #[arg(long, value_name = "ID")]
    service_account: Option<String>,
    /// What it is for, up to 200 characters
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// How long it is valid: 30d, 12h, 45m; a person's at most 90d [default: 30d; a service account's: until revoked]
    #[arg(long, value_name = "SPAN", value_parser = humane::span)]
    expires_in: Option<Duration>,
    /// Only methods without side effects
    #[arg(long)]
    read_only: bool,
    /// Write the token to this new file (mode 0600) instead of printing it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(create) => create.run(context).await,
        Command::List { user, service_account } => list(context, user, service_account).await,
        Command::Revoke { token_id } => {
            context.client()?.call(&RevokeTokenRequest { token_id: token_id.clone() }).await?;
            context.out.done(&token_id, &format!("token {token_id} revoked"))
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let file = self.output.as_deref();
        let draft = file
            .map(|path| Draft::create_new(path).map_err(|source| input::unwritable(path, source)))
            .transpose()?;
        let request = CreateTokenRequest {
            user_id: self.user.unwrap_or_default(),
            service_account_id: self.service_account.unwrap_or_default(),
            description: self.description,
            valid_for: self.expires_in.map(|span| pbjson_types::Duration {
                seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
                nanos: 0,
            }),
            read_only: self.read_only,
        };
        let answer = client.call(&request).await?;
        let (token, described) = (answer.token, answer.api_token.unwrap_or_default());
        let expires = humane::exact(described.expires_at.as_ref());
        let (Some(draft), Some(file)) = (draft, file) else {
            let shown = json!({"token": token, "apiToken": described});
            context
                .out
                .show(&shown, &[("id", described.id.clone()), ("expires", expires), ("token", token)])?;
            output::note("the token is shown only now");
            return Ok(());
        };
        let done = format!("token {} was created (revoke it)", described.id);
        let written = draft.commit_new(format!("{token}\n").as_bytes());
        written.map_err(|source| input::unsaved(&done, file, source))?;
        context.out.show(
            &json!({"tokenFile": file, "apiToken": described}),
            &[
                ("id", described.id.clone()),
                ("expires", expires),
                ("token", format!("in {}", file.display())),
            ],
        )
    }
}

async fn list(context: &Context, user_id: Option<String>, service_account_id: Option<String>) -> Result<()> {
    let request = ListTokensRequest { user_id, service_account_id, ..Default::default() };
    let tokens = context.client()?.list(request).await?;
    context.out.list(
        &tokens,
        ["ID", "KIND", "SUBJECT", "ACCESS", "STATE", "LAST USED", "CREATED", "DESCRIPTION"],
        |token| {
            [
                token.id.clone(),
                word(token.kind, "TOKEN_KIND_", TokenKind::as_str_name),
                token.subject_id.clone(),
                if token.read_only { "read-only" } else { "full" }.to_owned(),
                state(token),
                humane::when(token.last_used_at.as_ref()),
                humane::when(token.created_at.as_ref()),
                token.description.clone(),
            ]
        },
        "there are no tokens",
    )
}

fn state(token: &ApiToken) -> String {
    if token.revoked_at.is_some() {
        return format!("revoked {}", humane::when(token.revoked_at.as_ref()));
    }
    match humane::when(token.expires_at.as_ref()) {
        when if when.is_empty() => "valid until revoked".to_owned(),
        when if when.ends_with("ago") || when == "just now" => format!("expired {when}"),
        when => format!("expires {when}"),
    }
}
