"""The second walk: what a runner offers, and who may use it. Environment classes, schema, groups, policies.

A client is an adapter whose methods stand in `walk` below. It raises `walk.NotFound` where the server says not_found,
and gives answers as plain dictionaries with the members that the walk reads.
"""

import json
import sys
import traceback

from walk import RUNNER, STORED, check, not_found

CLASSES = 5
PAGE_SIZE = 2
SCMS = ["github", "gitlab", "bitbucket", "azuredevops_entra", "azuredevops_server", "gitea", "forgejo"]


def classes(client):
    """Creates, gets, pages, changes and disables environment classes."""
    settings = {"machineType": "m6i.large", "diskSizeGb": "100"}
    ids = [client.create_class(RUNNER, f"Size {number}", "for a walk", settings) for number in range(CLASSES)]
    first = client.get_class(ids[0])
    expected = {"id": ids[0], "runner": RUNNER, "name": "Size 0", "enabled": True, "settings": settings}
    check(first == expected, f"get: {first}, not {expected}")
    pages = list(client.class_pages(RUNNER, PAGE_SIZE))
    check(len(pages) == -(-CLASSES // PAGE_SIZE) and all(pages), f"{len(pages)} pages of {PAGE_SIZE}")
    check([row["id"] for page in pages for row in page] == ids, "the list is not what was created, in order")
    client.update_class(ids[0], "Renamed", False)
    changed = client.get_class(ids[0])
    check((changed["name"], changed["enabled"]) == ("Renamed", False), f"update: {changed}")
    enabled = [row["id"] for row in client.enabled_classes(RUNNER)]
    check(enabled == ids[1:], f"enabled: {enabled}")
    not_found(client.get_class, "0198a7c0-0000-7000-8000-0000000000ff")


def schema(client):
    """Reads the schema in force before the runner has reported one; presence is the signal."""
    offered = client.schema(RUNNER)
    check(list(offered) == SCMS, f"the schema offers {list(offered)}")
    without = [scm for scm, methods in offered.items() if methods != (True, True)]
    check(without == ["azuredevops_server"] and offered["azuredevops_server"] == (False, True), f"{offered}")


def groups(client):
    """Creates, gets, changes and lists a group, and fills and empties it; answers its id."""
    me, organization = client.identity()
    name = f"walk {RUNNER}"
    group = client.create_group(organization, name, "for a walk")
    check(client.get_group(group) == {"id": group, "name": name, "members": 0}, "get group")
    member = client.join(group, me)
    check(client.membership(group, me) == member, "get membership")
    check([row["id"] for row in client.members(group)] == [member], "list members")
    client.update_group(group, f"{name}!", "")
    check(client.get_group(group) == {"id": group, "name": f"{name}!", "members": 1}, "update group")
    check(group in [row["id"] for row in client.groups(name.upper())], "search groups")
    client.leave(member)
    not_found(client.leave, member)
    check(client.membership(group, me) is None, "a membership that ended is absent")
    return group


def policies(client, group):
    """Creates, changes, lists and deletes a group's role on the runner."""
    check(client.create_policy(RUNNER, group, "USER") == (group, "USER"), "create policy")
    check(client.update_policy(RUNNER, group, "ADMIN") == (group, "ADMIN"), "update policy")
    check(client.policies(RUNNER) == [(group, "ADMIN")], "list policies")
    client.delete_policy(RUNNER, group)
    not_found(client.delete_policy, RUNNER, group)
    check(client.policies(RUNNER) == [], "a deleted policy is listed")
    client.delete_group(group)
    not_found(client.get_group, group)


def main(modes):
    """Runs the walk with the adapter that the first argument names. It leaves no secret behind."""
    mode = sys.argv[1] if len(sys.argv) > 1 else next(iter(modes))
    try:
        client = modes[mode]()
        schema(client)
        classes(client)
        policies(client, groups(client))
    except Exception:  # the harness wants the trace and an exit code, whatever a client library raises
        traceback.print_exc()
        sys.exit(1)
    with open(STORED, "w", encoding="utf-8") as file:
        json.dump({}, file)
