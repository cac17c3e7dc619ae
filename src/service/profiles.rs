//! Who the owners of accounts are at their forges, asked again once in a while.
//!
//! ```text
//! an account is shown or used, and its profile is an hour old -> queue -> claim -> the forge -> the profile
//! ```
//!
//! Nobody waits for it, and nothing fails with it: what the queue cannot hold is asked for with the next use. Every
//! server sees uses of its own; the claim, one atomic write, decides which of them asks.
use tokio::sync::{Mutex, mpsc};

use super::{Service, jobs::report};
use crate::{
    domain::{account::Account, audit::Actor, forge::Profile, id::OrganizationId, secret::Secret},
    error::Result,
    scm::{self, provider::Patience},
};

/// How many forges one server asks at once.
pub(super) const AT_ONCE: usize = 4;
/// How many accounts wait at most.
const WAITING: usize = 64;

/// An account whose profile is old, and whose it is.
type Stale = (OrganizationId, Account);

/// Accounts whose profiles are old.
#[derive(Debug)]
pub(super) struct Profiles {
    put: mpsc::Sender<Stale>,
    take: Mutex<mpsc::Receiver<Stale>>,
}

impl Default for Profiles {
    fn default() -> Self {
        let (put, take) = mpsc::channel(WAITING);
        Self { put, take: Mutex::new(take) }
    }
}

impl Service {
    /// Remembers those accounts whose profiles are old, as far as there is room.
    pub(super) fn notice(&self, organization: OrganizationId, accounts: &[Account]) {
        let now = self.now();
        for account in accounts.iter().filter(|account| account.is_stale(now)) {
            if self.profiles.put.try_send((organization, account.clone())).is_err() {
                return;
            }
        }
    }

    /// Asks forges, one after the other, for as long as the server runs.
    pub(super) async fn refresh_profiles(&self) {
        loop {
            let next = self.profiles.take.lock().await.recv().await;
            let Some((organization, account)) = next else { return };
            report("asking for a profile", self.refresh_profile(organization, account).await);
        }
    }

    async fn refresh_profile(&self, organization: OrganizationId, account: Account) -> Result<()> {
        if !self.store.claim_profile(account.id, account.profiled_at, self.now()).await? {
            return Ok(());
        }
        let Some(token) = self.token_of(organization, &account).await? else { return Ok(()) };
        match self.ask_profile(&account, &token).await? {
            Ok(profile) if profile == account.profile => Ok(()),
            Ok(profile) if profile.uid == account.profile.uid => {
                let actor = Actor::server(organization, self.now(), self.clock.new_id());
                self.store.update_profile(actor, Account { profile, ..account }).await
            }
            Ok(_) => {
                tracing::warn!(account = %account.id, "the forge says that the token is another person's");
                Ok(())
            }
            // The account stays, too: its next use says what the forge says, and another token mends it.
            Err(error) => {
                tracing::info!(account = %account.id, %error, "a profile stays as it was");
                Ok(())
            }
        }
    }

    async fn ask_profile(&self, account: &Account, token: &Secret) -> Result<scm::Result<Profile>> {
        Ok(match self.forges.provider(account.scm_type, &account.url, Patience::Use)? {
            Ok(provider) => provider.profile(token).await,
            Err(error) => Err(error),
        })
    }
}
