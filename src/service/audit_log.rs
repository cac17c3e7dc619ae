//! Reading the audit log. Only administrators get here.
use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        audit::{EntryFilter, ListedEntry},
        audit_chain::STRETCH,
    },
    error::Result,
};

impl Service {
    /// A page of the audit log, newest first.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for the page.
    pub async fn audit_entries(
        &self,
        caller: &Caller,
        filter: EntryFilter,
        ask: &PageAsk,
    ) -> Result<Listing<ListedEntry>> {
        let fingerprint = [format!("{filter:?}")];
        let (list, now) = (List { name: "audit_entries", filter: &fingerprint }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.audit_entries(caller.organization, filter, request).await?;
        self.ring().pages.write(caller, list, page, now)
    }

    /// The stretch of the caller's chain that follows place `after`, in the chain's order. An entry that is gone
    /// from the log is left out; verifying finds it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn audit_chain(&self, caller: &Caller, after: u64) -> Result<Vec<ListedEntry>> {
        let links = self.store.audit_links(caller.organization, after, STRETCH).await?;
        let listed = links.into_iter().filter_map(|(link, entry)| {
            let entry = entry?;
            Some(ListedEntry { entry, link: Some(link) })
        });
        Ok(listed.collect())
    }
}
