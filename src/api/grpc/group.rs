//! `gitpod.v1.GroupService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, page_answer, page_ask, parts},
    },
    domain::{
        access::Audience,
        group::GroupText,
        id::{GroupId, MembershipId, OrganizationId, UserId},
        user::MemberKind,
    },
    error::{Error, Result},
    pb::gitpod::v1::{
        CreateGroupRequest, CreateGroupResponse, CreateMembershipRequest, CreateMembershipResponse,
        DeleteGroupRequest, DeleteGroupResponse, DeleteMembershipRequest, DeleteMembershipResponse,
        GetGroupRequest, GetGroupResponse, GetMembershipRequest, GetMembershipResponse, ListGroupsRequest,
        ListGroupsResponse, ListMembershipsRequest, ListMembershipsResponse, Subject, UpdateGroupRequest,
        UpdateGroupResponse, group_service_server::GroupService,
    },
};

#[tonic::async_trait]
impl GroupService for Api {
    async fn create_group(&self, request: Request<CreateGroupRequest>) -> Reply<CreateGroupResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let organization = OrganizationId::parse("organization_id", &request.organization_id)?;
        let text = GroupText::parse(request.name, request.description)?;
        let group = self.service.create_group(&caller, organization, text).await?;
        Ok(Response::new(CreateGroupResponse { group: Some(convert::group(group)) }))
    }

    async fn get_group(&self, request: Request<GetGroupRequest>) -> Reply<GetGroupResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let group = self.service.group(&caller, convert::group_name(request)?).await?;
        Ok(Response::new(GetGroupResponse { group: Some(convert::group(group)) }))
    }

    async fn list_groups(&self, request: Request<ListGroupsRequest>) -> Reply<ListGroupsResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let (filter, ask) = (convert::group_filter(request.filter)?, page_ask(request.pagination));
        let listing = self.service.groups(&caller, filter, &ask).await?;
        Ok(Response::new(ListGroupsResponse {
            pagination: Some(page_answer(listing.next_token)),
            groups: listing.rows.into_iter().map(convert::group).collect(),
        }))
    }

    async fn update_group(&self, request: Request<UpdateGroupRequest>) -> Reply<UpdateGroupResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let id = GroupId::parse("group_id", &request.group_id)?;
        let text = GroupText::parse(request.name, request.description)?;
        let group = self.service.update_group(&caller, id, text).await?;
        Ok(Response::new(UpdateGroupResponse { group: Some(convert::group(group)) }))
    }

    async fn delete_group(&self, request: Request<DeleteGroupRequest>) -> Reply<DeleteGroupResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        self.service.delete_group(&caller, GroupId::parse("group_id", &request.group_id)?).await?;
        Ok(Response::new(DeleteGroupResponse {}))
    }

    async fn create_membership(
        &self,
        request: Request<CreateMembershipRequest>,
    ) -> Reply<CreateMembershipResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let id = GroupId::parse("group_id", &request.group_id)?;
        let member = self.service.create_membership(&caller, id, who(request.subject)?).await?;
        Ok(Response::new(CreateMembershipResponse { member: Some(convert::membership(member)) }))
    }

    async fn delete_membership(
        &self,
        request: Request<DeleteMembershipRequest>,
    ) -> Reply<DeleteMembershipResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let id = MembershipId::parse("membership_id", &request.membership_id)?;
        self.service.delete_membership(&caller, id).await?;
        Ok(Response::new(DeleteMembershipResponse {}))
    }

    async fn get_membership(&self, request: Request<GetMembershipRequest>) -> Reply<GetMembershipResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = GroupId::parse("group_id", &request.group_id)?;
        let member = self.service.membership(&caller, id, who(request.subject)?).await?;
        Ok(Response::new(GetMembershipResponse { member: member.map(convert::membership) }))
    }

    async fn list_memberships(
        &self,
        request: Request<ListMembershipsRequest>,
    ) -> Reply<ListMembershipsResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let (id, ask) = (GroupId::parse("group_id", &request.group_id)?, page_ask(request.pagination));
        let search = convert::membership_search(request.filter)?;
        let listing = self.service.memberships(&caller, id, search, &ask).await?;
        Ok(Response::new(ListMembershipsResponse {
            pagination: Some(page_answer(listing.next_token)),
            members: listing.rows.into_iter().map(convert::membership).collect(),
        }))
    }
}

fn who(subject: Option<Subject>) -> Result<(UserId, MemberKind)> {
    let subject = subject.ok_or_else(|| Error::invalid("subject", "required", "value is required"))?;
    convert::member("subject", &subject)
}
