"""A forge for the live walk: as much of GitHub's API as an agent asks. Says its origin in the file that it is given."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN = "sealink-walk-forge-token"
CLIENT_ID, CLIENT_SECRET = "the-client", "sealink-walk-client-secret"
SHA = "b" * 40

API = {
    "user": {"login": "octo", "id": 1, "email": None},
    "user/orgs": [{"id": 1, "login": "octo-org", "description": None}],
    "repos/octo/hello": {"full_name": "octo/hello", "default_branch": "main", "permissions": {"admin": True}},
    "repos/octo/hello/branches/feature%2Fx": {"name": "feature/x", "commit": {"sha": SHA}},
    "search/repositories": {"total_count": 1, "items": [{"full_name": "octo/hello", "fork": False}]},
}


class Forge(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        path = url.path.removeprefix("/api/v3/")
        if path == "meta":
            self.answer(200, {"verifiable_password_authentication": False})
        elif self.headers.get("authorization") not in (f"Bearer {TOKEN}", f"token {TOKEN}"):
            self.answer(401, {"message": "Bad credentials"})
        elif path in API and parse_qs(url.query).get("page", ["1"]) == ["1"]:
            self.answer(200, API[path])
        elif path in API:
            self.answer(200, [])
        else:
            self.answer(404, {"message": "Not Found"})

    def do_POST(self):
        """The token endpoint: no code is ever good, so a right secret ends with `bad_verification_code`."""
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        known = (form.get("client_id"), form.get("client_secret")) == ([CLIENT_ID], [CLIENT_SECRET])
        error = "bad_verification_code" if known else "incorrect_client_credentials"
        self.answer(200, {"error": error, "error_description": "as GitHub says it"})

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
