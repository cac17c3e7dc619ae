//! Chaining the audit log, and verifying the chain.
//!
//! Writers only add their entry; a job gives every entry its number and MAC afterwards, so no change ever waits for
//! the head of a chain. Servers that share a database take turns by a lease.
use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::hmac;
use uuid::Uuid;

use super::Service;
use crate::{
    at_rest::Keyring,
    domain::{
        access::Caller,
        audit_chain::{Fault, Finding, Head, Link, Mac, STRETCH, StoredEntry, Verified, covered},
        id::OrganizationId,
    },
    error::{Error, Kind, Result},
    store::{Lease, PendingEntry},
};

const PURPOSE: &str = "audit-chain/v1";
const JOB: &str = "audit_chain";
/// How long a server that died keeps the others from chaining.
const LEASE: Duration = Duration::from_secs(3);
/// How many entries are chained by one transaction.
const BATCH: u16 = 500;

/// The MAC keys of one piece of work, by seed.
struct Keys<'a> {
    keyring: &'a Keyring,
    known: BTreeMap<u32, Option<hmac::Key>>,
}

impl<'a> Keys<'a> {
    fn new(keyring: &'a Keyring) -> Self {
        Self { keyring, known: BTreeMap::new() }
    }

    fn get(&mut self, key_id: u32) -> Option<&hmac::Key> {
        let derive = || {
            let derived = self.keyring.derive_from(key_id, PURPOSE)?;
            Some(hmac::Key::new(hmac::HMAC_SHA256, &*derived.key))
        };
        self.known.entry(key_id).or_insert_with(derive).as_ref()
    }

    /// The link that continues a chain from `head`, and the head after it.
    fn next(
        &mut self,
        organization: OrganizationId,
        head: &Head,
        entry: &StoredEntry,
    ) -> Result<(Link, Head)> {
        let (sequence, key_id) = (head.count + 1, self.keyring.active_id());
        let key = self.get(key_id).ok_or_else(|| Error::internal("no key for the audit chain"))?;
        let tag = hmac::sign(key, &covered(organization, entry, (sequence, key_id), &head.mac));
        let mac: Mac = tag.as_ref().try_into().map_err(Error::internal)?;
        Ok((Link { sequence, key_id, mac: mac.to_vec() }, Head { count: sequence, mac }))
    }

    /// The head after `link`, if it continues the chain from `head`.
    fn check(
        &mut self,
        organization: OrganizationId,
        head: &Head,
        (link, entry): (&Link, Option<&StoredEntry>),
    ) -> Result<Head, Finding> {
        let sequence = head.count + 1;
        let found = |fault| Finding { fault, sequence: Some(sequence) };
        if link.sequence != sequence {
            return Err(found(Fault::Gap));
        }
        let entry = entry.ok_or(found(Fault::Removed))?;
        let key = self.get(link.key_id).ok_or(found(Fault::UnknownKey))?;
        let bytes = covered(organization, entry, (sequence, link.key_id), &head.mac);
        hmac::verify(key, &bytes, &link.mac).map_err(|_| found(Fault::Changed))?;
        let mac = Mac::try_from(&*link.mac).map_err(|_| found(Fault::Changed))?;
        Ok(Head { count: sequence, mac })
    }
}

impl Service {
    /// Chains every entry that waits, in every organization; how many that were. None while another server does.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if another server took the job over meanwhile; it then goes on.
    pub async fn chain_audit_log(&self) -> Result<usize> {
        let mut chained = 0;
        while self.store.has_pending_audit_entries().await? {
            let now = self.now();
            let lease = self.store.lease(JOB, self.process, (now, now.plus(LEASE))).await?;
            let Some(lease) = lease else { break };
            // Read under the lease: what another server has chained waits no longer.
            let pending = self.store.pending_audit_entries(BATCH).await?;
            for entries in pending.chunk_by(|a, b| a.organization == b.organization) {
                self.chain(lease, entries).await?;
            }
            chained += pending.len();
        }
        Ok(chained)
    }

    /// Chains entries of one organization.
    async fn chain(&self, lease: Lease, entries: &[PendingEntry]) -> Result<()> {
        let Some(PendingEntry { organization, .. }) = entries.first() else { return Ok(()) };
        let mut head = self.store.audit_head(*organization).await?;
        let ring = self.ring();
        let mut keys = Keys::new(&ring.keyring);
        let mut links: Vec<(Uuid, Link)> = Vec::with_capacity(entries.len());
        for PendingEntry { entry, .. } in entries {
            let (link, next) = keys.next(*organization, &head, entry)?;
            links.push((entry.id, link));
            head = next;
        }
        self.store.append_audit_links(lease, *organization, links).await
    }

    /// The end of the caller's chain.
    ///
    /// # Errors
    /// [`Kind::DataLoss`] if the last link is damaged.
    pub async fn audit_head(&self, caller: &Caller) -> Result<Head> {
        self.store.audit_head(caller.organization).await
    }

    /// Verifies the stretch of the caller's chain that follows `after`, where the last one ended. `expected` is a
    /// head that was kept elsewhere, and is looked for at the end.
    ///
    /// # Errors
    /// Those of the database: a chain that does not verify is no error, but a finding.
    pub async fn verify_audit_log(
        &self,
        caller: &Caller,
        after: Head,
        expected: Option<Head>,
    ) -> Result<Verified> {
        let organization = caller.organization;
        let count = match self.store.audit_head(organization).await {
            Ok(head) => head.count,
            // Found where it is.
            Err(error) if error.kind() == Kind::DataLoss => after.count,
            Err(error) => return Err(error),
        };
        let stopped = |head, finding| Verified { head, count, done: true, finding: Some(finding) };
        if let Some(finding) = self.lost_head(organization, &after).await? {
            return Ok(stopped(after, finding));
        }
        let links = self.store.audit_links(organization, after.count, STRETCH).await?;
        let ring = self.ring();
        let (mut head, mut keys) = (after, Keys::new(&ring.keyring));
        for (link, entry) in &links {
            match keys.check(organization, &head, (link, entry.as_ref())) {
                Ok(next) => head = next,
                Err(finding) => return Ok(stopped(head, finding)),
            }
        }
        if links.len() == usize::from(STRETCH) {
            return Ok(Verified { head, count, done: false, finding: None });
        }
        let mut finding = match expected {
            Some(expected) => self.lost_head(organization, &expected).await?,
            None => None,
        };
        if finding.is_none() && self.store.stray_audit_entries(organization).await? != 0 {
            finding = Some(Finding { fault: Fault::Stray, sequence: None });
        }
        Ok(Verified { head, count: count.max(head.count), done: true, finding })
    }

    /// What is wrong if the chain does not lead through `head`.
    async fn lost_head(&self, organization: OrganizationId, head: &Head) -> Result<Option<Finding>> {
        if head.count == 0 {
            return Ok(None);
        }
        let stored = self.store.audit_mac(organization, head.count).await?;
        let same = stored.is_some_and(|mac| mac == head.mac);
        Ok((!same).then_some(Finding { fault: Fault::Cut, sequence: Some(head.count) }))
    }
}
