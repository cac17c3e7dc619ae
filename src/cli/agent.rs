//! `sealink agent`.
use std::{
    fs::File,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

mod doctor;
mod rotate;
mod run;

use super::{context::Context, input, output};
use crate::{
    agent::{
        delivery::object,
        dir::AgentDir,
        fetch::{self, Configuration, Opened},
        keys::KeyDir,
        opener::Outcome,
        register::{self, Registered},
        secrets,
    },
    client::Token,
    domain::secret::Kid,
    error::{Error, Kind, Result},
    pb::sealink::v1::KeyState,
    seal::key::PublicKey,
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink agent register < once          make and register this runner's key
  sealink agent run                      follow the configuration, answer calls";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key pair; the private half never leaves this machine
    #[command(after_help = "\
Examples:
  sealink agent keygen
  sealink agent keygen --bits 4096 --key-dir /run/keys/build-1")]
    Keygen {
        #[command(flatten)]
        place: Place,
        /// The length of the RSA key
        #[arg(long, value_enum, default_value = "3072")]
        bits: Bits,
    },
    /// Register this runner and its key; makes a key if there is none
    #[command(after_help = "\
The exchange token comes from `sealink runner create NAME --exchange-token-file once`, on stdin or in a file.
A registered agent keeps its own token; to register again, give no exchange token.

Examples:
  sealink agent register < once
  sealink agent register --server https://sealink.example.com --exchange-token-file once
  sealink agent register --key KID       offer a certain key, such as a new one from keygen")]
    Register(Register),
    /// Replace the runner's key by a new one and re-seal every secret with it
    #[command(after_help = "\
Interrupted anywhere, the next run goes on where it stopped. The old private key must stay until the server
shows it as RETIRED: `sealink runner key list RUNNER`. Re-sealing does not replace rotating a secret where it
was issued.

Examples:
  sealink agent rotate
  sealink agent rotate --bits 4096")]
    Rotate {
        #[command(flatten)]
        place: Place,
        /// The length of the new RSA key
        #[arg(long, value_enum, default_value = "3072")]
        bits: Bits,
    },
    /// Fetch the runner's configuration and open its secrets
    #[command(after_help = "\
Examples:
  sealink agent fetch
  sealink agent fetch --json --reveal | jq -r '.integrations[] | select(.host == \"github.com\").clientSecret'")]
    Fetch {
        #[command(flatten)]
        place: Place,
        /// Show the opened secrets
        #[arg(long)]
        reveal: bool,
    },
    /// Run: watch the configuration, deliver its secrets, answer calls at the forges
    Run(run::Args),
    /// Say what state the agent is in, and what helps
    #[command(after_help = "\
Examples:
  sealink agent doctor
  sealink agent doctor --json | jq -r '.findings[] | select(.state == \"bad\").cure'

Exit codes: 0 nothing is bad, 1 something is.")]
    Doctor {
        #[command(flatten)]
        place: Place,
    },
}

/// The lengths an RSA key may have.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Bits {
    #[value(name = "2048")]
    Rsa2048 = 2_048,
    #[value(name = "3072")]
    Rsa3072 = 3_072,
    #[value(name = "4096")]
    Rsa4096 = 4_096,
}

/// Where an agent keeps what is its own.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Where the agent keeps its token (mode 0700)
    #[arg(long, env = "SEALINK_AGENT_DIR", default_value = "sealink-agent", value_name = "DIR")]
    agent_dir: PathBuf,
    /// Where the runner's private keys are [default: keys inside the agent directory]
    #[arg(long, env = "SEALINK_KEY_DIR", value_name = "DIR")]
    key_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Register {
    #[command(flatten)]
    place: Place,
    /// Read the exchange token from this file instead of stdin; - is stdin
    #[arg(long, value_name = "FILE")]
    exchange_token_file: Option<PathBuf>,
    /// Offer this key of the key directory
    #[arg(long = "key", value_name = "KID", allow_hyphen_values = true)]
    kid: Option<String>,
}

impl Place {
    pub(super) fn agent_dir(&self) -> &Path {
        &self.agent_dir
    }

    pub(super) fn keys(&self) -> KeyDir {
        KeyDir::new(&self.key_dir.clone().unwrap_or_else(|| self.agent_dir.join("keys")))
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Keygen { place, bits } => keygen(context, &place, bits),
        Command::Register(register) => register.run(context).await,
        Command::Rotate { place, bits } => {
            let dir = AgentDir::open(&place.agent_dir)?;
            rotate::run(context, &dir, &place.keys(), bits as u32).await
        }
        Command::Fetch { place, reveal } => fetch(context, &place, reveal).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Doctor { place } => doctor::run(context, &place).await,
    }
}

fn keygen(context: &Context, place: &Place, bits: Bits) -> Result<()> {
    if place.key_dir.is_none() {
        AgentDir::create(&place.agent_dir)?;
    }
    let keys = place.keys();
    let key = keys.generate(bits as u32)?;
    let public = key.public();
    let file = keys.path().join(format!("{}.pem", public.kid()));
    context.out.show(
        &json!({"kid": public.kid().0, "fingerprint": public.fingerprint(), "file": file}),
        &[
            ("kid", public.kid().to_string()),
            ("fingerprint", public.fingerprint()),
            ("file", file.display().to_string()),
        ],
    )
}

