//! `sealink agent run`.
use std::{net::SocketAddr, path::PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use super::Place;
use crate::cli::{context::Context, output, usage};
use crate::{
    agent::{
        log::{LogTail, Tee},
        run::{self, Options},
    },
    config::{Log, LogFormat},
    domain::allowed_origins::AllowedOrigins,
    error::{Error, Result},
    telemetry,
};

/// Options of a running agent.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sealink agent run
  sealink agent run --secrets-dir /run/sealink --status-listen 127.0.0.1:7401
  sealink agent run --on-change 'jq -r .clientSecret | my-runner set-secret \"$SEALINK_INTEGRATION_ID\"'

--on-change runs once for each revision, with SEALINK_EVENT (snapshot, put or deleted), SEALINK_INTEGRATION_ID or
SEALINK_LLM_INTEGRATION_ID, and SEALINK_REVISION; the object, with its secrets, is JSON on stdin. Unless it ends with
0, it is run again.

Exit codes: 0 told to stop, 77 the server no longer takes the token, 1 anything else.")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    place: Place,
    /// Keep each integration's secrets in files below this directory, which must be in memory
    #[arg(long, env = "SEALINK_SECRETS_DIR", value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
    /// Accept a directory for secrets that is on a disk
    #[arg(long)]
    allow_disk: bool,
    /// Run this shell command for each change
    #[arg(long, env = "SEALINK_ON_CHANGE", value_name = "CMD")]
    on_change: Option<String>,
    /// Serve /livez, /readyz and /metrics at this address of this machine
    #[arg(long, env = "SEALINK_STATUS_LISTEN", value_name = "ADDRESS")]
    status_listen: Option<SocketAddr>,
    /// Ask the forge at exactly this origin although it is not https, or is on this machine
    #[arg(long = "allow-origin", env = "SEALINK_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    allow_origins: Vec<String>,
    /// Also trust the certificate authorities in this PEM file
    #[arg(long, env = "SEALINK_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Report this schema, a `RunnerConfigurationSchema` as JSON, and again whenever the file changes
    #[arg(long, env = "SEALINK_SCHEMA", value_name = "FILE")]
    schema: Option<PathBuf>,
    /// What to log: off, error, warn, info, debug or trace
    #[arg(long, env = "SEALINK_LOG", default_value = "info", value_name = "LEVEL")]
    log: String,
}

pub(super) async fn run(context: &Context, args: Args) -> Result<()> {
    let log = LogTail::default();
    let writer = Tee(log.clone());
    let settings = Log { level: args.log, format: LogFormat::Text };
    telemetry::start_to(&settings, move || writer.clone())?;
    let server = context.named_server()?;
    if let Some(server) = &server {
        Context::warn_if_clear(server);
    }
    let refused = || usage("--allow-origin: must be an origin such as http://127.0.0.1:3000");
    let options = Options {
        server,
        agent_dir: args.place.agent_dir().to_owned(),
        key_dir: args.place.keys(),
        secrets_dir: args.secrets_dir,
        allow_disk: args.allow_disk,
        on_change: args.on_change,
        status_listen: args.status_listen,
        allowed_origins: AllowedOrigins::parse(&args.allow_origins).ok_or_else(refused)?,
        ca_file: args.ca_file,
        schema: args.schema,
        log,
    };
    let ready = |agent_id: &str, page: Option<SocketAddr>| {
        if let Some(address) = page {
            output::note(&format!("status on http://{address}"));
        }
        // Says "ready", to people and to scripts: no log level hides it.
        output::note(&format!("agent {agent_id} is running"));
    };
    run::run(options, ready, stopped()?).await
}

/// Completes when the agent is told to stop.
fn stopped() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
