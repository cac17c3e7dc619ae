"""Opens Sealink's vectors with jwcrypto and PyNaCl (libsodium); with --seal, makes the foreign vectors."""

import base64
import hashlib
import json
import pathlib
import struct
import sys

from jwcrypto import jwe, jwk
from nacl.public import PrivateKey, SealedBox

HERE = pathlib.Path(__file__).parent
ALGORITHMS = ["RSA-OAEP-256", "A256GCM"]
RUNNER = "0198a7c0-0000-7000-8000-000000000001"
INTEGRATION = "0198a7c0-0000-7000-8000-000000000002"


def pem(file):
    return (HERE / "keys" / f"{file}.pem").read_bytes()


def rsa_key(file):
    return jwk.JWK.from_pem(pem(file))


def box_key(file):
    body = b"".join(line for line in pem(file).splitlines() if not line.startswith(b"-"))
    return PrivateKey(base64.b64decode(body)[-32:])


def opener(vectors):
    """A function from a vector's `sealed` to the plaintext; raises where the library refuses."""
    file = vectors["key"]["file"]
    if file.startswith("rsa"):
        key = rsa_key(file)
        assert key.thumbprint() == vectors["key"]["kid"], "kid"

        def open_token(sealed):
            token = jwe.JWE(algs=ALGORITHMS)
            token.deserialize(sealed["token"], key)
            return token.payload

        return "jwcrypto", open_token
    key = SealedBox(box_key(file))
    return "PyNaCl", lambda sealed: key.decrypt(bytes.fromhex(sealed["hex"]))


def check(path):
    vectors = json.loads(path.read_text())
    library, opened = opener(vectors)
    for vector in vectors["good"]:
        plaintext = opened(vector["sealed"])
        assert plaintext == vector["secret"].encode(), f"{path.name}: {vector['name']}: another plaintext"
    refused = [vector for vector in vectors["bad"] if vector["any_opener"]]
    for vector in refused:
        try:
            opened(vector["sealed"])
        except Exception:  # each library has its own classes; that it refuses is what counts
            continue
        raise AssertionError(f"{path.name}: {vector['name']}: {library} opened it")
    assert len(vectors["good"]) >= 5, path.name
    print(f"{library}: {path.name}: {len(vectors['good'])} opened, {len(refused)} refused")


def prefixed(element):
    element = element.encode()
    return struct.pack(">I", len(element)) + element


def place(sub=INTEGRATION, field="oauth.client_secret", a="github.com", b="", c="Iv1.0123456789abcdef"):
    return {"runner": RUNNER, "sub": sub, "field": field, "a": a, "b": b, "c": c}


def header(kid, spot):
    """Written from the specification alone, not from Sealink's code."""
    elements = b"sealink/secret/v1\0"
    elements += b"".join(prefixed(spot[name]) for name in ["runner", "sub", "field", "a", "b", "c"])
    ctx = base64.urlsafe_b64encode(hashlib.sha256(elements).digest()).rstrip(b"=").decode()
    members = {
        "alg": "RSA-OAEP-256",
        "enc": "A256GCM",
        "typ": "sealink-secret+jwe",
        "kid": kid,
        "aud": spot["runner"],
        "sub": spot["sub"],
        "ctx": ctx,
    }
    return json.dumps(members, separators=(",", ":"))


def fingerprint(public):
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()


def seal_foreign():
    cases = [
        ("1 byte", place(), "x"),
        ("190 bytes", place(), "a" * 190),
        ("191 bytes", place(), "b" * 191),
        ("4096 bytes", place(), "c" * 4096),
        ("an emoji", place(), "\U0001f511"),
        ("with an issuer", place(a="dev.azure.com", b="https://login.microsoftonline.com/t/v2.0", c="client"), "s3cr3t"),
        ("without a destination", place(RUNNER, "runner.honeycomb_api_key", "", "", ""), "hcaik_0123456789"),
    ]
    key = rsa_key("rsa-2048")
    public_pem = key.export_to_pem()
    body = b"".join(line for line in public_pem.splitlines() if not line.startswith(b"-"))

    def token(spot, secret):
        sealed = jwe.JWE(secret.encode(), header(key.thumbprint(), spot), algs=ALGORITHMS)
        sealed.add_recipient(key)
        return {"token": sealed.serialize(compact=True)}

    secret_key = box_key("x25519")
    raw = bytes(secret_key.public_key)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    box_kid = jwk.JWK(kty="OKP", crv="X25519", x=x).thumbprint()

    def box(_spot, secret):
        return {"hex": SealedBox(secret_key.public_key).encrypt(secret.encode()).hex()}

    for name, file, kid, public, seal in [
        ("jwcrypto", "rsa-2048", key.thumbprint(), base64.b64decode(body), token),
        ("pynacl", "x25519", box_kid, raw, box),
    ]:
        good = [{"name": n, "place": p, "secret": s, "sealed": seal(p, s)} for n, p, s in cases]
        named = {"file": file, "kid": kid, "fingerprint": fingerprint(public)}
        vectors = {"sealed_by": name, "key": named, "good": good, "bad": []}
        (HERE / "foreign" / f"{name}.json").write_text(json.dumps(vectors, indent=2) + "\n")


if sys.argv[1:] == ["--seal"]:
    seal_foreign()
else:
    for file in ["rsa-2048", "rsa-3072", "rsa-4096", "x25519"]:
        check(HERE / "seal" / f"{file}.json")
