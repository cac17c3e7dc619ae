"""The third walk: what only a live agent can answer. `sealink agent run` is one, and python/forge.py its forge.

A client is an adapter whose methods stand in `walk_live` below. It raises `Unauthenticated` where a call needs a
credential that the caller has not stored, with the SCM that the answer's details name, or None if its library does not
show them.
"""

import os
import sys
import traceback
import urllib.request

from forge import CLIENT_ID, CLIENT_SECRET, TOKEN
from walk import RUNNER, URL, check

ORIGIN = os.environ.get("SEALINK_FORGE", "")
HOST = ORIGIN.removeprefix("http://")


class Unauthenticated(Exception):
    """failed_precondition: missing authentication token."""


def walk_live(client):
    """Configures the forge, is told to authenticate, does, and asks everything a live agent answers."""
    client.integrate(RUNNER, HOST, CLIENT_ID, CLIENT_SECRET)
    before = client.authentication(RUNNER, HOST)
    check((before["authenticated"], before["scm"]) == (False, "github"), f"check before: {before}")
    check(before["pat_url"].startswith(ORIGIN), f"where to make a token: {before}")
    check("/oauth/start/" in before["oauth_url"], f"where to authenticate: {before}")
    url = f"{ORIGIN}/octo/hello/tree/feature/x/src"
    try:
        client.parse(RUNNER, url)
        check(False, "parsed without a credential")
    except Unauthenticated as error:
        check(error.args[0] in ("github", None), f"the details name {error.args[0]}")

    client.store_token(RUNNER, HOST, TOKEN)
    check(client.authentication(RUNNER, HOST)["authenticated"], "the credential is not found good")
    parsed = client.parse(RUNNER, url)
    check(parsed == (f"{ORIGIN}/octo/hello.git", "feature/x", "github"), f"parse: {parsed}")
    check(client.access(RUNNER, f"{ORIGIN}/octo/hello") is True, "no access to one's own repository")
    check(client.access(RUNNER, f"{ORIGIN}/octo/none") is False, "access to what is not there")
    check(client.search(RUNNER, "hello") == ["octo/hello"], f"search: {client.search(RUNNER, 'hello')}")
    organizations = client.organizations(RUNNER, HOST)
    check(organizations == ["octo-org"], f"organizations: {organizations}")
    valid, error = client.validate(RUNNER, HOST, CLIENT_ID, CLIENT_SECRET)
    check(valid and not error, f"validate: {error}")
    valid, error = client.validate(RUNNER, HOST, CLIENT_ID, "another secret")
    check(not valid and error, "a wrong client secret is valid")
    token, log = client.logs_token(RUNNER), client.log_url(RUNNER)
    request = urllib.request.Request(log, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        check(answer.status == 200 and log.startswith(URL), f"log: {answer.status} from {log}")


def main(modes):
    """Runs the walk with the adapter that the first argument names."""
    mode = sys.argv[1] if len(sys.argv) > 1 else next(iter(modes))
    try:
        walk_live(modes[mode]())
    except Exception:  # the harness wants the trace and an exit code, whatever a client library raises
        traceback.print_exc()
        sys.exit(1)
