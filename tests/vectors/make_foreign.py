"""Makes tests/vectors/foreign: what other libraries seal, encrypt and answer, written from the specification alone."""

import base64
import hashlib
import hmac
import json
import pathlib
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwcrypto import jwe, jwk
from nacl.public import SealedBox

from open_with_python import ALGORITHMS, box_key, rsa_key

FOREIGN = pathlib.Path(__file__).parent / "foreign"
RUNNER = "0198a7c0-0000-7000-8000-000000000001"
INTEGRATION = "0198a7c0-0000-7000-8000-000000000002"
REGISTRATION = "0198a7c0-0000-7000-8000-000000000003"


def write(name, value):
    (FOREIGN / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n")


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def prefixed(*elements):
    data = [element.encode() for element in elements]
    return b"".join(struct.pack(">I", len(element)) + element for element in data)


def place(sub=INTEGRATION, field="oauth.client_secret", a="github.com", b="", c="Iv1.0123456789abcdef"):
    return {"runner": RUNNER, "sub": sub, "field": field, "a": a, "b": b, "c": c}


def header(kid, spot):
    elements = prefixed(*(spot[name] for name in ["runner", "sub", "field", "a", "b", "c"]))
    members = {
        "alg": "RSA-OAEP-256",
        "enc": "A256GCM",
        "typ": "sealink-secret+jwe",
        "kid": kid,
        "aud": spot["runner"],
        "sub": spot["sub"],
        "ctx": base64url(hashlib.sha256(b"sealink/secret/v1\0" + elements).digest()),
    }
    return json.dumps(members, separators=(",", ":"))


def vectors(name, file, kid, public, seal):
    azure = place(a="dev.azure.com", b="https://login.microsoftonline.com/t/v2.0", c="client")
    cases = [
        ("1 byte", place(), "x"),
        ("190 bytes", place(), "a" * 190),
        ("191 bytes", place(), "b" * 191),
        ("4096 bytes", place(), "c" * 4096),
        ("an emoji", place(), "\U0001f511"),
        ("with an issuer", azure, "s3cr3t"),
        ("without a destination", place(RUNNER, "runner.honeycomb_api_key", "", "", ""), "hcaik_0123456789"),
    ]
    good = [{"name": n, "place": p, "secret": s, "sealed": seal(p, s)} for n, p, s in cases]
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()
    write(name, {"sealed_by": name, "key": {"file": file, "kid": kid, "fingerprint": fingerprint}, "good": good, "bad": []})


def tokens():
    key = rsa_key("rsa-2048")
    body = b"".join(line for line in key.export_to_pem().splitlines() if not line.startswith(b"-"))

    def seal(spot, secret):
        token = jwe.JWE(secret.encode(), header(key.thumbprint(), spot), algs=ALGORITHMS)
        token.add_recipient(key)
        return {"token": token.serialize(compact=True)}

    vectors("jwcrypto", "rsa-2048", key.thumbprint(), base64.b64decode(body), seal)


def boxes():
    public = box_key("x25519").public_key
    kid = jwk.JWK(kty="OKP", crv="X25519", x=base64url(bytes(public))).thumbprint()
    vectors("pynacl", "x25519", kid, bytes(public), lambda _, secret: {"hex": SealedBox(public).encrypt(secret.encode()).hex()})


def encrypt_once(key, salt, info, aad, plaintext):
    derived = HKDF(hashes.SHA256(), 32, salt, info).derive(key)
    return AESGCM(derived).encrypt(bytes(12), plaintext, aad)


def at_rest():
    """A keyring of one seed and a record, from fixed bytes."""
    root, seed = (hashlib.sha256(name).digest() for name in [b"root key", b"seed"])
    wrap_salt, salt = (hashlib.sha256(name).digest() for name in [b"wrap salt", b"record salt"])
    key_id = struct.pack(">I", 7)
    wrap_aad = prefixed("keyring.seed") + key_id
    wrapped = b"\x01" + wrap_salt + encrypt_once(root, wrap_salt, b"sealink/keyring/v1", wrap_aad, seed)
    location = ["scm_account.access_token", RUNNER, INTEGRATION, "https://github.example"]
    aad = prefixed(*location) + key_id
    plaintext = "ghp_0123456789"
    record = b"\x01" + key_id + salt + encrypt_once(seed, salt, b"sealink/at-rest/v1", aad, plaintext.encode())
    purpose = "page-token"
    derived = HKDF(hashes.SHA256(), 32, None, b"sealink/derive/v1" + prefixed(purpose)).derive(seed)
    fingerprint = hmac.digest(root, b"sealink/root-key-fingerprint/v1", "sha256")[:16]
    write(
        "at_rest",
        {
            "root_key": root.hex(),
            "root_fingerprint": fingerprint.hex(),
            "key_id": 7,
            "wrapped_seed": wrapped.hex(),
            "location": location,
            "plaintext": plaintext,
            "record": record.hex(),
            "purpose": purpose,
            "derived": derived.hex(),
        },
    )


def answer():
    """A challenge's random bytes and the answer to them."""
    random, kid = hashlib.sha256(b"challenge").digest(), rsa_key("rsa-2048").thumbprint()
    answer = hmac.digest(random, prefixed(REGISTRATION, kid), "sha256")
    write("answer", {"random": random.hex(), "registration": REGISTRATION, "kid": kid, "answer": answer.hex()})


FOREIGN.mkdir(exist_ok=True)
for make in [tokens, boxes, at_rest, answer]:
    make()
