//! `sealink runner`.
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    context::Context,
    humane, input,
    output::{self, Output},
    runner_key, runner_policy, runner_schema,
    words::{self, word},
};
use crate::{
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateRunnerRequest, DeleteRunnerRequest, GetRunnerRequest, ListRunnersRequest, Runner,
        RunnerConfiguration, RunnerKind, RunnerPhase, RunnerProvider, RunnerSpec,
        list_runners_request::Filter,
    },
    private_file::Draft,
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink runner create build-1 --exchange-token-file once
  sealink runner list";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a runner and the one-time token its agent registers with
    #[command(after_help = "\
Examples:
  sealink runner create build-1 --exchange-token-file once
  sealink agent register < once          on the runner's machine, within 24 hours
  sealink runner create eu-1 --provider aws-ec2 --region eu-central-1 --json")]
    Create(Create),
    /// List runners
    #[command(
        after_help = "Examples:\n  sealink runner list\n  sealink runner list --provider aws-ec2 --json"
    )]
    List(List),
    /// Show one runner
    #[command(after_help = "Example:\n  sealink runner show 0198a7c0-0000-7000-8000-000000000001")]
    Show {
        /// The runner
        id: String,
    },
    /// Delete a runner at once, with its keys, integrations and tokens
    #[command(after_help = "Example:\n  sealink runner delete 0198a7c0-0000-7000-8000-000000000001")]
    Delete {
        /// The runner
        id: String,
    },
    /// Show what a runner can be configured with: SCMs, and settings of it and its environment classes
    #[command(after_help = "Example:\n  sealink runner schema 0198a7c0-0000-7000-8000-000000000001")]
    Schema {
        /// The runner
        id: String,
    },
    /// Groups' roles on a runner
    #[command(subcommand, after_help = runner_policy::EXAMPLES)]
    Policy(runner_policy::Command),
    /// The public keys a runner's secrets are sealed with
    #[command(subcommand, after_help = runner_key::EXAMPLES)]
    Key(runner_key::Command),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// A name for people, 3 to 127 characters
    name: String,
    /// Where environments run
    #[arg(long, conflicts_with = "kind")]
    provider: Option<words::Provider>,
    /// Only the kind of runner [default: remote]
    #[arg(long)]
    kind: Option<words::Kind>,
    /// The cloud region, as the provider names it
    #[arg(long)]
    region: Option<String>,
    /// Write the one-time exchange token to this new file (mode 0600) instead of printing it
    #[arg(long, value_name = "FILE")]
    exchange_token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only runners of this provider; may be repeated
    #[arg(long)]
    provider: Vec<words::Provider>,
    /// Only runners of this kind; may be repeated
    #[arg(long)]
    kind: Vec<words::Kind>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(create) => create.run(context).await,
        Command::List(list) => list.run(context).await,
        Command::Show { id } => {
            let answer = context.client()?.call(&GetRunnerRequest { runner_id: id }).await?;
            let runner = answer.runner.ok_or_else(|| Error::not_found("runner"))?;
            show(context.out, &runner)
        }
        Command::Delete { id } => {
            context
                .client()?
                .call(&DeleteRunnerRequest { runner_id: id.clone(), ..Default::default() })
                .await?;
            context.out.done(&id, &format!("runner {id} deleted"))
        }
        Command::Policy(command) => runner_policy::run(context, command).await,
        Command::Schema { id } => runner_schema::show(context, id).await,
        Command::Key(command) => runner_key::run(context, command).await,
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        // Before the runner exists: the token is told only once.
        let file = self.exchange_token_file.as_deref();
        let draft = file
            .map(|path| Draft::create_new(path).map_err(|source| input::unwritable(path, source)))
            .transpose()?;
        let configuration = self.region.map(|region| RunnerConfiguration { region, ..Default::default() });
        let request = CreateRunnerRequest {
            name: self.name,
            kind: self.kind.map(RunnerKind::from).unwrap_or_default().into(),
            provider: self.provider.map(RunnerProvider::from).unwrap_or_default().into(),
            spec: configuration
                .map(|configuration| RunnerSpec { configuration: Some(configuration), ..Default::default() }),
            ..Default::default()
        };
        let answer = client.call(&request).await?;
        let runner = answer.runner.ok_or_else(|| Error::not_found("runner"))?;
        let token = answer.exchange_token;
        let (Some(draft), Some(file)) = (draft, file) else {
            let shown = json!({"runner": runner, "exchangeToken": token});
            context.out.show(&shown, &[("id", runner.runner_id.clone()), ("exchange token", token)])?;
            output::note("the exchange token is shown only now: it works once, within 24 hours");
            return Ok(());
        };
        let done = format!("runner {} was created", runner.runner_id);
        let written = draft.commit_new(format!("{token}\n").as_bytes());
        written.map_err(|source| input::unsaved(&done, file, source))?;
        context.out.created(
            &json!({"runner": runner, "exchangeTokenFile": file}),
            &runner.runner_id,
            &format!("the exchange token is in {}: it works once, within 24 hours", file.display()),
        )
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let filter = Filter {
            providers: self
                .provider
                .into_iter()
                .map(|provider| RunnerProvider::from(provider).into())
                .collect(),
            kinds: self.kind.into_iter().map(|kind| RunnerKind::from(kind).into()).collect(),
            ..Default::default()
        };
        let request = ListRunnersRequest { filter: Some(filter), ..Default::default() };
        let runners = context.client()?.list(request).await?;
        context.out.list(
            &runners,
            ["ID", "NAME", "KIND", "PROVIDER", "PHASE", "CREATED"],
            |runner| {
                [
                    runner.runner_id.clone(),
                    runner.name.clone(),
                    kind(runner),
                    provider(runner),
                    phase(runner),
                    humane::when(runner.created_at.as_ref()),
                ]
            },
            "there are no runners; make one with `sealink runner create NAME`",
        )
    }
}

fn show(out: Output, runner: &Runner) -> Result<()> {
    let configuration = runner.spec.as_ref().and_then(|spec| spec.configuration.as_ref());
    out.show(
        runner,
        &[
            ("id", runner.runner_id.clone()),
            ("name", runner.name.clone()),
            ("kind", kind(runner)),
            ("provider", provider(runner)),
            ("phase", phase(runner)),
            ("region", configuration.map(|found| found.region.clone()).unwrap_or_default()),
            ("creator", runner.creator.as_ref().map(|found| found.id.clone()).unwrap_or_default()),
            ("created", humane::exact(runner.created_at.as_ref())),
            ("updated", humane::exact(runner.updated_at.as_ref())),
        ],
    )
}

fn kind(runner: &Runner) -> String {
    word(runner.kind, "RUNNER_KIND_", RunnerKind::as_str_name)
}

fn provider(runner: &Runner) -> String {
    word(runner.provider, "RUNNER_PROVIDER_", RunnerProvider::as_str_name)
}

fn phase(runner: &Runner) -> String {
    let phase = runner.status.as_ref().map(|status| status.phase).unwrap_or_default();
    word(phase, "RUNNER_PHASE_", RunnerPhase::as_str_name).to_ascii_uppercase()
}
