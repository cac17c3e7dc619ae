//! `sealink llm`.
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{context::Context, input, output::Output, usage, words::word};
use crate::{
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateLlmIntegrationRequest, DeleteLlmIntegrationRequest, GetLlmIntegrationRequest,
        ListLlmIntegrationsRequest, LlmIntegration, LlmIntegrationPhase, LlmIntegrationRequestHeader,
        LlmIntegrationRequestHeaderType, LlmProvider, SupportedModel, UpdateLlmIntegrationRequest,
        list_llm_integrations_request::Filter,
    },
};

const PREFIX: &str = "SUPPORTED_MODEL_";

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink llm list --runner ID
  sealink llm update ID --api-key-file new.txt          rotate the key";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give a runner access to language models
    #[command(after_help = "\
The API key is sealed with the runner's key before it is stored: nobody but the runner reads it back.

Example:
  sealink llm create --runner ID --model sonnet-4-5 --model opus-4-5 --api-key-file key.txt")]
    Create(Create),
    /// List LLM integrations
    #[command(after_help = "Examples:\n  sealink llm list\n  sealink llm list --runner ID --json")]
    List {
        /// Only this runner's; may be repeated up to 25 times
        #[arg(long, value_name = "ID")]
        runner: Vec<String>,
    },
    /// Show one LLM integration
    #[command(after_help = "Example:\n  sealink llm show ID")]
    Show {
        /// The LLM integration
        id: String,
    },
    /// Change an LLM integration; what is not named stays as it is
    #[command(after_help = "\
A different --endpoint needs the API key, and headers if there are any, again: the old ones were meant for the old
place. Headers are replaced all together.

Examples:
  sealink llm update ID --api-key-file new.txt                rotate the key
  sealink llm update ID --header-file X-Team=team.txt         send a header along
  sealink llm update ID --disable")]
    Update(Update),
    /// Delete an LLM integration
    #[command(after_help = "Examples:\n  sealink llm delete ID\n  sealink llm delete ID --force")]
    Delete {
        /// The LLM integration
        id: String,
        /// Also if a model loses its last one
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The runner it is for
    #[arg(long, value_name = "ID")]
    runner: String,
    /// A model, such as sonnet-4-5; may be repeated
    #[arg(long, required = true, value_parser = model)]
    model: Vec<i32>,
    /// Where the models are served, if it is not the provider's own address
    #[arg(long, value_name = "URL", default_value = "")]
    endpoint: String,
    /// Read the API key from this file; - is stdin
    #[arg(long, value_name = "FILE")]
    api_key_file: PathBuf,
    /// The most tokens of an answer [default: the model's own limit]
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    max_answer: u64,
}

#[derive(Debug, Args)]
pub(super) struct Update {
    /// The LLM integration
    id: String,
    /// All models it is to have; may be repeated
    #[arg(long, value_parser = model)]
    model: Vec<i32>,
    /// A new address; empty for the provider's own
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Read a new API key from this file; - is stdin
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// The most tokens of an answer; 0 for the model's own limit
    #[arg(long, value_name = "COUNT")]
    max_answer: Option<u64>,
    /// Send this header along, its value read from a file; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    header_file: Vec<String>,
    /// The same for an expression that the runner evaluates for each request
    #[arg(long, value_name = "NAME=FILE")]
    header_expression_file: Vec<String>,
    /// Switch it on
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Switch it off
    #[arg(long)]
    disable: bool,
}

/// `sonnet-4-5` as the API's number.
fn model(text: &str) -> Result<i32> {
    let name = format!("{PREFIX}{}", text.to_ascii_uppercase().replace('-', "_"));
    match SupportedModel::from_str_name(&name) {
        Some(model) if model != SupportedModel::Unspecified => Ok(model.into()),
        _ => Err(usage("not a model; names look like sonnet-4-5, opus-4-5-extended, haiku-4-5 or openai-4o")),
    }
}

