"""What no schema says: which text is a public key and which is stored already, where the forge is, and what it takes."""

import base64
import hashlib
import itertools
import os
import re

import schemathesis
from hypothesis import strategies as st

import forge

numbers = itertools.count(1)
keys = set()


def line(kind, *fields):
    """A public key as it stands in authorized_keys."""
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()} schemathesis"


def fresh():
    """A key that nobody has, of one of the kinds that people use."""
    number = next(numbers)
    noise = hashlib.shake_256(number.to_bytes(8, "big")).digest(256)
    kinds = [
        line("ssh-ed25519", noise[:32]),
        line("ecdsa-sha2-nistp256", b"nistp256", b"\4" + noise[:64]),
        line("ssh-rsa", b"\1\0\1", b"\0" + bytes([noise[0] | 128]) + noise[1:-1] + bytes([noise[-1] | 1])),
    ]
    keys.add(kinds[number % 3])
    return kinds[number % 3]


schemathesis.openapi.format("ssh-public-key", st.builds(fresh))
# The forge takes one token, and nobody can guess it.
schemathesis.openapi.format("password", st.just(forge.TOKEN))
schemathesis.openapi.format("uri", st.just(os.environ["SEALINK_FORGE"]))


def is_described(case, name, value):
    """Whether the description allows this header of the operation."""
    parameters = case.operation.definition.raw.get("parameters", [])
    patterns = [one["schema"]["pattern"] for one in parameters if (one["in"], one["name"]) == ("header", name)]
    return any(re.search(pattern, value) for pattern in patterns)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sends a key once, and names each request otherwise: what the server knows from before is no matter of form."""
    if case.method != "POST":
        return
    name = (case.headers or {}).get("Idempotency-Key")
    if name and is_described(case, "Idempotency-Key", name):
        case.headers["Idempotency-Key"] = f"request {next(numbers)}"
    key = case.body.get("key", case.body) if isinstance(case.body, dict) else None
    if isinstance(key, dict) and isinstance(key.get("content"), str) and key["content"] in keys:
        key["content"] = fresh()
