//! A member's own accounts at forges. Nobody reaches another's, not even an administrator.
use std::sync::Arc;

use super::{
    Service,
    forge_refusals::{another_person, refused, refused_link},
};
use crate::{
    at_rest::{Keyring, Location},
    domain::{
        access::Caller,
        account::{Account, Accounts, NewAccount, RESOURCE, ScmType},
        forge::{FoundPull, FoundRepository, Listed, Organization},
        id::{AccountId, OrganizationId, SshKeyId},
        scm_query::{PullQuery, RepositoryName, RepositoryQuery},
        secret::Secret,
        ssh_key::{NewSshKey, SshKey, SshPublicKey},
    },
    error::{Error, Kind, Result},
    scm::provider::{Patience, Provider},
};

/// An account and the way to its forge.
struct Opened {
    account: Account,
    provider: Box<dyn Provider>,
    token: Secret,
}

impl Service {
    /// All accounts of the caller, with the caller itself.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn accounts(&self, caller: &Caller) -> Result<Arc<Accounts>> {
        let accounts = self.store.accounts(caller.organization, caller.user()?).await?;
        self.notice(caller.organization, &accounts.all);
        Ok(accounts)
    }

    /// An account of the caller: by its id, or the newest of a type, by that type's name.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for another's.
    pub async fn account(&self, caller: &Caller, id_or_type: &str) -> Result<Account> {
        let account = self.find_account(caller, id_or_type).await?;
        self.notice(caller.organization, std::slice::from_ref(&account));
        Ok(account)
    }

    /// The same, where it is neither shown nor used.
    async fn find_account(&self, caller: &Caller, id_or_type: &str) -> Result<Account> {
        let (organization, member) = (caller.organization, caller.user()?);
        let found = match ScmType::from_id(id_or_type) {
            Some(scm_type) => self.store.newest_account(organization, member, scm_type).await?,
            None => match AccountId::parse("id", id_or_type) {
                Ok(id) => self.store.account(organization, member, id).await?,
                Err(_) => None,
            },
        };
        found.ok_or_else(missing)
    }

    /// Links an account, once the forge has said whose the token is.
    ///
    /// # Errors
    /// [`Kind::Invalid`] on `access_token` if the forge does not take it, on `url` if no forge answers there or it may
    /// not be connected to; [`Kind::AlreadyExists`] on `url`; [`Kind::Unavailable`] if the forge limits its rate or is
    /// asked too much at once.
    pub async fn create_account(&self, caller: &Caller, new: &NewAccount) -> Result<Account> {
        if let Some(id) = caller.repeats()? {
            return self.find_account(caller, &id.to_string()).await;
        }
        let NewAccount { scm_type, url, token } = new;
        let member = caller.user()?;
        let provider = self.forges.provider(*scm_type, url, Patience::Link)?.map_err(refused_link)?;
        let profile = provider.profile(token).await.map_err(refused_link)?;
        let id = AccountId(self.clock.new_id());
        let (scm_type, url, created_at) = (*scm_type, url.clone(), self.now());
        let profiled_at = created_at;
        let account = Account { id, member, scm_type, url, profile, created_at, version: 1, profiled_at };
        let record = self.seal_token(&account, token)?;
        self.store.create_account(self.actor(caller), account.clone(), record).await?;
        Ok(account)
    }

    /// Replaces the token of an account by another of the same person.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Invalid`] on `access_token` if it is somebody else's; else as
    /// [`create_account`](Self::create_account).
    pub async fn replace_account_token(
        &self,
        caller: &Caller,
        id_or_type: &str,
        token: Secret,
    ) -> Result<Account> {
        let mut account = self.find_account(caller, id_or_type).await?;
        let provider = self.forges.provider(account.scm_type, &account.url, Patience::Link)?;
        let provider = provider.map_err(refused_link)?;
        let profile = provider.profile(&token).await.map_err(refused_link)?;
        if profile.uid != account.profile.uid {
            let message = "belongs to another account of the forge";
            return Err(Error::invalid("access_token", "sealink.same_person", message));
        }
        account.profile = profile;
        let record = self.seal_token(&account, &token)?;
        self.store.replace_account_token(self.actor(caller), account.clone(), record).await?;
        Ok(Account { version: account.version + 1, ..account })
    }

    /// Unlinks an account and wipes its token.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for another's.
    pub async fn delete_account(&self, caller: &Caller, id_or_type: &str) -> Result<()> {
        let account = self.find_account(caller, id_or_type).await?;
        let deleted = self.store.delete_account(self.actor(caller), account.member, account.id).await?;
        if deleted { Ok(()) } else { Err(missing()) }
    }

    /// Stores the account's public SSH keys that the caller has not yet, all or none; only these, and whether there are
    /// more at the forge than were read. Keys that cannot be read are left out. The forge is asked whose the token is.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Forbidden`] with `scm_token_rejected` if the forge says that the token is another
    /// person's; those of the forge; [`Kind::Precondition`] if the caller would have too many.
    pub async fn import_keys(&self, caller: &Caller, id_or_type: &str) -> Result<Listed<SshKey>> {
        let Opened { account, provider, token } = self.open_account(caller, id_or_type).await?;
        // Asked each time: the login that is stored may be another's by now, and these keys let their owner in.
        let person = provider.profile(&token).await.map_err(|error| refused(error, "user"))?;
        if person.uid != account.profile.uid {
            return Err(another_person());
        }
        let found = provider.ssh_keys(&token, &person.username).await;
        let found = found.map_err(|error| refused(error, "user"))?;
        let new = found.items.into_iter().filter_map(|key| {
            let public = SshPublicKey::parse(&key.content).ok()?;
            let new = NewSshKey::imported(account.scm_type, &key.title, public);
            Some((SshKeyId(self.clock.new_id()), self.clock.new_id(), new))
        });
        let new = new.collect();
        let items = self.store.import_ssh_keys(self.actor(caller), account.member, new).await?;
        Ok(Listed { items, truncated: found.truncated })
    }

    /// Repositories that the account sees.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; those of the forge.
    pub async fn search_repositories(
        &self,
        caller: &Caller,
        id_or_type: &str,
        query: &RepositoryQuery,
    ) -> Result<Listed<FoundRepository>> {
        let opened = self.open_account(caller, id_or_type).await?;
        let found = opened.provider.search_repositories(&opened.token, query).await;
        found.map_err(|error| refused(error, "repository"))
    }

    /// Organizations of the account.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; those of the forge.
    pub async fn organizations(&self, caller: &Caller, id_or_type: &str) -> Result<Listed<Organization>> {
        let opened = self.open_account(caller, id_or_type).await?;
        let found = opened.provider.organizations(&opened.token).await;
        found.map_err(|error| refused(error, "organization"))
    }

    /// Pull requests of a repository that the account sees.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for the repository; those of the forge.
    pub async fn search_pulls(
        &self,
        caller: &Caller,
        id_or_type: &str,
        query: &PullQuery,
    ) -> Result<Listed<FoundPull>> {
        let opened = self.open_account(caller, id_or_type).await?;
        let found = opened.provider.search_pulls(&opened.token, query).await;
        found.map_err(|error| refused(error, "repository"))
    }

    /// Branches of a repository that the account sees.
    ///
    /// # Errors
    /// [`Kind::NotFound`], also for the repository; those of the forge.
    pub async fn branches(
        &self,
        caller: &Caller,
        id_or_type: &str,
        repository: &RepositoryName,
    ) -> Result<Listed<String>> {
        let opened = self.open_account(caller, id_or_type).await?;
        let found = opened.provider.branches(&opened.token, repository).await;
        found.map_err(|error| refused(error, "repository"))
    }

    async fn open_account(&self, caller: &Caller, id_or_type: &str) -> Result<Opened> {
        let account = self.account(caller, id_or_type).await?;
        let token = self.token_of(caller.organization, &account).await?.ok_or_else(missing)?;
        let provider = self.forges.provider(account.scm_type, &account.url, Patience::Use)?;
        let provider = provider.map_err(|error| refused(error, "repository"))?;
        Ok(Opened { account, provider, token })
    }

    /// The token of an account that was just read; `None` if it is gone since.
    pub(super) async fn token_of(
        &self,
        organization: OrganizationId,
        account: &Account,
    ) -> Result<Option<Secret>> {
        let record = self.store.account_token(organization, account.member, account.id).await?;
        let Some(record) = record else { return Ok(None) };
        let ring = self.ring_for(Keyring::key_id_of(&record)).await?;
        open_token(&ring.keyring, account, &record).map(Some)
    }

    fn seal_token(&self, account: &Account, token: &Secret) -> Result<Vec<u8>> {
        at(account, |location| self.ring().keyring.seal(location, token.expose().as_bytes()))
    }
}

/// Opens the token of an account, where it stands.
///
/// # Errors
/// [`Kind::DataLoss`] if the record or the row was changed.
fn open_token(keyring: &Keyring, account: &Account, record: &[u8]) -> Result<Secret> {
    let plain = at(account, |location| keyring.open(location, record))?;
    let text = std::str::from_utf8(&plain).map_err(|_| Error::new(Kind::DataLoss, "a token is damaged"))?;
    Secret::parse("access_token", text.to_owned())
}

fn at<T>(account: &Account, run: impl FnOnce(&Location<'_>) -> Result<T>) -> Result<T> {
    let (owner, row) = (account.member.to_string(), account.id.to_string());
    run(&access_token_location(&owner, &row, account.url.origin()))
}

/// Where the access token of an account stands.
pub(super) fn access_token_location<'a>(member: &'a str, id: &'a str, url_origin: &'a str) -> Location<'a> {
    Location { table_and_column: "scm_account.access_token", owner_id: member, row_id: id, url_origin }
}

fn missing() -> Error {
    Error::not_found(RESOURCE)
}
