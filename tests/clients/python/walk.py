"""The walk every client takes, so that all of them prove the same thing.

A client is an adapter with create, get, pages, update and delete. It raises `NotFound` where the server says
not_found, and gives an integration as a `Row`.
"""

import json
import os
import sys
import traceback
from dataclasses import dataclass

URL = os.environ["SEALINK_URL"]
TOKEN = os.environ["SEALINK_TOKEN"]
RUNNER = os.environ["SEALINK_RUNNER"]
STORED = os.environ["SEALINK_STORED"]

COUNT = 7
PAGE_SIZE = 2


class NotFound(Exception):
    """The server answered not_found."""


@dataclass
class Row:
    """An integration as a client reads it."""

    id: str
    runner_id: str
    host: str
    client_id: str
    ciphertext: bytes | str
    pat: bool


def check(condition, message):
    """Unlike `assert`, it also holds under `python -O`."""
    if not condition:
        raise SystemExit(f"walk: {message}")


def not_found(call, *arguments):
    """Makes the call and demands the answer not_found."""
    try:
        call(*arguments)
    except NotFound:
        return
    check(False, f"{call.__name__} of a deleted integration succeeded")


def walk(client):
    """Creates, gets, lists, pages, updates and deletes; leaves behind what the agent must be able to open."""
    secrets = {}
    for number in range(COUNT):
        secret = f"secret {number} of {RUNNER} – é"
        secrets[client.create(RUNNER, f"git-{number}.example.com", f"client-{number}", secret)] = secret
    ids = list(secrets)
    check(len(ids) == COUNT, "two creates gave one id")

    first = client.get(ids[0])
    check((first.id, first.runner_id, first.host) == (ids[0], RUNNER, "git-0.example.com"), f"get: {first}")
    check(first.client_id == "client-0" and first.ciphertext and not first.pat, f"get: {first}")

    pages = list(client.pages(RUNNER, PAGE_SIZE))
    check(len(pages) == -(-COUNT // PAGE_SIZE), f"{len(pages)} pages of {PAGE_SIZE}")
    check(all(pages), "an empty page")
    listed = [row.id for page in pages for row in page]
    check(sorted(listed) == sorted(ids), f"listed {listed}, created {ids}")
    check(all(row.runner_id == RUNNER for page in pages for row in page), "the filter let another runner in")

    secrets[ids[0]] = f"rotated, of {RUNNER}"
    client.update(ids[0], secrets[ids[0]], True)
    updated = client.get(ids[0])
    check(updated.client_id == "client-0" and updated.pat, f"update: {updated}")
    check(updated.ciphertext != first.ciphertext, "the update did not seal the new secret")

    gone = ids.pop()
    secrets.pop(gone)
    client.delete(gone)
    not_found(client.get, gone)
    not_found(client.delete, gone)

    with open(STORED, "w", encoding="utf-8") as file:
        json.dump(secrets, file)


def main(modes):
    """Runs the walk with the adapter that the first argument names."""
    mode = sys.argv[1] if len(sys.argv) > 1 else next(iter(modes))
    try:
        walk(modes[mode]())
    except Exception:  # the harness wants the trace and an exit code, whatever a client library raises
        traceback.print_exc()
        sys.exit(1)
