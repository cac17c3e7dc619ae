//! `sealink runner key`.
use clap::Subcommand;

use super::{
    context::Context,
    humane, input,
    output::{self, Output},
    words::word,
};
use crate::{
    client::Client,
    error::{Error, Kind, Result},
    pb::{
        gitpod::v1::ListRunnersRequest,
        sealink::v1::{
            ApproveKeyRequest, KeyAlgorithm, KeyState, ListKeysRequest, RevokeKeyRequest, RunnerKey,
        },
    },
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink runner key list RUNNER
  sealink runner key approve KID";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List a runner's keys in every state, newest first
    #[command(after_help = "Example:\n  sealink runner key list 0198a7c0-0000-7000-8000-000000000001")]
    List {
        /// The runner
        #[arg(value_name = "RUNNER")]
        runner_id: String,
    },
    /// List a runner's sealed secrets and whether each can be used
    #[command(after_help = "\
OK: sealed with the ACTIVE key. STALE_KEY: with one that is being replaced; `sealink agent rotate` on the runner
goes on. MISSING: wiped with its key; enter it again.

Example:
  sealink runner key secrets 0198a7c0-0000-7000-8000-000000000001")]
    Secrets {
        /// The runner
        #[arg(value_name = "RUNNER")]
        runner_id: String,
    },
    /// Let a pending key take over
    #[command(after_help = "\
Compare the new fingerprint with the one `sealink agent register` printed on the runner's machine:
whoever holds this key reads every secret that is entered from now on.

Examples:
  sealink runner key approve ZS36mmtvLWivPXvvLThjDu60Oerv9rlIeCH64zMjiu8
  sealink runner key approve ZS36mmtvLWivPXvvLThjDu60Oerv9rlIeCH64zMjiu8 --yes")]
    Approve {
        /// The key's id, from `sealink runner key list`
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Withdraw a key for good and wipe every secret sealed with it
    #[command(after_help = "\
There is no way back. Rotate each wiped secret where it was issued, then enter it again.

Example:
  sealink runner key revoke ZS36mmtvLWivPXvvLThjDu60Oerv9rlIeCH64zMjiu8 --reason 'disk stolen'")]
    Revoke {
        /// The key's id, from `sealink runner key list`
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Why, for the audit log; up to 500 characters
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List { runner_id } => list(context, runner_id).await,
        Command::Secrets { runner_id } => super::runner_secrets::list(context, runner_id).await,
        Command::Approve { kid, yes } => approve(context, kid, yes).await,
        Command::Revoke { kid, reason } => revoke(context, kid, reason).await,
    }
}

async fn list(context: &Context, runner_id: String) -> Result<()> {
    let keys = context.client()?.list(ListKeysRequest { runner_id, ..Default::default() }).await?;
    context.out.list(
        &keys,
        ["KID", "STATE", "KEY", "FINGERPRINT", "CREATED"],
        |key| {
            [
                key.kid.clone(),
                state(key),
                kind(key),
                key.fingerprint.clone(),
                humane::when(key.created_at.as_ref()),
            ]
        },
        "the runner has no key; run `sealink agent register` on its machine",
    )
}

async fn approve(context: &Context, kid: String, yes: bool) -> Result<()> {
    let client = context.client()?;
    let (key, active) = look_up(&client, &kid).await?;
    let was = active.map_or_else(|| "none".to_owned(), |active| active.fingerprint);
    output::note(&format!("runner       {}", key.runner_id));
    output::note(&format!("active key   {was}"));
    output::note(&format!("new key      {} ({}, {})", key.fingerprint, kind(&key), state(&key)));
    if !yes && !input::confirm("Is the new fingerprint the one the runner's agent printed?") {
        return Err(Error::new(Kind::Precondition, "not approved; nothing was changed"));
    }
    let answer = client.call(&ApproveKeyRequest { kid }).await?;
    show(context.out, &answer.key.ok_or_else(|| Error::not_found("key"))?)
}

/// The key itself and its runner's ACTIVE key. A kid does not tell its runner, so this asks for the keys
/// of every runner the caller administers until it is found.
async fn look_up(client: &Client, kid: &str) -> Result<(RunnerKey, Option<RunnerKey>)> {
    for runner in client.list(ListRunnersRequest::default()).await? {
        let request = ListKeysRequest { runner_id: runner.runner_id, ..Default::default() };
        let keys = client.list(request).await?;
        if let Some(key) = keys.iter().find(|key| key.kid == kid) {
            let active = keys.iter().find(|key| key.state() == KeyState::Active);
            return Ok((key.clone(), active.cloned()));
        }
    }
    Err(Error::new(Kind::NotFound, "key not found; `sealink runner key list RUNNER` shows what there is"))
}

async fn revoke(context: &Context, kid: String, reason: String) -> Result<()> {
    let answer = context.client()?.call(&RevokeKeyRequest { kid, reason }).await?;
    let wiped = answer.wiped_secrets;
    show(context.out, answer.key.as_ref().ok_or_else(|| Error::not_found("key"))?)?;
    let plural = if wiped == 1 { "" } else { "s" };
    output::note(&format!("{wiped} sealed secret{plural} wiped"));
    if wiped > 0 {
        output::note(
            "rotate each where it was issued, register a new key, then enter it again with \
             `sealink integration update ID --client-secret-file FILE`",
        );
    }
    Ok(())
}

fn show(out: Output, key: &RunnerKey) -> Result<()> {
    out.show(
        key,
        &[
            ("kid", key.kid.clone()),
            ("runner", key.runner_id.clone()),
            ("state", state(key)),
            ("key", kind(key)),
            ("fingerprint", key.fingerprint.clone()),
            ("created", humane::exact(key.created_at.as_ref())),
            ("activated", humane::exact(key.activated_at.as_ref())),
            ("revoked", humane::exact(key.revoked_at.as_ref())),
            ("reason", key.revocation_reason.clone()),
        ],
    )
}

fn state(key: &RunnerKey) -> String {
    word(key.state, "KEY_STATE_", KeyState::as_str_name).to_ascii_uppercase()
}

fn kind(key: &RunnerKey) -> String {
    match key.algorithm() {
        KeyAlgorithm::Rsa => format!("rsa-{}", key.bits),
        _ => word(key.algorithm, "KEY_ALGORITHM_", KeyAlgorithm::as_str_name),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Command;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    /// One kid in 64 starts like an option.
    #[test]
    fn a_kid_may_start_with_hyphens() {
        for kid in ["-G9xxxx", "--9xxxx", "-hxxxxx", "--yesxx", "ZS36mm"] {
            for words in [["key", "approve", kid, "--yes"], ["key", "approve", "--yes", kid]] {
                match Line::try_parse_from(words).map(|line| line.command) {
                    Ok(Command::Approve { kid: read, yes: true }) => assert_eq!(read, kid),
                    other => panic!("{words:?}: {other:?}"),
                }
            }
        }
    }
}
