//! Profiles of members' accounts: who asks the forge for one, and what it said.
use super::{
    Store,
    changes::log_audit,
    tx::{execute, version},
};
use crate::{
    clock::Instant,
    domain::{
        account::Account,
        audit::{Actor, Entry},
        id::AccountId,
    },
    error::Result,
};

impl Store {
    /// Takes it upon the caller to ask for a profile that was last asked for at `profiled_at`. `false`: somebody else
    /// was faster, or the account is gone.
    pub async fn claim_profile(&self, id: AccountId, profiled_at: Instant, now: Instant) -> Result<bool> {
        const SQL: &str = "UPDATE scm_account SET profiled_at = $3 WHERE id = $1 AND profiled_at = $2";
        self.write((id, profiled_at, now), |tx, (id, profiled_at, now)| {
            Box::pin(async move { Ok(execute!(tx, SQL, *id, *profiled_at, *now)? > 0) })
        })
        .await
    }

    /// Stores an account's profile, unless its token was replaced since: that brought a newer one.
    pub async fn update_profile(&self, actor: Actor, account: Account) -> Result<()> {
        const SQL: &str = "UPDATE scm_account SET username = $3, email = $4, avatar_url = $5, profile_url = $6, \
            updated_at = $7 WHERE id = $1 AND version = $2 AND organization_id = $8";
        self.write((actor, account), |tx, (actor, account)| {
            Box::pin(async move {
                let profile = &account.profile;
                let stored = execute!(
                    tx,
                    SQL,
                    account.id,
                    version(account.version),
                    &profile.username,
                    &profile.email,
                    &profile.avatar_url,
                    &profile.profile_url,
                    actor.at,
                    actor.organization,
                )?;
                if stored == 0 {
                    return Ok(());
                }
                log_audit(tx, actor, &Entry::new("scm_account.refresh", &account.id)).await
            })
        })
        .await
    }
}
