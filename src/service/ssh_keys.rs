//! A member's own public SSH keys. Nobody changes another's, not even an administrator; who lets people in reads them.
use super::Service;
use crate::{
    domain::{
        access::Caller,
        id::SshKeyId,
        ssh_key::{NewSshKey, SshKey},
    },
    error::{Error, Result},
};

impl Service {
    /// All keys of the caller, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn ssh_keys(&self, caller: &Caller) -> Result<Vec<SshKey>> {
        self.store.ssh_keys(caller.organization, caller.user()?).await
    }

    /// A key of the caller.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound), also for another's.
    pub async fn ssh_key(&self, caller: &Caller, id: SshKeyId) -> Result<SshKey> {
        let key = self.store.ssh_key(caller.organization, caller.user()?, id).await?;
        key.ok_or_else(|| Error::not_found("key"))
    }

    /// Stores a key for the caller.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`](crate::error::Kind::AlreadyExists) on `content` if the caller has it,
    /// [`Kind::Precondition`](crate::error::Kind::Precondition) if the caller has too many.
    pub async fn create_ssh_key(&self, caller: &Caller, new: NewSshKey) -> Result<SshKey> {
        if let Some(id) = caller.repeats()? {
            return self.ssh_key(caller, SshKeyId(id)).await;
        }
        let id = SshKeyId(self.clock.new_id());
        self.store.create_ssh_key(self.actor(caller), caller.user()?, id, new).await
    }

    /// Deletes a key of the caller.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound), also for another's.
    pub async fn delete_ssh_key(&self, caller: &Caller, id: SshKeyId) -> Result<()> {
        let deleted = self.store.delete_ssh_key(self.actor(caller), caller.user()?, id).await?;
        if deleted { Ok(()) } else { Err(Error::not_found("key")) }
    }

    /// The keys that let a member of the caller's organization in, oldest first: none if it is disabled. Who may ask
    /// was decided before: this is the one read of others' keys.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) if nobody has that name.
    pub async fn authorized_keys(&self, caller: &Caller, name: &str) -> Result<Vec<SshKey>> {
        let found = self.store.member_named(caller.organization, name).await?;
        let (member, disabled) = found.ok_or_else(|| Error::not_found("user"))?;
        if disabled { Ok(Vec::new()) } else { self.store.ssh_keys(caller.organization, member).await }
    }
}
