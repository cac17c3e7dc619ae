//! Audit entries of what changes nothing else that is stored.
use super::{Store, changes::log_audit};
use crate::{
    domain::audit::{Actor, Entry},
    error::Result,
};

impl Store {
    /// Writes one audit entry.
    pub async fn note(&self, actor: Actor, entry: Entry) -> Result<()> {
        self.write((actor, entry), |tx, (actor, entry)| {
            Box::pin(async move { log_audit(tx, actor, entry).await })
        })
        .await
    }
}
