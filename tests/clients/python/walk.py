"""The walk every client takes, so that all of them prove the same thing.

A client is an adapter with create, get, pages, update and delete; where its library has them, `tokens` and `llm` give
adapters for credentials and language models. It raises `NotFound` where the server says
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


def walk_tokens(tokens):
    """Stores, gets, lists, changes and deletes a credential; `tokens` gives (id, runner, host, scopes)."""
    host = "tokens.example.com"
    id = tokens.create(RUNNER, host, f"token of {RUNNER}", ["repo"])
    expected = (id, RUNNER, host, ["repo"])
    check(tokens.get(id) == expected, f"get: {tokens.get(id)}")
    check(tokens.list(RUNNER) == [expected], f"list: {tokens.list(RUNNER)}")
    tokens.update(id, f"another token of {RUNNER}", ["api", "read_user"])
    check(tokens.get(id) == (id, RUNNER, host, ["api", "read_user"]), f"update: {tokens.get(id)}")
    tokens.delete(id)
    not_found(tokens.get, id)
    not_found(tokens.delete, id)


def walk_llm(llm):
    """Creates, gets, lists, switches off and deletes an LLM integration; `llm` gives (id, runner, on, ciphertext)."""
    id = llm.create(RUNNER, f"key of {RUNNER}")
    found = llm.get(id)
    check(found[:3] == (id, RUNNER, True) and found[3], f"get: {found}")
    check(f"key of {RUNNER}".encode() not in found[3], "the API key came back")
    check(llm.list(RUNNER) == [found], f"list: {llm.list(RUNNER)}")
    llm.switch_off(id)
    check(llm.get(id)[:3] == (id, RUNNER, False), f"update: {llm.get(id)}")
    llm.delete(id)
    not_found(llm.get, id)


def main(modes):
    """Runs the walk with the adapter that the first argument names."""
    mode = sys.argv[1] if len(sys.argv) > 1 else next(iter(modes))
    try:
        client = modes[mode]()
        walk(client)
        if hasattr(client, "tokens"):
            walk_tokens(client.tokens())
        if hasattr(client, "llm"):
            walk_llm(client.llm())
    except Exception:  # the harness wants the trace and an exit code, whatever a client library raises
        traceback.print_exc()
        sys.exit(1)
