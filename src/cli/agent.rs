//! `sealink agent`.
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

mod doctor;
mod fetch;
mod register;
mod rotate;
mod run;

use super::context::Context;
use crate::{
    agent::{dir::AgentDir, keys::KeyDir},
    error::Result,
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
    Register(register::Register),
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
        Command::Fetch { place, reveal } => fetch::run(context, &place, reveal).await,
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
