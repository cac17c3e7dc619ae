"""The servers that are compared, each alone on core 0 unless it is told otherwise."""

import json
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from generators import SERVICE

READY_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A process with an address and a token."""

    def __init__(self, name, command, token, listening, output, environment=None, cores="0"):
        self.name = name
        self.token = token
        self.log = output
        with open(output, "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", cores, *map(str, command)],
                env=os.environ | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.url, *self.others = self.wait_for(listening)

    def wait_for(self, listening):
        started = time.monotonic()
        while time.monotonic() - started < READY_SECONDS and self.process.poll() is None:
            found = re.search(listening, self.log.read_text(encoding="utf-8"))
            if found:
                return ["http://" + address for address in found.groups()]
            time.sleep(0.02)
        sys.exit(f"{self.name} did not start:\n{self.log.read_text(encoding='utf-8')}")

    def call(self, method, request, token=None):
        """Calls a method of the service that is measured, or one with its whole path; as JSON."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token or self.token}"}
        path = method if method.startswith("/") else SERVICE + method
        asked = urllib.request.Request(self.url + path, json.dumps(request).encode(), headers)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.read()

    def list(self, runner):
        return self.call("ListSCMIntegrations", {"filter": {"runnerIds": [runner]}})

    def memory(self, field="VmRSS"):
        """MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def waiting_seconds(self):
        """For how long its threads, together, were ready to run while other programs had the cores."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text(encoding="ascii").split()[1]) for task in tasks) / 1e9

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Sealink(Server):
    """The release binary on a data directory of its own, with limits and log as they are by default."""

    def __init__(self, binary, directory, cores="0", environment=None):
        token = secrets.token_hex(32)
        self.binary = binary
        self.directory = directory
        directory.mkdir(exist_ok=True)
        super().__init__(
            "sealink",
            [binary, "serve", "--data-dir", directory / "data", "--listen", "127.0.0.1:0"],
            token,
            r"listening on http://(\S+)\n",
            directory / "log",
            {"SEALINK_ADMIN_TOKEN": token} | (environment or {}),
            cores,
        )

    def command(self, *arguments, **options):
        environment = os.environ | {"SEALINK_URL": self.url, "SEALINK_TOKEN": self.token}
        done = subprocess.run(
            [self.binary, *map(str, arguments)], env=environment, text=True, capture_output=True, check=False, **options
        )
        if done.returncode != 0:
            sys.exit(f"sealink {' '.join(map(str, arguments[:2]))}: {done.stderr}")
        return done.stdout

    def new_runner(self, name, key):
        """A runner registered with a fresh key: "RSA-2048" or "X25519"."""
        place = self.directory / name
        place.mkdir(mode=0o700)
        keys = place / "keys"
        if key == "X25519":
            keys.mkdir(mode=0o700)
            made = keys / "key.pem"
            subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", made], check=True)
            made.chmod(0o600)
        else:
            self.command("agent", "keygen", "--bits", key.removeprefix("RSA-"), "--agent-dir", place)
        runner = self.command("runner", "create", name, "--exchange-token-file", place / "once").strip()
        once = (place / "once").read_text(encoding="ascii")
        self.command("agent", "register", "--agent-dir", place, input=once)
        return runner

    def counts(self):
        """Acknowledged writes and COMMITs of the whole run; the server must have been stopped."""
        found = re.search(r"writes=(\d+) commits=(\d+)", self.log.read_text(encoding="utf-8"))
        return (int(found[1]), int(found[2])) if found else sys.exit("the server did not count its commits")


class Peer(Server):
    """Another server of the same two methods, in `program`: `-db FILE -seed N` fills a database and prints
    list_runner=, create_runner= and token=; `-db FILE -addr ADDRESS` serves it."""

    def __init__(self, program, directory, rows):
        directory.mkdir()
        database = directory / "peer.db"
        seed = subprocess.run([program, "-db", database, "-seed", str(rows)], text=True, capture_output=True, check=True)
        ids = dict(pair.split("=") for pair in seed.stdout.split())
        self.runner, self.create_runner = ids["list_runner"], ids["create_runner"]
        with sqlite3.connect(database) as connection:
            self.runners = [id for (id,) in connection.execute("SELECT DISTINCT runner_id FROM scm_integration")]
        command = [program, "-db", database, "-addr", "127.0.0.1:0"]
        super().__init__("peer", command, ids["token"], r"listening on http://(\S+)\n", directory / "log")


class Bare(Server):
    """Handlers that answer `listing`, a List answer, from memory: JSON at `url`, gRPC at `grpc_url`; there also
    `configuration`, a GetConfiguration answer, and at `url` the REST API's `accounts`."""

    def __init__(self, binary, directory, listing, configuration=b"{}", accounts=b'{"scm_integrations":[]}'):
        directory.mkdir()
        files = [directory / f"{name}.json" for name in ("listing", "configuration", "accounts")]
        for file, answer in zip(files, (listing, configuration, accounts), strict=True):
            file.write_bytes(answer)
        super().__init__("bare", [binary, *files], "none", r"(\S+) (\S+)\n", directory / "log")
        self.grpc_url = self.others[0]
