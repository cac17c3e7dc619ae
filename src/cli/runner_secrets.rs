//! `sealink runner key secrets`.
use super::{context::Context, words::word};
use crate::{
    error::Result,
    pb::sealink::v1::{ListSecretsRequest, SecretState},
};

pub(super) async fn list(context: &Context, runner_id: String) -> Result<()> {
    let secrets = context.client()?.list(ListSecretsRequest { runner_id, ..Default::default() }).await?;
    context.out.list(
        &secrets,
        ["BELONGS TO", "SECRET", "NAME", "STATE", "KEY"],
        |secret| {
            let state = word(secret.secret_state, "SECRET_STATE_", SecretState::as_str_name);
            [
                secret.sub.clone(),
                secret.field.clone(),
                secret.name.clone(),
                state.to_ascii_uppercase().replace('-', "_"),
                secret.kid.clone(),
            ]
        },
        "nothing is sealed for this runner",
    )
}
