//! Groups.
use super::{principal::member_subject, timestamp};
use crate::{
    domain::{
        group::{Group, GroupFilter, GroupName, Membership},
        id::GroupId,
        text::plain_text,
    },
    error::{Error, Result},
    pb::gitpod::v1::{self as pb, get_group_request::Group as Named},
};

/// How a request names a group; the superseded way counts where there is no other.
#[expect(deprecated, reason = "older clients name a group by `group_id`")]
pub(crate) fn group_name(request: pb::GetGroupRequest) -> Result<GroupName> {
    match request.group {
        Some(Named::Id(id)) => GroupId::parse("id", &id).map(GroupName::Id),
        Some(Named::Name(name)) => Ok(GroupName::Name(name)),
        None if request.group_id.is_empty() => {
            Err(Error::invalid("id", "sealink.group", "value must be set, or name must be"))
        }
        None => GroupId::parse("group_id", &request.group_id).map(GroupName::Id),
    }
}

/// What a list of groups is narrowed to.
pub(crate) fn group_filter(filter: Option<pb::list_groups_request::Filter>) -> Result<GroupFilter> {
    let pb::list_groups_request::Filter { search, group_ids, system_managed, direct_share } =
        filter.unwrap_or_default();
    let ids = group_ids.iter().enumerate();
    let ids = ids.map(|(index, id)| GroupId::parse(&format!("filter.group_ids[{index}]"), id));
    let none = system_managed == Some(true) || direct_share == Some(true);
    Ok(GroupFilter {
        search: plain_text("filter.search", search, 256)?,
        ids: ids.collect::<Result<_>>()?,
        none,
    })
}

/// The part of a name that a list of members is narrowed to.
pub(crate) fn membership_search(filter: Option<pb::list_memberships_request::Filter>) -> Result<String> {
    plain_text("filter.search", filter.unwrap_or_default().search, 256)
}

/// A group as every member of the organization sees it.
pub(crate) fn group(group: Group) -> pb::Group {
    pb::Group {
        id: group.id.to_string(),
        organization_id: group.organization.to_string(),
        name: group.name,
        system_managed: false,
        created_at: Some(timestamp(group.created_at)),
        updated_at: Some(timestamp(group.updated_at)),
        description: group.description,
        member_count: i32::try_from(group.members).unwrap_or(i32::MAX),
        direct_share: false,
    }
}

/// A member of a group.
pub(crate) fn membership(membership: Membership) -> pb::GroupMembership {
    pb::GroupMembership {
        id: membership.id.to_string(),
        subject: Some(member_subject(membership.member, membership.kind)),
        group_id: membership.group.to_string(),
        name: membership.name,
        avatar_url: String::new(),
    }
}
