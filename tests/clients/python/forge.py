"""A forge for the live walk: as much of GitHub's API as an agent asks. Says its origin in the file that it is given."""

import sys
from pathlib import Path
from urllib.parse import parse_qs

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "forge"))

import fake  # noqa: E402

TOKEN = "sealink-walk-forge-token"
CLIENT_ID, CLIENT_SECRET = "the-client", "sealink-walk-client-secret"
SHA = "b" * 40


class Forge(fake.Forge):
    base = "/api/v3/"
    schemes = ("Bearer", "token")
    token = TOKEN
    known = {"meta": {"verifiable_password_authentication": False}}
    api = {
        "user": {"login": "octo", "id": 1, "email": None},
        "user/orgs": [{"id": 1, "login": "octo-org", "description": None}],
        "repos/octo/hello": {"full_name": "octo/hello", "default_branch": "main", "permissions": {"admin": True}},
        "repos/octo/hello/branches/feature%2Fx": {"name": "feature/x", "commit": {"sha": SHA}},
        "search/repositories": {"total_count": 1, "items": [{"full_name": "octo/hello", "fork": False}]},
    }

    def do_POST(self):
        """The token endpoint: no code is ever good, so a right secret ends with `bad_verification_code`."""
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        known = (form.get("client_id"), form.get("client_secret")) == ([CLIENT_ID], [CLIENT_SECRET])
        error = "bad_verification_code" if known else "incorrect_client_credentials"
        self.answer(200, {"error": error, "error_description": "as GitHub says it"})


if __name__ == "__main__":
    fake.serve(Forge)
