#!/usr/bin/env bash
# Unwraps the content key of every token with `openssl pkeyutl` and compares it with the vector's.
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

unwrap() { # key file, file with the wrapped key; prints the content key in hexadecimal
    openssl pkeyutl -decrypt -inkey "$1" -in "$2" -out "$scratch/cek" -pkeyopt rsa_padding_mode:oaep \
        -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 2>"$scratch/error" || return 1
    od -An -v -tx1 "$scratch/cek" | tr -d ' \n'
}

# Writes each wrapped key to a file of its own; one line per vector: kind, file, expected content key, name.
lines() { # vectors, folder
    python3 - "$1" "$2" <<'PYTHON'
import base64, json, pathlib, sys

vectors = json.load(open(sys.argv[1]))
good = [("good", vector, vector["random"]["cek"]) for vector in vectors["good"]]
marks = ("ek, ", "ek of ", "ek truncated", "wrapped for")
bad = [("bad", vector, "-") for vector in vectors["bad"] if vector["name"].startswith(marks)]
for number, (kind, vector, cek) in enumerate(good + bad):
    file = pathlib.Path(sys.argv[2], str(number))
    file.write_bytes(base64.urlsafe_b64decode(vector["sealed"]["token"].split(".")[1] + "=="))
    print(kind, file, cek, vector["name"])
PYTHON
}

for file in rsa-2048 rsa-3072 rsa-4096; do
    opened=0 refused=0
    lines "seal/$file.json" "$scratch" >"$scratch/lines"
    while read -r kind ek cek name; do
        got=$(unwrap "keys/$file.pem" "$ek") || got=refused
        if [ "$kind" = good ]; then
            [ "$got" = "$cek" ] || { echo "$file: $name: another content key" >&2; exit 1; }
            opened=$((opened + 1))
        else
            [ "$got" = refused ] || { echo "$file: $name: openssl unwrapped it" >&2; exit 1; }
            refused=$((refused + 1))
        fi
    done <"$scratch/lines"
    [ "$opened" -ge 5 ] && [ "$refused" -ge 4 ] || { echo "$file: too few vectors" >&2; exit 1; }
    echo "openssl: $file.json: $opened unwrapped, $refused refused"
done
