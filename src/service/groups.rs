//! Groups and who is in them. Members of the organization get here; only administrators get to what changes
//! something.
use super::{Listing, PageAsk, Service, page_tokens::List};
use crate::{
    domain::{
        access::Caller,
        group::{Group, GroupFilter, GroupName, GroupText, Membership},
        id::{GroupId, MembershipId, OrganizationId, UserId},
        user::MemberKind,
    },
    error::{Error, Result},
};

fn missing() -> Error {
    Error::not_found("group")
}

impl Service {
    /// Makes a group in `organization`, which must be the caller's own.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound) for any other organization,
    /// [`Kind::AlreadyExists`](crate::error::Kind::AlreadyExists) for a name that is taken.
    pub async fn create_group(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        text: GroupText,
    ) -> Result<Group> {
        if let Some(id) = caller.repeats()? {
            return self.group(caller, GroupName::Id(GroupId(id))).await;
        }
        if organization != caller.organization {
            return Err(Error::not_found("organization"));
        }
        self.store.create_group(self.actor(caller), GroupId(self.clock.new_id()), text).await
    }

    /// One group.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound).
    pub async fn group(&self, caller: &Caller, name: GroupName) -> Result<Group> {
        self.store.group(caller.organization, name).await?.ok_or_else(missing)
    }

    /// A page of the organization's groups, oldest first.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) for the page.
    pub async fn groups(
        &self,
        caller: &Caller,
        filter: GroupFilter,
        ask: &PageAsk,
    ) -> Result<Listing<Group>> {
        let fingerprint = [format!("{filter:?}")];
        let (list, now) = (List { name: "groups", filter: &fingerprint }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        if filter.none {
            return Ok(Listing { rows: Vec::new(), next_token: String::new() });
        }
        let page = self.store.groups(caller.organization, &filter, request).await?;
        self.ring().pages.write(caller, list, page, now)
    }

    /// Replaces a group's name and description.
    ///
    /// # Errors
    /// As [`Service::group`]; [`Kind::AlreadyExists`](crate::error::Kind::AlreadyExists) for a name that is
    /// taken.
    pub async fn update_group(&self, caller: &Caller, id: GroupId, text: GroupText) -> Result<Group> {
        self.store.update_group(self.actor(caller), id, text).await?.ok_or_else(missing)
    }

    /// Deletes a group with its memberships and roles.
    ///
    /// # Errors
    /// As [`Service::group`].
    pub async fn delete_group(&self, caller: &Caller, id: GroupId) -> Result<()> {
        let deleted = self.store.delete_group(self.actor(caller), id).await?;
        if deleted { Ok(()) } else { Err(missing()) }
    }

    /// Adds a user or a service account to a group.
    ///
    /// # Errors
    /// As [`Service::group`], and [`Kind::NotFound`](crate::error::Kind::NotFound) for the member;
    /// [`Kind::AlreadyExists`](crate::error::Kind::AlreadyExists) if it is in it.
    pub async fn create_membership(
        &self,
        caller: &Caller,
        group: GroupId,
        who: (UserId, MemberKind),
    ) -> Result<Membership> {
        if caller.repeats()?.is_some() {
            let found = self.store.membership(caller.organization, group, who).await?;
            return found.ok_or_else(|| Error::not_found("group membership"));
        }
        let id = MembershipId(self.clock.new_id());
        self.store.create_membership(self.actor(caller), id, group, who).await
    }

    /// One member's place in a group; `None` for who is not in it.
    ///
    /// # Errors
    /// As [`Service::group`].
    pub async fn membership(
        &self,
        caller: &Caller,
        group: GroupId,
        who: (UserId, MemberKind),
    ) -> Result<Option<Membership>> {
        self.group(caller, GroupName::Id(group)).await?;
        self.store.membership(caller.organization, group, who).await
    }

    /// Takes a member out of its group.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::error::Kind::NotFound).
    pub async fn delete_membership(&self, caller: &Caller, id: MembershipId) -> Result<()> {
        let deleted = self.store.delete_membership(self.actor(caller), id).await?;
        if deleted { Ok(()) } else { Err(Error::not_found("group membership")) }
    }

    /// A page of a group's members, in the order they joined; `search` narrows it to names that contain it.
    ///
    /// # Errors
    /// As [`Service::group`]; [`Kind::Invalid`](crate::error::Kind::Invalid) for the page.
    pub async fn memberships(
        &self,
        caller: &Caller,
        group: GroupId,
        search: String,
        ask: &PageAsk,
    ) -> Result<Listing<Membership>> {
        self.group(caller, GroupName::Id(group)).await?;
        let (filter, now) = ([group.to_string(), search], self.now());
        let list = List { name: "memberships", filter: &filter };
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let page = self.store.memberships(group, &filter[1], request).await?;
        self.ring().pages.write(caller, list, page, now)
    }
}
