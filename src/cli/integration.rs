//! `sealink integration`.
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{context::Context, input, output::Output, usage};
use crate::{
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateScmIntegrationRequest, DeleteScmIntegrationRequest, GetScmIntegrationRequest,
        ListScmIntegrationsRequest, ScmIntegration, UpdateScmIntegrationRequest,
        list_scm_integrations_request::Filter,
    },
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink integration list --runner ID
  sealink integration update ID --client-secret-file new-secret.txt     rotate the secret";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Let a runner use an SCM host
    #[command(after_help = "\
The client secret is sealed with the runner's key before it is stored: nobody but the runner reads it back.

Examples:
  sealink integration create --runner ID --scm github --host github.com \\
      --client-id Iv1.0123456789abcdef --client-secret-file secret.txt
  pass show gitlab/sealink | sealink integration create --runner ID --scm gitlab --host gitlab.example.com \\
      --client-id 3f2a --client-secret-file - --pat
  sealink integration create --runner ID --scm azuredevops_server --host ado.example.com --pat \\
      --virtual-directory /tfs
  sealink integration create --runner ID --scm azuredevops_entra --host dev.azure.com --client-id C \\
      --client-secret-file secret.txt --issuer-url https://login.microsoftonline.com/TENANT/v2.0")]
    Create(Create),
    /// List integrations
    #[command(
        after_help = "Examples:\n  sealink integration list\n  sealink integration list --runner ID --json"
    )]
    List {
        /// Only this runner's; may be repeated up to 25 times
        #[arg(long, value_name = "ID")]
        runner: Vec<String>,
    },
    /// Show one integration
    #[command(after_help = "Example:\n  sealink integration show ID")]
    Show {
        /// The integration
        id: String,
    },
    /// Change an integration; what is not named stays as it is
    #[command(after_help = "\
A different --client-id or --issuer-url needs the client secret again: the old one was meant for the old place.

Examples:
  sealink integration update ID --client-secret-file new-secret.txt     rotate the secret
  sealink integration update ID --no-oauth --pat                        access tokens only")]
    Update(Update),
    /// Delete an integration
    #[command(after_help = "Example:\n  sealink integration delete ID")]
    Delete {
        /// The integration
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The runner it is for
    #[arg(long, value_name = "ID")]
    runner: String,
    #[arg(
        long,
        value_name = "SCM",
        help = "github, gitlab, bitbucket, azuredevops_entra, azuredevops_server, gitea or forgejo"
    )]
    scm: String,
    /// The host as users see it, such as github.com
    #[arg(long)]
    host: String,
    /// The OAuth app's client id
    #[arg(long, requires = "client_secret_file")]
    client_id: Option<String>,
    /// Read the OAuth app's client secret from this file; - is stdin
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
    /// Let users bring personal access tokens
    #[arg(long)]
    pat: bool,
    /// The OAuth issuer (Azure DevOps with Entra)
    #[arg(long, value_name = "URL")]
    issuer_url: Option<String>,
    /// The path below the host (Azure DevOps Server)
    #[arg(long, value_name = "PATH")]
    virtual_directory: Option<String>,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(super) struct Update {
    /// The integration
    id: String,
    /// A new OAuth client id
    #[arg(long, conflicts_with = "no_oauth")]
    client_id: Option<String>,
    /// Switch OAuth off and wipe its secret
    #[arg(long, conflicts_with = "client_secret_file")]
    no_oauth: bool,
    /// Read a new client secret from this file; - is stdin
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// Let users bring personal access tokens
    #[arg(long, conflicts_with = "no_pat")]
    pat: bool,
    /// No longer let users bring personal access tokens
    #[arg(long)]
    no_pat: bool,
    /// A new OAuth issuer
    #[arg(long, value_name = "URL", conflicts_with = "no_issuer_url")]
    issuer_url: Option<String>,
    /// Remove the OAuth issuer
    #[arg(long)]
    no_issuer_url: bool,
    /// A new path below the host
    #[arg(long, value_name = "PATH", conflicts_with = "no_virtual_directory")]
    virtual_directory: Option<String>,
    /// Remove the path below the host
    #[arg(long)]
    no_virtual_directory: bool,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(create) => create.run(context).await,
        Command::List { runner } => list(context, runner).await,
        Command::Show { id } => {
            let answer = context.client()?.call(&GetScmIntegrationRequest { id }).await?;
            show(context.out, &answer.integration.ok_or_else(|| Error::not_found("SCM integration"))?)
        }
        Command::Update(update) => {
            let id = update.id.clone();
            let client = context.client()?;
            client.call(&update.request()?).await?;
            context.out.done(&id, &format!("integration {id} updated"))
        }
        Command::Delete { id } => {
            context.client()?.call(&DeleteScmIntegrationRequest { id: id.clone() }).await?;
            context.out.done(&id, &format!("integration {id} deleted"))
        }
    }
}

