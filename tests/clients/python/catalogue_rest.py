"""gitpod-sdk 0.11 takes the second walk, strict about the answers' shape."""

from gitpod import Gitpod, NotFoundError

import catalogue
import walk


class CatalogueRest:
    def __init__(self):
        self.api = Gitpod(
            base_url=f"{walk.URL}/api", bearer_token=walk.TOKEN, _strict_response_validation=True, max_retries=0
        )
        self.classes = self.api.runners.configurations.environment_classes

    def create_class(self, runner, name, description, settings):
        configuration = [{"key": key, "value": value} for key, value in settings.items()]
        return self.classes.create(
            runner_id=runner, display_name=name, description=description, configuration=configuration
        ).id

    def get_class(self, id):
        return row(found(self.classes.retrieve, environment_class_id=id).environment_class)

    def class_pages(self, runner, size):
        for page in self.classes.list(page_size=size, filter={"runner_ids": [runner]}).iter_pages():
            yield [row(item) for item in page.environment_classes]

    def enabled_classes(self, runner):
        return [row(item) for item in self.classes.list(filter={"runner_ids": [runner], "enabled": True})]

    def update_class(self, id, name, enabled):
        # None must mean "unchanged".
        self.classes.update(environment_class_id=id, display_name=name, description=None, enabled=enabled)

    def schema(self, runner):
        schema = self.api.runners.configurations.schema.retrieve(runner_id=runner).schema_
        return {scm.scm_id: (scm.oauth is not None, scm.pat is not None) for scm in schema.scm}

    def identity(self):
        identity = self.api.identity.get_authenticated_identity()
        return identity.subject.id, identity.organization_id

    def create_group(self, organization, name, description):
        return self.api.groups.create(organization_id=organization, name=name, description=description).group.id

    def get_group(self, id):
        group = found(self.api.groups.retrieve, id=id).group
        return {"id": group.id, "name": group.name, "members": group.member_count or 0}

    def update_group(self, id, name, description):
        self.api.groups.update(group_id=id, name=name, description=description)

    def groups(self, search):
        return [{"id": group.id} for group in self.api.groups.list(filter={"search": search})]

    def delete_group(self, id):
        self.api.groups.delete(group_id=id)

    def join(self, group, user):
        return self.api.groups.memberships.create(group_id=group, subject=subject(user)).member.id

    def membership(self, group, user):
        member = self.api.groups.memberships.retrieve(group_id=group, subject=subject(user)).member
        return member and member.id

    def members(self, group):
        return [{"id": member.id} for member in self.api.groups.memberships.list(group_id=group)]

    def leave(self, membership):
        found(self.api.groups.memberships.delete, membership_id=membership)

    def create_policy(self, runner, group, role):
        return policy(self.api.runners.policies.create(runner_id=runner, group_id=group, role=long(role)).policy)

    def update_policy(self, runner, group, role):
        return policy(self.api.runners.policies.update(runner_id=runner, group_id=group, role=long(role)).policy)

    def policies(self, runner):
        return [policy(item) for item in self.api.runners.policies.list(runner_id=runner)]

    def delete_policy(self, runner, group):
        found(self.api.runners.policies.delete, runner_id=runner, group_id=group)


def found(method, **parameters):
    try:
        return method(**parameters)
    except NotFoundError as error:
        raise walk.NotFound(error) from error


def row(item):
    return {
        "id": item.id,
        "runner": item.runner_id,
        "name": item.display_name,
        "enabled": bool(item.enabled),
        "settings": {setting.key: setting.value for setting in item.configuration},
    }


def subject(user):
    return {"id": user, "principal": "PRINCIPAL_USER"}


def long(role):
    return f"RUNNER_ROLE_{role}"


def policy(item):
    return item.group_id, item.role.removeprefix("RUNNER_ROLE_")


if __name__ == "__main__":
    catalogue.main({"default": CatalogueRest})
