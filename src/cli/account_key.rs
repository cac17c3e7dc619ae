//! `sealink account keys`.
use std::{fs, path::PathBuf};

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use super::{
    account::{self, array, text},
    context::Context,
    input, output,
};
use crate::{
    error::{Error, Kind, Result},
    pb::sealink::v1::ListAuthorizedKeysRequest,
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink account keys list
  sealink account keys add laptop ~/.ssh/id_ed25519.pub";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List your public SSH keys
    #[command(after_help = "Examples:\n  sealink account keys list\n  sealink account keys list --json")]
    List,
    /// Store a public SSH key
    #[command(after_help = "Example:\n  sealink account keys add laptop ~/.ssh/id_ed25519.pub")]
    Add {
        /// What to call it
        name: String,
        /// The file with the public key
        file: PathBuf,
    },
    /// Delete a public SSH key
    #[command(after_help = "Example:\n  sealink account keys delete ID")]
    Delete {
        /// The key
        #[arg(value_parser = account::id)]
        id: String,
    },
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List => {
            let found = call(context, Method::GET, &[], None).await?;
            list_of(context, &found, "there are no keys; store one with `sealink account keys add`")
        }
        Command::Add { name, file } => {
            let line = fs::read_to_string(&file)
                .map_err(|source| input::unreadable(&file.display().to_string(), source))?;
            let body = json!({ "key": { "name": name, "content": line } });
            let made = call(context, Method::POST, &[], Some(&body)).await?;
            let key = &made["key"];
            context.out.created(key, &text(key, "id"), &format!("stored {}", text(key, "fingerprint_sha256")))
        }
        Command::Delete { id } => {
            call(context, Method::DELETE, &[&id], None).await?;
            context.out.done(&id, &format!("key {id} deleted"))
        }
    }
}

/// A member's keys as sshd reads them: one a line, nothing besides.
pub(super) async fn authorized(context: &Context, user: String) -> Result<()> {
    let keys = context.client()?.call(&ListAuthorizedKeysRequest { user }).await?.keys;
    if context.out.is_json() {
        return output::json(&keys);
    }
    keys.iter().try_for_each(|key| output::print(&key.content))
}

/// The keys in an answer.
pub(super) fn list_of(context: &Context, answer: &Value, nothing: &str) -> Result<()> {
    let row = |one: &Value| ["id", "name", "fingerprint_sha256"].map(|name| text(one, name));
    context.out.list(array(answer, "keys"), ["ID", "NAME", "FINGERPRINT"], row, nothing)
}

async fn call(context: &Context, method: Method, path: &[&str], body: Option<&Value>) -> Result<Value> {
    let path = [&["keys"][..], path].concat();
    let answer = context.client()?.rest(method, &path, &[], body).await;
    answer.map_err(|error| match Error::from(error) {
        error if error.kind() == Kind::NotFound => {
            Error::new(Kind::NotFound, "no such key: `sealink account keys list` shows yours")
        }
        error => error,
    })
}
