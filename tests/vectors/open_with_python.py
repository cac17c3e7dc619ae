"""Opens Sealink's vectors with jwcrypto and PyNaCl (libsodium): those of the folders that are named."""

import base64
import json
import pathlib
import sys

from jwcrypto import jwe, jwk
from nacl.public import PrivateKey, SealedBox

HERE = pathlib.Path(__file__).parent
ALGORITHMS = ["RSA-OAEP-256", "A256GCM"]


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


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        for name in ["rsa-2048", "rsa-3072", "rsa-4096", "x25519"]:
            check(pathlib.Path(folder, f"{name}.json"))
