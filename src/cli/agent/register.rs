//! `sealink agent register`.
use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use serde_json::json;

use super::Place;
use crate::{
    agent::{
        dir::AgentDir,
        register::{self, Registered},
    },
    cli::{context::Context, input, output},
    client::Token,
    domain::secret::Kid,
    error::Result,
    pb::sealink::v1::KeyState,
    seal::key::PublicKey,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Register {
    #[command(flatten)]
    place: Place,
    /// Read the exchange token from this file instead of stdin; - is stdin
    #[arg(long, value_name = "FILE")]
    exchange_token_file: Option<PathBuf>,
    /// Offer this key of the key directory
    #[arg(long = "key", value_name = "KID", allow_hyphen_values = true)]
    kid: Option<String>,
}

impl Register {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
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
            input::token(&origin, input::open("--exchange-token-file", path)?).map(Some)
        }
        Some(_) => input::token("stdin", io::stdin().lock()).map(Some),
        None if io::stdin().is_terminal() => Ok(None),
        None => input::optional_token("stdin", io::stdin().lock()),
    }
}
