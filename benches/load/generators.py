"""The load: wrk for Connect JSON and REST, h2load for gRPC, both on core 1. Any failed request ends the run."""

import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent
CORE = ["taskset", "-c", "1"]
SERVICE = "/gitpod.v1.RunnerConfigurationService/"
# A connection that has said nothing yet: preface, empty SETTINGS, and the acknowledgement of the server's.
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04\x00" + bytes(4) + bytes(3) + b"\x04\x01" + bytes(4)


@dataclass
class Run:
    """What one run of a generator saw. Latencies are milliseconds; h2load tells none."""

    rate: float
    p50: float = 0.0
    p99: float = 0.0


def generate(command):
    done = subprocess.run([*CORE, *map(str, command)], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def json_load(url, token, method, bodies, connections, seconds):
    """Requests of `method` with the bodies in the file `bodies`, one a line."""
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", HERE / "requests.lua"]
    text = generate(["wrk", *options, url + SERVICE + method, "--", token, bodies])
    return result_of(text, f"{url} {method}")


def get_load(url, token, connections, seconds):
    """The same GET again and again, over HTTP/1.1."""
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", HERE / "requests.lua"]
    return result_of(generate(["wrk", *options, url, "--", token]), url)


def result_of(text, name):
    """What requests.lua says in the end."""
    result = re.search(r"RESULT (\d+) ([\d.]+) ([\d.]+) ([\d.]+) 0$", text, re.MULTILINE)
    if not result or result[1] == "0":
        sys.exit(f"{name}: requests failed:\n{text}")
    return Run(int(result[1]) / float(result[2]), float(result[3]), float(result[4]))


def list_load(url, token, runner, connections, streams, seconds, scratch):
    """List requests over h2c."""
    message = b"\x12\x26\x0a\x24" + runner.encode()
    return grpc_load(url + SERVICE + "ListSCMIntegrations", token, message, connections, streams, seconds, scratch)


def grpc_load(url, token, message, connections, streams, seconds, scratch):
    """The same request again and again over h2c; an answer of less than 1,000 bytes is an error."""
    request = scratch / "request.bin"
    request.write_bytes(b"\x00" + len(message).to_bytes(4, "big") + message)
    headers = ["content-type: application/grpc", "te: trailers", f"authorization: Bearer {token}"]
    options = [option for header in headers for option in ("-H", header)]
    shape = [f"-c{connections}", f"-m{streams}", "-D", seconds, "-d", request]
    text = generate(["h2load", *shape, *options, url])
    rate = re.search(r"finished in .*?, ([\d.]+) req/s", text)
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    data = re.search(r"\((\d+)\) data", text)
    # A refusal is a 200 without a message.
    if not (rate and done and data) or any(map(int, done.groups()[1:])) or int(data[1]) < 1000 * int(done[1]):
        sys.exit(f"{url}: gRPC requests failed:\n{text}")
    return Run(float(rate[1]))


def idle_connections(url, count):
    """Opens `count` HTTP/2 connections that say nothing more; close them by dropping the list."""
    address = urlsplit(url)
    sockets = []
    for _ in range(count):
        connection = socket.create_connection((address.hostname, address.port))
        connection.sendall(HTTP2_HELLO)
        sockets.append(connection)
    time.sleep(1)
    if any(connection.recv(9)[3] != 4 for connection in sockets):
        sys.exit("a connection was not greeted with SETTINGS")
    return sockets