fn models(numbers: &[i32]) -> String {
    let names = numbers.iter().map(|number| word(*number, PREFIX, SupportedModel::as_str_name));
    names.collect::<Vec<_>>().join(", ")
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(create) => create.run(context).await,
        Command::List { runner } => list(context, runner).await,
        Command::Show { id } => {
            let answer = context.client()?.call(&GetLlmIntegrationRequest { id }).await?;
            show(context.out, &answer.integration.ok_or_else(|| Error::not_found("LLM integration"))?)
        }
        Command::Update(update) => {
            let id = update.id.clone();
            let client = context.client()?;
            client.call(&update.request()?).await?;
            context.out.done(&id, &format!("LLM integration {id} updated"))
        }
        Command::Delete { id, force } => {
            context.client()?.call(&DeleteLlmIntegrationRequest { id: id.clone(), force }).await?;
            context.out.done(&id, &format!("LLM integration {id} deleted"))
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let api_key = input::secret("--api-key-file", &self.api_key_file)?.expose().to_owned();
        let request = CreateLlmIntegrationRequest {
            runner_id: self.runner,
            models: self.model,
            endpoint: self.endpoint,
            api_key,
            max_tokens: self.max_answer,
        };
        let id = client.call(&request).await?.id;
        let sentence = "the LLM integration was created: its API key was sealed before it was stored";
        context.out.created(&serde_json::json!({ "id": id }), &id, sentence)
    }
}

impl Update {
    fn request(self) -> Result<UpdateLlmIntegrationRequest> {
        let api_key = self.api_key_file.map(|path| input::secret("--api-key-file", &path)).transpose()?;
        let literal = LlmIntegrationRequestHeaderType::Literal;
        let expression = LlmIntegrationRequestHeaderType::CelExpression;
        let literals = self.header_file.iter().map(|text| header("--header-file", literal, text));
        let expressions = self.header_expression_file.iter();
        let expressions = expressions.map(|text| header("--header-expression-file", expression, text));
        let phase = match (self.enable, self.disable) {
            (true, _) => Some(LlmIntegrationPhase::Available.into()),
            (_, true) => Some(LlmIntegrationPhase::Disabled.into()),
            _ => None,
        };
        let request = UpdateLlmIntegrationRequest {
            id: self.id,
            endpoint: self.endpoint,
            models: self.model,
            api_key: api_key.map(|key| key.expose().to_owned()),
            max_tokens: self.max_answer,
            phase,
            request_headers: literals.chain(expressions).collect::<Result<_>>()?,
        };
        if request == (UpdateLlmIntegrationRequest { id: request.id.clone(), ..Default::default() }) {
            return Err(usage("nothing to change; see `sealink llm update --help`"));
        }
        Ok(request)
    }
}

/// A header whose value is in a file: `NAME=FILE`.
fn header(
    option: &str,
    kind: LlmIntegrationRequestHeaderType,
    text: &str,
) -> Result<LlmIntegrationRequestHeader> {
    let (name, path) = text.split_once('=').ok_or_else(|| usage(format!("{option}: say NAME=FILE")))?;
    let value = input::secret(option, &PathBuf::from(path))?.expose().as_bytes().to_vec();
    Ok(LlmIntegrationRequestHeader { key: name.to_owned(), value, header_type: kind.into() })
}

async fn list(context: &Context, runner_ids: Vec<String>) -> Result<()> {
    let request = ListLlmIntegrationsRequest { filter: Some(Filter { runner_ids }), ..Default::default() };
    let integrations = context.client()?.list(request).await?;
    context.out.list(
        &integrations,
        ["ID", "RUNNER", "PROVIDER", "MODELS", "PHASE"],
        |found| {
            [found.id.clone(), found.runner_id.clone(), provider(found), models(&found.models), phase(found)]
        },
        "there are no LLM integrations; make one with `sealink llm create`",
    )
}

fn show(out: Output, found: &LlmIntegration) -> Result<()> {
    let sealed = |bytes: &[u8], field: &str| match bytes.len() {
        0 => format!("missing: enter it again with `sealink llm update --{field}`"),
        bytes => format!("sealed, {bytes} bytes"),
    };
    let headers = found.request_headers.iter();
    let headers: Vec<_> =
        headers.map(|header| format!("{} ({})", header.key, sealed(&header.value, "header-file"))).collect();
    out.show(
        found,
        &[
            ("id", found.id.clone()),
            ("runner", found.runner_id.clone()),
            ("provider", provider(found)),
            ("models", models(&found.models)),
            ("endpoint", found.endpoint.clone()),
            ("api key", sealed(&found.encrypted_api_key, "api-key-file")),
            ("headers", headers.join(", ")),
            ("phase", phase(found)),
            ("reason", found.phase_reason.clone()),
        ],
    )
}

fn provider(found: &LlmIntegration) -> String {
    word(found.provider, "LLM_PROVIDER_", LlmProvider::as_str_name)
}

fn phase(found: &LlmIntegration) -> String {
    word(found.phase, "LLM_INTEGRATION_PHASE_", LlmIntegrationPhase::as_str_name)
}
