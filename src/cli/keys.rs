//! `sealink keys`.
use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::Subcommand;
use serde_json::json;

use super::{context::Context, exit, humane, output, serve, words::word};
use crate::{
    error::{Error, Kind, Result},
    pb::sealink::v1::{ListSeedsRequest, RotateRequest, RotateResponse, RotationStage, SeedState},
    server,
};

/// How wide the bar is, in characters.
const WIDTH: u64 = 30;

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink keys list
  sealink keys rotate";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a new seed, and seal everything again that the server keeps for itself
    #[command(after_help = "\
The server goes on serving. May be interrupted anywhere: run it again, and it goes on.
root.key stays as it is, and so does what is sealed with runners' keys.

Example:
  sealink keys rotate")]
    Rotate,
    /// List the keyring's seeds, and what needs each of them
    #[command(after_help = "Examples:\n  sealink keys list\n  sealink keys list --json")]
    List,
    /// Make a new root key, and wrap the keyring with it: on the server's machine, with every server stopped
    #[command(after_help = "\
Seeds and what is sealed with them stay as they are. May be interrupted anywhere: the next start goes on.
Servers on other machines need a copy of the new root.key before they start, and so does every backup from now on.

Examples:
  sealink keys rotate-root
  sealink keys rotate-root --data-dir /var/lib/sealink")]
    RotateRoot(serve::Place),
}

pub(super) async fn run(context: &Context, command: Command) -> Result<ExitCode> {
    match command {
        Command::Rotate => rotate(context).await?,
        Command::List => list(context).await?,
        Command::RotateRoot(place) => return rotate_root(context, place).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Without the API: it needs the files of a server that does not run.
async fn rotate_root(context: &Context, place: serve::Place) -> Result<ExitCode> {
    let (seeds, path) = match server::rotate_root_key(&place.settings(Vec::new())?).await {
        Ok(done) => done,
        Err(error) => return Ok(exit::of_start(&error)),
    };
    let path = path.display().to_string();
    output::note("back it up, and copy it to every other server of this database before that starts");
    let answer = json!({ "rootKey": path, "seeds": seeds });
    context.out.show(&answer, &[("root key", path), ("seeds", seeds.to_string())])?;
    Ok(ExitCode::SUCCESS)
}

async fn rotate(context: &Context) -> Result<()> {
    let client = context.client()?;
    let mut steps = client.stream(&RotateRequest {}).await?;
    let mut bar = Bar::default();
    let mut last = RotateResponse::default();
    while let Some(step) = steps.next().await? {
        bar.show(&last, &step);
        last = step;
    }
    drop(bar);
    if last.stage() != RotationStage::Done {
        return Err(Error::new(
            Kind::Unavailable,
            "the server ended half-way: run `sealink keys rotate` again",
        ));
    }
    let retired: Vec<_> = last.retired.iter().map(ToString::to_string).collect();
    context.out.show(
        &last,
        &[
            ("seed", last.key_id.to_string()),
            ("sealed again", last.resealed.to_string()),
            ("retired", retired.join(", ")),
        ],
    )?;
    if last.resumed {
        output::note("the earlier rotation is finished; run `sealink keys rotate` again for another seed");
    }
    match last.unreadable {
        0 => Ok(()),
        n => Err(Error::new(
            Kind::DataLoss,
            format!("{n} records cannot be opened and stay as they are; the server's log names them"),
        )),
    }
}

/// Progress on stderr: one line that moves on a terminal, else a line for every stage.
#[derive(Default)]
struct Bar {
    drawn: bool,
}

impl Bar {
    fn show(&mut self, before: &RotateResponse, now: &RotateResponse) {
        if before.stage != now.stage && now.stage() == RotationStage::Spreading {
            let verb = if now.resumed { "going on with seed" } else { "made seed" };
            output::note(&format!("{verb} {}; the servers hear of it", now.key_id));
        } else if io::stderr().is_terminal() && now.total > 0 {
            let done = now.resealed.min(now.total).unsigned_abs();
            let filled = done * WIDTH / now.total.unsigned_abs().max(1);
            let (full, empty) = (filled, WIDTH - filled);
            let bar = "#".repeat(usize::try_from(full).unwrap_or(0))
                + &".".repeat(usize::try_from(empty).unwrap_or(0));
            // Nothing is lost where the terminal is gone.
            let _ = write!(io::stderr(), "\r[{bar}] {done} of {} sealed again", now.total);
            self.drawn = true;
        } else if before.stage != now.stage && now.stage() == RotationStage::Resealing {
            output::note(&format!("{} records to be sealed again", now.total));
        }
    }
}

/// Whatever is said next, an error too, stands on a line of its own.
impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn {
            output::note("");
        }
    }
}

async fn list(context: &Context) -> Result<()> {
    let answer = context.client()?.call(&ListSeedsRequest {}).await?;
    context.out.list(
        &answer.seeds,
        ["SEED", "STATE", "CREATED", "RECORDS", "AUDIT LINKS", "IDEMPOTENCY KEYS"],
        |seed| {
            [
                seed.key_id.to_string(),
                word(seed.state, "SEED_STATE_", SeedState::as_str_name),
                humane::when(seed.created_at.as_ref()),
                seed.records.to_string(),
                seed.audit_links.to_string(),
                seed.idempotency_keys.to_string(),
            ]
        },
        "there are no seeds",
    )
}
