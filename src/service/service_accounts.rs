//! Service accounts. Only administrators get here.
use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        id::UserId,
        service_account::{NewServiceAccount, ServiceAccount},
    },
    error::{Error, Kind, Result},
};

impl Service {
    /// Adds a service account.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] for a name that is taken.
    pub async fn create_service_account(
        &self,
        caller: &Caller,
        new: NewServiceAccount,
    ) -> Result<ServiceAccount> {
        if let Some(id) = caller.repeats()? {
            let account = self.store.service_account(caller.organization, UserId(id)).await?;
            return account.ok_or_else(|| Error::not_found("service account"));
        }
        self.store.create_service_account(self.actor(caller), UserId(self.clock.new_id()), new).await
    }

    /// A page of the organization's service accounts, oldest first.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the page.
    pub async fn service_accounts(&self, caller: &Caller, ask: &PageAsk) -> Result<Listing<ServiceAccount>> {
        let (list, now) = (List { name: "service_accounts", filter: &[] }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.service_accounts(caller.organization, request).await?;
        self.ring().pages.write(caller, list, page, now)
    }

    /// Disables a service account: every token of it stops working with the next request.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Precondition`] for the caller itself.
    pub async fn disable_service_account(&self, caller: &Caller, id: UserId) -> Result<ServiceAccount> {
        if caller.user()? == id {
            let message = "no service account can disable itself: ask another administrator";
            return Err(Error::new(Kind::Precondition, message));
        }
        let account = self.store.disable_service_account(self.actor(caller), id).await?;
        account.ok_or_else(|| Error::not_found("service account"))
    }
}
