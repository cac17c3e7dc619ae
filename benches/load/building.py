"""The programs that are measured."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(*benches):
    """A release build of the server and of parts of benchmarks; where each is, by name."""
    command = ["cargo", "build", "--release", "--bin", "sealink", "--message-format=json"]
    command += [f"--bench={name}" for name in benches]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, done.stdout.splitlines())
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}
