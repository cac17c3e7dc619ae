//! The people of an organization. Only its administrators get here.
use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        id::UserId,
        user::{Member, NewUser, User},
    },
    error::{Error, Kind, Result},
};

impl Service {
    /// Adds a person.
    ///
    /// # Errors
    /// [`Kind::AlreadyExists`] for a name that is taken.
    pub async fn create_user(&self, caller: &Caller, user: NewUser) -> Result<User> {
        if let Some(id) = caller.repeats()? {
            let user = self.store.user(caller.organization, UserId(id)).await?;
            return user.ok_or_else(|| Error::not_found("user"));
        }
        self.store.create_user(self.actor(caller), UserId(self.clock.new_id()), user).await
    }

    /// A page of the organization's people, oldest first.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the page.
    pub async fn users(&self, caller: &Caller, ask: &PageAsk) -> Result<Listing<User>> {
        let (list, now) = (List { name: "users", filter: &[] }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.users(caller.organization, request).await?;
        self.ring().pages.write(caller, list, page, now)
    }

    /// The caller itself, a person or a machine.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for a runner.
    pub async fn myself(&self, caller: &Caller) -> Result<Member> {
        let member = self.store.member(caller.organization, caller.user()?).await?;
        member.ok_or_else(|| Error::not_found("user"))
    }

    /// Disables a person: every token of it stops working with the next request.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Precondition`] for the caller itself, so that nobody locks everybody out.
    pub async fn disable_user(&self, caller: &Caller, id: UserId) -> Result<User> {
        if caller.user()? == id {
            return Err(Error::new(
                Kind::Precondition,
                "nobody can disable itself: ask another administrator",
            ));
        }
        let user = self.store.disable_user(self.actor(caller), id).await?;
        user.ok_or_else(|| Error::not_found("user"))
    }
}
