"""Serves as much of a forge's API as a test needs, from memory."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Forge(BaseHTTPRequestHandler):
    """To be derived from. GET answers what is in `api` below `base`, to who has the token; `known` to everybody."""

    base = "/api/v1/"
    schemes = ("token",)
    token = ""
    known = {}
    api = {}

    def do_GET(self):
        url = urlsplit(self.path)
        path = url.path.removeprefix(self.base)
        if path in self.known:
            self.answer(200, self.known[path])
        elif self.headers.get("authorization") not in [f"{scheme} {self.token}" for scheme in self.schemes]:
            self.answer(401, {"message": "Bad credentials"})
        elif path not in self.api:
            self.answer(404, {"message": "Not Found"})
        elif parse_qs(url.query).get("page", ["1"]) == ["1"]:
            self.answer(200, self.api[path])
        else:
            # Every list here is short.
            self.answer(200, [])

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: what it is sent holds tokens."""


def serve(forge):
    """On a free port of loopback; its origin goes into the file that the first argument names."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), forge)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(f"http://127.0.0.1:{server.server_port}\n")
    server.serve_forever()