async fn list(context: &Context, runner_ids: Vec<String>) -> Result<()> {
    let request = ListScmIntegrationsRequest { filter: Some(Filter { runner_ids }), ..Default::default() };
    let integrations = context.client()?.list(request).await?;
    context.out.list(
        &integrations,
        ["ID", "RUNNER", "SCM", "HOST", "OAUTH", "PAT"],
        |found| {
            [
                found.id.clone(),
                found.runner_id.clone(),
                found.scm_id.clone(),
                found.host.clone(),
                found.oauth.as_ref().map_or_else(|| "off".to_owned(), |oauth| oauth.client_id.clone()),
                on_off(found.pat),
            ]
        },
        "there are no integrations; make one with `sealink integration create`",
    )
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let secret = secret(self.client_secret_file)?;
        let request = CreateScmIntegrationRequest {
            runner_id: self.runner,
            scm_id: self.scm,
            host: self.host,
            oauth_client_id: self.client_id,
            oauth_plaintext_client_secret: secret,
            pat: self.pat,
            issuer_url: self.issuer_url,
            virtual_directory: self.virtual_directory,
        };
        let id = client.call(&request).await?.id;
        let sentence = match request.oauth_client_id {
            Some(_) => "the integration was created: its secret was sealed before it was stored",
            None => "the integration was created",
        };
        context.out.created(&json!({ "id": id }), &id, sentence)
    }
}

impl Update {
    /// What is not named is absent, what is removed is present and empty.
    fn request(self) -> Result<UpdateScmIntegrationRequest> {
        let or_empty = |value: Option<String>, remove: bool| value.or_else(|| remove.then(String::new));
        let request = UpdateScmIntegrationRequest {
            id: self.id,
            oauth_client_id: or_empty(self.client_id, self.no_oauth),
            oauth_plaintext_client_secret: secret(self.client_secret_file)?,
            pat: (self.pat || self.no_pat).then_some(self.pat),
            issuer_url: or_empty(self.issuer_url, self.no_issuer_url),
            virtual_directory: or_empty(self.virtual_directory, self.no_virtual_directory),
        };
        if request == (UpdateScmIntegrationRequest { id: request.id.clone(), ..Default::default() }) {
            return Err(usage("nothing to change; see `sealink integration update --help`"));
        }
        Ok(request)
    }
}

fn secret(file: Option<PathBuf>) -> Result<Option<String>> {
    let secret = file.map(|path| input::secret("--client-secret-file", &path)).transpose()?;
    Ok(secret.map(|secret| secret.expose().to_owned()))
}

fn show(out: Output, found: &ScmIntegration) -> Result<()> {
    let oauth = found.oauth.as_ref();
    let secret = oauth.map(|oauth| match oauth.encrypted_client_secret.len() {
        0 => "not shown to you, or missing: then enter it again with `sealink integration update`".to_owned(),
        bytes => format!("sealed, {bytes} bytes"),
    });
    out.show(
        found,
        &[
            ("id", found.id.clone()),
            ("runner", found.runner_id.clone()),
            ("scm", found.scm_id.clone()),
            ("host", found.host.clone()),
            ("oauth", on_off(oauth.is_some())),
            ("client id", oauth.map(|oauth| oauth.client_id.clone()).unwrap_or_default()),
            ("client secret", secret.unwrap_or_default()),
            ("issuer", oauth.map(|oauth| oauth.issuer_url.clone()).unwrap_or_default()),
            ("pat", on_off(found.pat)),
            ("virtual directory", found.virtual_directory.clone().unwrap_or_default()),
        ],
    )
}

fn on_off(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn update(options: &str) -> Result<UpdateScmIntegrationRequest> {
        let words = ["integration", "update", "ID"].into_iter().chain(options.split_whitespace());
        match Line::try_parse_from(words).unwrap().command {
            Command::Update(update) => update.request(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn update_sends_only_what_was_named() {
        let blank = UpdateScmIntegrationRequest { id: "ID".to_owned(), ..Default::default() };
        let text = |text: &str| Some(text.to_owned());
        for (options, expected) in [
            ("--pat", UpdateScmIntegrationRequest { pat: Some(true), ..blank.clone() }),
            ("--no-pat", UpdateScmIntegrationRequest { pat: Some(false), ..blank.clone() }),
            ("--client-id c", UpdateScmIntegrationRequest { oauth_client_id: text("c"), ..blank.clone() }),
            ("--no-oauth", UpdateScmIntegrationRequest { oauth_client_id: text(""), ..blank.clone() }),
            ("--issuer-url u", UpdateScmIntegrationRequest { issuer_url: text("u"), ..blank.clone() }),
            ("--no-issuer-url", UpdateScmIntegrationRequest { issuer_url: text(""), ..blank.clone() }),
            (
                "--virtual-directory /t",
                UpdateScmIntegrationRequest { virtual_directory: text("/t"), ..blank.clone() },
            ),
            (
                "--no-virtual-directory",
                UpdateScmIntegrationRequest { virtual_directory: text(""), ..blank.clone() },
            ),
        ] {
            assert!(update(options).unwrap() == expected, "{options}");
        }
        assert!(update("").is_err());
    }

    #[test]
    fn the_secret_is_read_without_its_last_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        for (content, read) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret", "s3cret")] {
            std::fs::write(&path, content).unwrap();
            let request = update(&format!("--client-secret-file {}", path.display())).unwrap();
            assert_eq!(request.oauth_plaintext_client_secret.as_deref(), Some(read));
        }
    }
}