impl Register {
    async fn run(self, context: &Context) -> Result<()> {
        let server = context.named_server()?;
        if let Some(server) = &server {
            Context::warn_if_clear(server);
        }
        let exchange = exchange_token(self.exchange_token_file.as_deref())?;
        let dir = AgentDir::create(&self.place.agent_dir)?;
        let session = register::sign_in(&dir, server, exchange).await?;
        let show = |key: &PublicKey| output::note(&format!("offering key {}", key.fingerprint()));
        let wanted = self.kid.map(Kid);
        let done = register::register(&session, &self.place.keys(), wanted.as_ref(), show).await?;
        let Registered { runner_id, key, state } = &done;
        let state = state.as_str_name().trim_start_matches("KEY_STATE_");
        context.out.show(
            &json!({
                "runnerId": runner_id.to_string(),
                "kid": key.kid().0,
                "fingerprint": key.fingerprint(),
                "state": state,
            }),
            &[
                ("runner", runner_id.to_string()),
                ("kid", key.kid().to_string()),
                ("fingerprint", key.fingerprint()),
                ("state", state.to_owned()),
            ],
        )?;
        if done.state == KeyState::Pending {
            let kid = done.key.kid();
            output::note(&format!(
                "the key waits for approval: an administrator compares the fingerprint and runs `sealink runner key \
                 approve {kid}`"
            ));
        }
        Ok(())
    }
}

/// The exchange token, if one was given: a terminal or an empty stdin gives none.
fn exchange_token(file: Option<&Path>) -> Result<Option<Token>> {
    match file {
        Some(path) if path != Path::new("-") => {
            let origin = path.display().to_string();
            let file = File::open(path).map_err(|source| input::unreadable(&origin, source))?;
            input::token(&origin, file).map(Some)
        }
        Some(_) => input::token("stdin", io::stdin().lock()).map(Some),
        None if io::stdin().is_terminal() => Ok(None),
        None => input::optional_token("stdin", io::stdin().lock()),
    }
}

async fn fetch(context: &Context, place: &Place, reveal: bool) -> Result<()> {
    let dir = AgentDir::open(&place.agent_dir)?;
    let session = register::sign_in(&dir, context.named_server()?, None).await?;
    let configuration = fetch::fetch(&session, &dir, &place.keys()).await?;
    if context.out.is_json() {
        output::json(&to_json(&configuration, reveal))?;
    } else {
        table(&configuration, reveal)?;
    }
    let all = configuration.secrets();
    let bad = all.iter().filter(|(_, outcome)| !matches!(**outcome, Outcome::Ok(_))).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::DataLoss,
        format!("{bad} of {} secrets cannot be used; see the reasons above", all.len()),
    ))
}

fn table(configuration: &Configuration, reveal: bool) -> Result<()> {
    let row = |opened: &Opened| {
        let integration = &opened.integration;
        let client_id = if opened.secret.is_some() { integration.client_id.as_str() } else { "-" };
        [
            integration.id.clone(),
            integration.scm_id.clone(),
            integration.host.clone(),
            client_id.to_owned(),
            if integration.pat { "on" } else { "off" }.to_owned(),
            opened.secret.as_deref().map_or("-", Outcome::name).to_owned(),
            secret(opened.secret.as_deref(), reveal),
        ]
    };
    let header = ["ID", "SCM", "HOST", "CLIENT ID", "PAT", "STATE", if reveal { "SECRET" } else { "REASON" }];
    output::table(&configuration.integrations, header, row, "the runner has no integrations")?;
    llm_table(configuration, reveal)?;
    if let Some(outcome) = configuration.honeycomb_api_key.as_deref() {
        let text = format!("{} {}", outcome.name(), secret(Some(outcome), reveal));
        output::fields(&[("honeycomb api key", text)])?;
    }
    output::note(&format!("revision {}", configuration.revision));
    Ok(())
}

/// One row for each secret of an LLM integration.
fn llm_table(configuration: &Configuration, reveal: bool) -> Result<()> {
    let all = configuration.llm_integrations.iter().flat_map(|(one, opened)| secrets::of_llm(one, opened));
    let rows: Vec<_> = all
        .map(|found| {
            let outcome = &*found.outcome;
            let text = secret(Some(outcome), reveal);
            [found.object_id, found.field.wire_name().to_owned(), found.name, outcome.name().to_owned(), text]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let header = ["LLM INTEGRATION", "SECRET", "NAME", "STATE", if reveal { "SECRET" } else { "REASON" }];
    output::table(&rows, header, Clone::clone, "")
}

/// The opened secret if it may be shown, or why there is none.
fn secret(outcome: Option<&Outcome>, reveal: bool) -> String {
    match outcome {
        Some(Outcome::Ok(secret)) if reveal => secret.expose().to_owned(),
        Some(outcome) => outcome.reason().to_owned(),
        None => String::new(),
    }
}

fn to_json(configuration: &Configuration, reveal: bool) -> Value {
    let integrations: Vec<_> = configuration
        .integrations
        .iter()
        .map(|one| object::integration(&one.integration, one.secret.as_deref(), reveal))
        .collect();
    let llm = configuration.llm_integrations.iter();
    let llm = llm.map(|(one, opened)| object::llm_integration(one, opened, reveal));
    let mut value = json!({
        "runnerId": configuration.runner_id.to_string(),
        "epoch": configuration.epoch,
        "revision": configuration.revision,
        "integrations": integrations,
        "llmIntegrations": llm.collect::<Vec<_>>(),
    });
    if let Some(outcome) = configuration.honeycomb_api_key.as_deref() {
        let mut found = json!({"state": outcome.name()});
        object::add_outcome(&mut found, outcome, "value", reveal);
        value["honeycombApiKey"] = found;
    }
    value
}
