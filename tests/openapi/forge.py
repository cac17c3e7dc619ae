"""A forge for the fuzzed account: as much of Gitea's API as the REST API asks. Says its origin in the file it is given."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "forge"))

import fake  # noqa: E402

TOKEN = "sealink-openapi-forge-token"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"
PAGE = "https://forge.example/octo"
HELLO = {
    "id": 7, "name": "hello", "full_name": "octo/hello", "html_url": f"{PAGE}/hello", "description": "", "fork": False,
}


class Forge(fake.Forge):
    token = TOKEN
    api = {
        "user": {"id": 1, "login": "octo", "email": "octo@forge.example", "avatar_url": f"{PAGE}.png"},
        "user/keys": [{"id": 1, "title": "laptop", "key": KEY}],
        "user/orgs": [{"id": 3, "username": "octo-org", "avatar_url": "", "description": "Shops"}],
        "repos/search": {"ok": True, "data": [HELLO]},
        "repos/octo/hello/pulls": [
            {"id": 102, "number": 2, "title": "A change", "html_url": f"{PAGE}/hello/pulls/2", "head": {"repo": HELLO}}
        ],
        "repos/octo/hello/branches": [{"name": "main"}, {"name": "feature/x"}],
    }


if __name__ == "__main__":
    fake.serve(Forge)
