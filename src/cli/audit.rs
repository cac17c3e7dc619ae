//! `sealink audit`.
use std::io::{self, IsTerminal};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{context::Context, humane, output};
use crate::{
    client::Paged,
    error::{Error, Kind, Result},
    pb::sealink::v1::{
        AuditEntry, AuditHead, ExportAuditLogRequest, GetAuditHeadRequest, ListAuditEntriesRequest,
        VerifyAuditLogRequest, list_audit_entries_request::Filter,
    },
    wkt::Timestamp,
};

/// For the help of the group.
pub(super) const EXAMPLES: &str = "\
Examples:
  sealink audit list --action 'runner_key.*' --since 24h
  sealink audit verify --expect-head \"$(cat /mnt/elsewhere/audit-head)\"";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List entries, newest first
    #[command(after_help = "\
Examples:
  sealink audit list
  sealink audit list --action 'runner_key.*' --since 24h
  sealink audit list --object 0198a7c0-0000-7000-8000-000000000001 --json")]
    List(List),
    /// Print the chain's length and last MAC, as COUNT:MAC; keep it on another machine
    #[command(after_help = "Example:\n  sealink audit head > /mnt/elsewhere/audit-head")]
    Head,
    /// Prove that no entry was changed, removed or moved
    #[command(after_help = "\
Without --expect-head nobody can tell that the end of the log was cut off: keep heads elsewhere, and name one.

Example:
  sealink audit verify --expect-head \"$(cat /mnt/elsewhere/audit-head)\"")]
    Verify {
        /// What `sealink audit head` printed earlier; the chain must lead through it
        #[arg(long, value_name = "COUNT:MAC", value_parser = head)]
        expect_head: Option<AuditHead>,
    },
    /// Write the chained entries to stdout as JSON, one a line, oldest first
    #[command(after_help = "\
Examples:
  sealink audit export > audit.jsonl
  sealink audit export --after 1200 >> audit.jsonl      what came after entry 1200")]
    Export {
        /// Begin after this sequence number
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0, hide_default_value = true)]
        after: i64,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// What this user or runner did
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// This action, such as runner.create; with a star at the end all that begin so
    #[arg(long)]
    action: Option<String>,
    /// What was done to this thing
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    /// Not before this: a span such as 24h or 7d ago, or a time such as 2026-01-02T03:04:05Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Before this, as --since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// How many at most
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List(list) => list.run(context).await,
        Command::Head => {
            let answer = context.client()?.call(&GetAuditHeadRequest {}).await?;
            show(context, &answer.head.unwrap_or_default())
        }
        Command::Verify { expect_head } => verify(context, expect_head).await,
        Command::Export { after } => export(context, after).await,
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let filter = Filter {
            actor_id: self.actor.unwrap_or_default(),
            action: self.action.unwrap_or_default(),
            object: self.object.unwrap_or_default(),
            since: self.since,
            until: self.until,
        };
        let mut request = ListAuditEntriesRequest { filter: Some(filter), ..Default::default() };
        let (mut entries, mut token) = (Vec::new(), String::new());
        while entries.len() < self.limit {
            request.turn_to(token);
            let (page, next) = ListAuditEntriesRequest::open(client.call(&request).await?);
            entries.extend(page);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        entries.truncate(self.limit);
        context.out.list(
            &entries,
            ["SEQUENCE", "WHEN", "ACTOR", "ACTION", "OBJECT", "DETAILS"],
            |entry| {
                [
                    if entry.sequence == 0 { String::new() } else { entry.sequence.to_string() },
                    humane::when(entry.at.as_ref()),
                    format!("{} {}", entry.actor_kind, entry.actor_id).trim_end().to_owned(),
                    entry.action.clone(),
                    entry.object.clone(),
                    if entry.details == "{}" { String::new() } else { entry.details.clone() },
                ]
            },
            "there are no such entries",
        )
    }
}

async fn verify(context: &Context, expected: Option<AuditHead>) -> Result<()> {
    let client = context.client()?;
    let mut request = VerifyAuditLogRequest { after: None, expected };
    loop {
        let answer = client.call(&request).await?;
        let verified = answer.verified.unwrap_or_default();
        if let Some(finding) = answer.finding {
            let text = format!(
                "the audit log was tampered with: {} ({} entries before it are whole)",
                finding.message, verified.count
            );
            return Err(Error::new(Kind::DataLoss, text));
        }
        if answer.done {
            output::note(&format!("{} entries, none changed, removed or moved", verified.count));
            return show(context, &verified);
        }
        if io::stderr().is_terminal() {
            output::note(&format!("verified {} of {} entries", verified.count, answer.count));
        }
        request.after = Some(verified);
    }
}

async fn export(context: &Context, mut after_sequence: i64) -> Result<()> {
    let client = context.client()?;
    loop {
        let entries = client.call(&ExportAuditLogRequest { after_sequence }).await?.entries;
        let Some(last) = entries.last() else { return Ok(()) };
        after_sequence = last.sequence;
        let lines = entries.iter().map(line).collect::<Result<Vec<_>>>()?;
        output::print(&lines.join("\n"))?;
    }
}

/// One entry as one line of JSON, its details as an object.
fn line(entry: &AuditEntry) -> Result<String> {
    let mut value = serde_json::to_value(entry).map_err(Error::internal)?;
    if let Ok(details) = serde_json::from_str::<Value>(&entry.details) {
        value["details"] = details;
    }
    value["sequence"] = entry.sequence.into();
    serde_json::to_string(&value).map_err(Error::internal)
}

fn show(context: &Context, head: &AuditHead) -> Result<()> {
    if context.out.is_json() {
        return output::json(&serde_json::json!({ "count": head.count, "mac": head.mac }));
    }
    output::print(&format!("{}:{}", head.count, head.mac))
}

/// Reads what `sealink audit head` prints; the server checks the rest.
fn head(text: &str) -> Result<AuditHead> {
    let parts = text.trim().split_once(':').and_then(|(count, mac)| Some((count.parse().ok()?, mac)));
    let (count, mac) = parts.ok_or_else(|| {
        Error::new(Kind::Invalid, "a head looks like COUNT:MAC, as `sealink audit head` prints it")
    })?;
    Ok(AuditHead { count, mac: mac.to_owned() })
}

/// A moment: a span before now, or a time of its own.
fn moment(text: &str) -> Result<Timestamp> {
    if let Ok(span) = humane::span(text) {
        return Ok(humane::ago(span));
    }
    serde_json::from_value(text.into()).map_err(|_| {
        Error::new(Kind::Invalid, "a time looks like 24h or 7d, which is before now, or 2026-01-02T03:04:05Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_are_printed() {
        let read = head("12:00ff\n").unwrap();
        assert_eq!((read.count, read.mac.as_str()), (12, "00ff"));
        assert_eq!(head("0:").unwrap(), AuditHead::default());
        for text in ["", "12", ":00", "x:00", "1.5:00"] {
            assert!(head(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_spans_or_times() {
        assert_eq!(moment("1970-01-01T00:00:10Z").unwrap().seconds, 10);
        let (hour, day) = (moment("1h").unwrap(), moment("1d").unwrap());
        assert!((82_799..=82_801).contains(&(hour.seconds - day.seconds)));
        for text in ["", "yesterday", "2026-13-02", "-1h"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
