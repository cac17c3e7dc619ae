//! What every command needs: which server, which token, which form of output.
use std::{
    env,
    path::{Path, PathBuf},
};

use super::{
    input,
    output::{self, Output},
};
use crate::{
    client::{Client, Server, Token},
    error::{Error, Kind, Result},
};

/// Sets them apart from a command's own options.
const HEADING: &str = "Options of every command";

/// Options that every command takes.
#[derive(Debug, clap::Args)]
pub(super) struct Global {
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        env = "SEALINK_URL",
        hide_env_values = true,
        value_name = "URL",
        help = "The server, with or without /api [default: http://127.0.0.1:7400]"
    )]
    server: Option<String>,
    #[arg(
        long,
        global = true,
        help_heading = HEADING,
        value_name = "FILE",
        help = "Read the API token from this file [else: SEALINK_TOKEN, or the local server's admin-token]"
    )]
    token_file: Option<PathBuf>,
    /// Print JSON for programs instead of a table for people
    #[arg(long, global = true, help_heading = HEADING)]
    json: bool,
}

/// The global options, ready to use.
#[derive(Debug)]
pub(super) struct Context {
    global: Global,
    /// Where results go.
    pub(super) out: Output,
}

/// Where a token came from, for error messages.
enum Origin {
    File(PathBuf),
    Environment,
    DataDir(PathBuf),
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        let out = Output::new(global.json);
        Self { global, out }
    }

    /// The server named by option or environment, if any.
    pub(super) fn named_server(&self) -> Result<Option<Server>> {
        self.global.server.as_deref().filter(|text| !text.is_empty()).map(Server::parse).transpose()
    }

    /// The server to talk to.
    pub(super) fn server(&self) -> Result<Server> {
        self.named_server()?.map_or_else(|| Server::parse(Server::DEFAULT), Ok)
    }

    /// A client with the caller's token.
    pub(super) fn client(&self) -> Result<Client> {
        let server = self.server()?;
        let token = self.token(&server)?;
        Self::warn_if_clear(&server);
        Ok(Client::new(server, Some(&token))?)
    }

    /// Says so if a token is about to cross a network in the clear.
    pub(super) fn warn_if_clear(server: &Server) {
        if !server.is_tls() && !server.is_local() {
            output::note(&format!(
                "warning: {server} is not https: tokens and secrets cross the network readable"
            ));
        }
    }

    /// Adds what to do about a refused token, which depends on where it came from.
    pub(super) fn explain(&self, error: Error) -> Error {
        if error.kind() != Kind::Unauthenticated || !error.violations().is_empty() {
            return error;
        }
        let Ok(server) = self.server() else { return error };
        let Some(origin) = self.origin(&server) else { return error };
        let cure = match origin {
            Origin::File(path) => {
                format!("the token in {} is not valid there; put a valid one in", path.display())
            }
            Origin::Environment => {
                "the token in SEALINK_TOKEN is not valid there; set a valid one".to_owned()
            }
            Origin::DataDir(path) => format!(
                "the token in {} is not valid there; set SEALINK_TOKEN, or SEALINK_DATA_DIR to that server's data \
                 directory",
                path.display()
            ),
        };
        Error::new(Kind::Unauthenticated, format!("{server} refused the token: {cure}"))
    }

    fn token(&self, server: &Server) -> Result<Token> {
        match self.origin(server) {
            Some(Origin::Environment) => {
                Token::parse("SEALINK_TOKEN", &env::var("SEALINK_TOKEN").unwrap_or_default())
            }
            Some(Origin::File(path) | Origin::DataDir(path)) => read(&path),
            None => Err(Error::new(
                Kind::Unauthenticated,
                format!(
                    "no API token for {server}: set SEALINK_TOKEN or use --token-file FILE (on the server's own \
                     machine, run this beside its sealink-data directory or set SEALINK_DATA_DIR)"
                ),
            )),
        }
    }

    fn origin(&self, server: &Server) -> Option<Origin> {
        if let Some(path) = &self.global.token_file {
            return Some(Origin::File(path.clone()));
        }
        if env::var_os("SEALINK_TOKEN").is_some_and(|value| !value.is_empty()) {
            return Some(Origin::Environment);
        }
        let data_dir = env::var_os("SEALINK_DATA_DIR").filter(|value| !value.is_empty());
        let path = PathBuf::from(data_dir.unwrap_or_else(|| "sealink-data".into())).join("admin-token");
        (server.is_local() && path.exists()).then_some(Origin::DataDir(path))
    }
}

fn read(path: &Path) -> Result<Token> {
    let origin = path.display().to_string();
    input::token(&origin, input::open("--token-file", path)?)
}
