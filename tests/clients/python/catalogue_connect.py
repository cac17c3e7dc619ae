"""gitpod-sdk 1.2 takes the second walk, as it comes and reading by GET."""

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from gitpod.v1 import group_pb2 as group_pb
from gitpod.v1 import identity_pb2 as identity_pb
from gitpod.v1 import pagination_pb2 as pagination
from gitpod.v1 import runner_configuration_pb2 as rc
from gitpod.v1 import runner_pb2 as runner_pb
from ona_sdk import create_client

import catalogue
import walk


class CatalogueConnect:
    """`read` are the keyword arguments of methods without side effects."""

    def __init__(self, read=None):
        services = create_client(api_key=walk.TOKEN, base_url=f"{walk.URL}/api").services
        self.configuration, self.runner = services.runner_configuration, services.runner
        self.group, self.who = services.group, services.identity
        self.read = read or {}

    def create_class(self, runner, name, description, settings):
        request = rc.CreateEnvironmentClassRequest(runner_id=runner, display_name=name, description=description)
        for key, value in settings.items():
            request.configuration.add(key=key, value=value)
        return self.configuration.create_environment_class(request).id

    def get_class(self, id):
        request = rc.GetEnvironmentClassRequest(environment_class_id=id)
        return row(found(self.configuration.get_environment_class, request, **self.read).environment_class)

    def class_pages(self, runner, size):
        request = rc.ListEnvironmentClassesRequest(
            pagination=pagination.PaginationRequest(page_size=size),
            filter=rc.ListEnvironmentClassesRequest.Filter(runner_ids=[runner]),
        )
        while True:
            answer = self.configuration.list_environment_classes(request, **self.read)
            yield [row(item) for item in answer.environment_classes]
            request.pagination.token = answer.pagination.next_token
            if not request.pagination.token:
                return

    def enabled_classes(self, runner):
        filter = rc.ListEnvironmentClassesRequest.Filter(runner_ids=[runner], enabled=True)
        request = rc.ListEnvironmentClassesRequest(filter=filter)
        answer = self.configuration.list_environment_classes(request, **self.read)
        return [row(item) for item in answer.environment_classes]

    def update_class(self, id, name, enabled):
        request = rc.UpdateEnvironmentClassRequest(environment_class_id=id, display_name=name, enabled=enabled)
        self.configuration.update_environment_class(request)

    def schema(self, runner):
        request = rc.GetRunnerConfigurationSchemaRequest(runner_id=runner)
        schema = self.configuration.get_runner_configuration_schema(request, **self.read).schema
        return {scm.scm_id: (scm.HasField("oauth"), scm.HasField("pat")) for scm in schema.scm}

    def identity(self):
        request = identity_pb.GetAuthenticatedIdentityRequest()
        identity = self.who.get_authenticated_identity(request, **self.read)
        return identity.subject.id, identity.organization_id

    def create_group(self, organization, name, description):
        request = group_pb.CreateGroupRequest(organization_id=organization, name=name, description=description)
        return self.group.create_group(request).group.id

    def get_group(self, id):
        group = found(self.group.get_group, group_pb.GetGroupRequest(id=id), **self.read).group
        return {"id": group.id, "name": group.name, "members": group.member_count}

    def update_group(self, id, name, description):
        self.group.update_group(group_pb.UpdateGroupRequest(group_id=id, name=name, description=description))

    def groups(self, search):
        request = group_pb.ListGroupsRequest(filter=group_pb.ListGroupsRequest.Filter(search=search))
        return [{"id": group.id} for group in self.group.list_groups(request, **self.read).groups]

    def delete_group(self, id):
        self.group.delete_group(group_pb.DeleteGroupRequest(group_id=id))

    def join(self, group, user):
        request = group_pb.CreateMembershipRequest(group_id=group, subject=subject(user))
        return self.group.create_membership(request).member.id

    def membership(self, group, user):
        request = group_pb.GetMembershipRequest(group_id=group, subject=subject(user))
        answer = self.group.get_membership(request, **self.read)
        return answer.member.id if answer.HasField("member") else None

    def members(self, group):
        request = group_pb.ListMembershipsRequest(group_id=group)
        return [{"id": member.id} for member in self.group.list_memberships(request, **self.read).members]

    def leave(self, membership):
        request = group_pb.DeleteMembershipRequest(membership_id=membership)
        found(self.group.delete_membership, request)

    def create_policy(self, runner, group, role):
        request = runner_pb.CreateRunnerPolicyRequest(runner_id=runner, group_id=group, role=number(role))
        return policy(self.runner.create_runner_policy(request).policy)

    def update_policy(self, runner, group, role):
        request = runner_pb.UpdateRunnerPolicyRequest(runner_id=runner, group_id=group, role=number(role))
        return policy(self.runner.update_runner_policy(request).policy)

    def policies(self, runner):
        request = runner_pb.ListRunnerPoliciesRequest(runner_id=runner)
        return [policy(item) for item in self.runner.list_runner_policies(request, **self.read).policies]

    def delete_policy(self, runner, group):
        request = runner_pb.DeleteRunnerPolicyRequest(runner_id=runner, group_id=group)
        found(self.runner.delete_runner_policy, request)


def found(method, request, **keywords):
    try:
        return method(request, **keywords)
    except ConnectError as error:
        if error.code is Code.NOT_FOUND:
            raise walk.NotFound(error) from error
        raise


def row(item):
    return {
        "id": item.id,
        "runner": item.runner_id,
        "name": item.display_name,
        "enabled": item.enabled,
        "settings": {setting.key: setting.value for setting in item.configuration},
    }


def subject(user):
    return identity_pb.Subject(id=user, principal=identity_pb.PRINCIPAL_USER)


def number(role):
    return runner_pb.RunnerRole.Value(f"RUNNER_ROLE_{role}")


def policy(item):
    return item.group_id, runner_pb.RunnerRole.Name(item.role).removeprefix("RUNNER_ROLE_")


if __name__ == "__main__":
    catalogue.main({"default": CatalogueConnect, "get": lambda: CatalogueConnect({"use_get": True})})
