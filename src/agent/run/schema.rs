//! Tells the server what the runner can be configured with: what the operator wrote down, or what the agent itself
//! can do.
use std::{path::PathBuf, sync::Arc, time::Duration};

use super::Shared;
use crate::{
    agent::{backoff::Backoff, forge::oauth::App},
    client::{ClientError, Code},
    domain::scm::Scm,
    error::{Error, Kind, Result},
    pb::{
        gitpod::v1::{
            GetRunnerConfigurationSchemaRequest, RunnerConfigurationSchema,
            runner_configuration_schema::{OAuth, PersonalAccessToken, ScmConfigSchema},
        },
        sealink::v1::UpdateConfigurationSchemaRequest,
    },
};

/// How often the operator's file is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The largest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// What the version of an agent's own schema begins with.
const OURS: &str = "sealink-agent/";

/// What the server was told, in which of its histories.
type Told = (String, RunnerConfigurationSchema);

pub(super) async fn run(shared: Arc<Shared>, file: Option<PathBuf>) -> Result<()> {
    let (mut told, mut backoff) = (None::<Told>, Backoff::default());
    loop {
        let epoch = shared.known().epoch.clone();
        match file.as_ref().map_or_else(|| Ok(own()), read) {
            Ok(schema) if !epoch.is_empty() && told.as_ref() != Some(&(epoch.clone(), schema.clone())) => {
                match tell(&shared, &schema, file.is_some()).await.map_err(Shared::fatal) {
                    Ok(()) => {
                        backoff.reset();
                        shared.health.judge("schema", None);
                        told = Some((epoch, schema));
                    }
                    Err(error) => {
                        let error = error?;
                        if error.code() == Some(Code::InvalidArgument) {
                            // The same again would be refused again.
                            shared.health.judge("schema", Some(format!("the schema is refused: {error}")));
                            told = Some((epoch, schema));
                        } else {
                            tracing::debug!(%error, "the schema was not reported");
                            backoff.wait_after(&error).await;
                        }
                    }
                }
            }
            Ok(_) => {}
            Err(error) => {
                shared.health.judge("schema", Some(error.to_string()));
                // What comes next is told again, also if it is what was there before: then all is well.
                told = None;
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Reports a schema. The agent's own never takes the place of one that other software of the runner has reported.
async fn tell(
    shared: &Shared,
    schema: &RunnerConfigurationSchema,
    operators: bool,
) -> std::result::Result<(), ClientError> {
    if !operators {
        let request = GetRunnerConfigurationSchemaRequest { runner_id: shared.runner.to_string() };
        let there = shared.client.call(&request).await?.schema.unwrap_or_default();
        if !there.version.is_empty() && !there.version.starts_with(OURS) {
            tracing::info!(version = there.version, "the runner has a schema of its own, which stays");
            return Ok(());
        }
    }
    shared.client.call(&UpdateConfigurationSchemaRequest { schema: Some(schema.clone()) }).await?;
    tracing::info!(version = schema.version, "the schema is reported");
    Ok(())
}

/// The operator's file: `RunnerConfigurationSchema` as JSON.
fn read(path: &PathBuf) -> Result<RunnerConfigurationSchema> {
    let unusable = |why: &str| Error::new(Kind::Precondition, format!("--schema {}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| unusable("cannot be read").caused_by(error))?.len();
    if size > MAX_BYTES {
        return Err(unusable("is larger than 1 MiB"));
    }
    let text = std::fs::read(path).map_err(|error| unusable("cannot be read").caused_by(error))?;
    serde_json::from_slice(&text)
        .map_err(|error| unusable("is no runner configuration schema").caused_by(error))
}

/// What this agent can do: every kind of forge, OAuth where it can exchange a code. Where browsers come back to, the
/// server knows.
#[must_use]
fn own() -> RunnerConfigurationSchema {
    let scm = Scm::ALL.map(|scm| ScmConfigSchema {
        scm_id: scm.id().to_owned(),
        name: scm.name().to_owned(),
        default_hosts: scm.default_host().map(str::to_owned).into_iter().collect(),
        oauth: App::supports(scm).then(OAuth::default),
        pat: Some(PersonalAccessToken {
            description: scm.token_scopes().to_owned(),
            docs_link: scm.token_docs().to_owned(),
        }),
    });
    let version = format!("{OURS}{}", env!("CARGO_PKG_VERSION"));
    RunnerConfigurationSchema { version, scm: scm.into(), ..RunnerConfigurationSchema::default() }
}
