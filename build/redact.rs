//! `Debug` that does not print secrets, for every message that carries one in clear text.
use std::{collections::BTreeSet, error::Error, fmt::Write as _};

use prost_reflect::DescriptorPool;

use crate::names;

/// Clear-text secrets on the wire. Ciphertext may be printed.
const SECRETS: &[&str] = &[
    "gitpod.v1.CreateSCMIntegrationRequest.oauth_plaintext_client_secret",
    "gitpod.v1.UpdateSCMIntegrationRequest.oauth_plaintext_client_secret",
    "gitpod.v1.ValidateRunnerConfigurationRequest.ValidateSCMIntegration.oauth_plaintext_client_secret",
    "gitpod.v1.CreateHostAuthenticationTokenRequest.token",
    "gitpod.v1.CreateHostAuthenticationTokenRequest.refresh_token",
    "gitpod.v1.UpdateHostAuthenticationTokenRequest.token",
    "gitpod.v1.UpdateHostAuthenticationTokenRequest.refresh_token",
    "gitpod.v1.CreateLLMIntegrationRequest.api_key",
    "gitpod.v1.UpdateLLMIntegrationRequest.api_key",
    "gitpod.v1.LLMIntegrationRequestHeader.value",
    "gitpod.v1.MetricsConfiguration.password",
    "gitpod.v1.UpdateRunnerRequest.MetricsConfiguration.password",
    "gitpod.v1.UpdateRunnerRequest.RunnerConfiguration.honeycomb_api_key",
    "gitpod.v1.CreateRunnerResponse.access_token",
    "gitpod.v1.CreateRunnerResponse.exchange_token",
    "gitpod.v1.CreateRunnerTokenResponse.access_token",
    "gitpod.v1.CreateRunnerTokenResponse.exchange_token",
    "gitpod.v1.CreateRunnerLogsTokenResponse.access_token",
    "gitpod.v1.GetIDTokenResponse.token",
    "gitpod.v1.ExchangeTokenRequest.exchange_token",
    "gitpod.v1.ExchangeTokenResponse.access_token",
    "sealink.v1.CreateTokenResponse.token",
    "sealink.v1.BeginKeyRegistrationResponse.challenge_new",
    "sealink.v1.BeginKeyRegistrationResponse.challenge_old",
    "sealink.v1.CompleteKeyRegistrationRequest.answer_new",
    "sealink.v1.CompleteKeyRegistrationRequest.answer_old",
    "sealink.v1.CompleteOAuthCall.code",
];

/// The messages that must not derive `Debug`, as prost names them: `.gitpod.v1.ExchangeTokenRequest`.
pub(crate) fn messages() -> BTreeSet<String> {
    SECRETS
        .iter()
        .filter_map(|path| path.rsplit_once('.'))
        .map(|(message, _)| format!(".{message}"))
        .collect()
}

/// One `Debug` impl per such message, and per oneof in it.
pub(crate) fn generate(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let mut code = String::new();
    for name in messages() {
        let name = &name[1..];
        let message = pool.get_message_by_name(name).ok_or_else(|| format!("no message {name}"))?;
        // `skip_debug` takes everything inside of a message along.
        if message.child_messages().count() + message.child_enums().count() > 0 {
            return Err(format!("{name} has nested types: write their Debug too").into());
        }
        let secrets: Vec<_> =
            SECRETS.iter().filter_map(|path| path.strip_prefix(name)?.strip_prefix('.')).collect();
        if let Some(gone) = secrets.iter().find(|field| message.get_field_by_name(field).is_none()) {
            return Err(format!("no field {name}.{gone}").into());
        }
        let mut shown = String::new();
        for field in message.fields() {
            let in_oneof = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
            if !in_oneof && !secrets.contains(&field.name()) {
                write!(
                    shown,
                    "\n            .field({:?}, &self.{})",
                    field.name(),
                    names::field(field.name())
                )?;
            }
        }
        code += &debug(&names::message(&message), message.name(), &shown);
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            code += &debug(&names::oneof(&oneof), oneof.name(), "");
        }
    }
    Ok(code)
}

fn debug(path: &str, name: &str, shown: &str) -> String {
    format!(
        "impl ::core::fmt::Debug for {path} {{
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{
        f.debug_struct({name:?}){shown}
            .finish_non_exhaustive()
    }}
}}
"
    )
}
