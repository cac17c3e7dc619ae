"""A forge for the fuzzed account: as much of Gitea's API as the REST API asks. Says its origin in the file it is given."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "sealink-openapi-forge-token"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
PAGE = "https://forge.example/octo"
HELLO = {
    "id": 7, "name": "hello", "full_name": "octo/hello", "html_url": f"{PAGE}/hello", "description": "", "fork": False,
}
API = {
    "user": {"id": 1, "login": "octo", "email": "octo@forge.example", "avatar_url": f"{PAGE}.png"},
    "user/keys": [{"id": 1, "title": "laptop", "key": KEY}],
    "user/orgs": [{"id": 3, "username": "octo-org", "avatar_url": "", "description": "Shops"}],
    "repos/search": {"ok": True, "data": [HELLO]},
    "repos/octo/hello/pulls": [
        {"id": 102, "number": 2, "title": "A change", "html_url": f"{PAGE}/hello/pulls/2", "head": {"repo": HELLO}}
    ],
    "repos/octo/hello/branches": [{"name": "main"}, {"name": "feature/x"}],
}


class Forge(BaseHTTPRequestHandler):
    def do_GET(self):
        path = urlsplit(self.path).path.removeprefix("/api/v1/")
        if self.headers.get("authorization") != f"token {TOKEN}":
            self.answer(401, {"message": "invalid username, password or token"})
        elif path in API:
            self.answer(200, API[path])
        else:
            self.answer(404, {"message": "not found"})

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: what it is sent holds tokens."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forge)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(f"http://127.0.0.1:{server.server_port}\n")
    server.serve_forever()
