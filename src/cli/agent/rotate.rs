//! `sealink agent rotate`.
use serde_json::json;

use crate::cli::{context::Context, output};
use crate::{
    agent::{
        dir::AgentDir,
        keys::KeyDir,
        register,
        rotate::{self, Progress, Rotated},
    },
    error::{Error, Kind, Result},
    pb::sealink::v1::KeyState,
};

/// How often progress is told, in secrets.
const STEP: usize = 25;

pub(super) async fn run(context: &Context, dir: &AgentDir, keys: &KeyDir, bits: u32) -> Result<()> {
    let session = register::sign_in(dir, context.named_server()?, None).await?;
    let done = rotate::rotate(&session, dir, keys, bits, report).await?;
    show(context, &done)?;
    for stuck in &done.resealed.stuck {
        output::note(&format!("{} of {}: {}", stuck.field, stuck.sub, stuck.reason));
    }
    match done.resealed.stuck.len() {
        0 => Ok(()),
        1 => Err(Error::new(Kind::DataLoss, "1 secret could not be re-sealed; enter it again")),
        n => Err(Error::new(Kind::DataLoss, format!("{n} secrets could not be re-sealed; enter them again"))),
    }
}

fn report(progress: Progress<'_>) {
    match progress {
        Progress::Resuming(waiting) => {
            output::note(&format!("finishing an earlier rotation: {waiting} secrets wait"));
        }
        Progress::Offering(key) => output::note(&format!("offering key {}", key.fingerprint())),
        Progress::Resealed(done, total) if done == total || done.is_multiple_of(STEP) => {
            output::note(&format!("re-sealed {done} of {total}"));
        }
        Progress::Resealed(..) => {}
    }
}

fn show(context: &Context, done: &Rotated) -> Result<()> {
    let resealed = done.resealed.done;
    let Some(registered) = &done.key else {
        let value = json!({ "resumed": true, "resealed": resealed, "stuck": done.resealed.stuck.len() });
        context.out.show(&value, &[("re-sealed", resealed.to_string())])?;
        output::note("the earlier rotation is finished; run `sealink agent rotate` again for another key");
        return Ok(());
    };
    let state = registered.state.as_str_name().trim_start_matches("KEY_STATE_");
    let value = json!({
        "kid": registered.key.kid().0,
        "fingerprint": registered.key.fingerprint(),
        "state": state,
        "resealed": resealed,
        "stuck": done.resealed.stuck.len(),
    });
    context.out.show(
        &value,
        &[
            ("kid", registered.key.kid().to_string()),
            ("fingerprint", registered.key.fingerprint()),
            ("state", state.to_owned()),
            ("re-sealed", resealed.to_string()),
        ],
    )?;
    if registered.state == KeyState::Pending {
        output::note(&format!(
            "the key waits for approval: an administrator compares the fingerprint and runs `sealink runner key \
             approve {}`; then run `sealink agent rotate` again",
            registered.key.kid()
        ));
    }
    Ok(())
}
