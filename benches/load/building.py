"""The programs that are measured."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(*benches):
    """A release build of the server and of parts of benchmarks; where each is, by name."""
    executables = cargo(*(f"--bench={name}" for name in benches)) if benches else {}
    # The server last and by itself, as its users build it: what only benchmarks need gives libraries other features and
    # generic functions other names, which build/order.txt does not know.
    return executables | cargo("--bin=sealink")


def cargo(*targets):
    """Builds targets; the executables."""
    command = ["cargo", "build", "--release", *targets, "--message-format=json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, done.stdout.splitlines())
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}
