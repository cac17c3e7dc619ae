"""curl, grpcurl and `buf curl`: what people type. The token goes through a file or stdin where the tool can."""

import json
import os
import subprocess
from urllib.parse import quote, urlsplit

import walk

SERVICE = "gitpod.v1.RunnerConfigurationService"
AUTHORIZATION = f"Authorization: Bearer {walk.TOKEN}"


class CommandLine:
    """Speaks JSON with `invoke`, which each tool defines."""

    def create(self, runner, host, client_id, secret):
        return self.invoke(
            "CreateSCMIntegration",
            {
                "runnerId": runner,
                "scmId": "github",
                "host": host,
                "oauthClientId": client_id,
                "oauthPlaintextClientSecret": secret,
            },
        )["id"]

    def get(self, id):
        return row(self.invoke("GetSCMIntegration", {"id": id})["integration"])

    def pages(self, runner, size):
        token = ""
        while True:
            answer = self.page({"filter": {"runnerIds": [runner]}}, size, token)
            yield [row(item) for item in answer["integrations"]]
            token = answer.get("pagination", {}).get("nextToken", "")
            if not token:
                return

    def page(self, body, size, token):
        return self.invoke("ListSCMIntegrations", body | {"pagination": {"pageSize": size, "token": token}})

    def update(self, id, secret, pat):
        self.invoke("UpdateSCMIntegration", {"id": id, "oauthPlaintextClientSecret": secret, "pat": pat})

    def delete(self, id):
        self.invoke("DeleteSCMIntegration", {"id": id})


class Curl(CommandLine):
    def invoke(self, method, body, query=""):
        command = ["curl", "-sS", "--max-time", "10", "--json", "@-", "-H", AUTHORIZATION, "-w", "\n%{http_code}"]
        answer = run([*command, f"{walk.URL}/{SERVICE}/{method}{query}"], body).stdout
        text, status = answer.rsplit("\n", 1)
        if status == "404":
            walk.check(json.loads(text)["code"] == "not_found", f"a 404 that says {text}")
            raise walk.NotFound(text)
        walk.check(status == "200", f"{method}: {status} {text}")
        return json.loads(text)

    def page(self, body, size, token):
        """The documented way: the query pages, the body stays the same."""
        return self.invoke("ListSCMIntegrations", body, f"?pageSize={size}&token={quote(token)}")


class Grpcurl(CommandLine):
    def invoke(self, method, body):
        command = ["grpcurl", "-plaintext", "-max-time", "10", "-H", AUTHORIZATION, "-d", "@"]
        done = run([*command, urlsplit(walk.URL).netloc, f"{SERVICE}/{method}"], body, ok=(0, 64 + 5))
        if done.returncode != 0:
            raise walk.NotFound(done.stderr)
        return json.loads(done.stdout)


class BufCurl(CommandLine):
    """Reads the schema from proto/, or from reflection without one."""

    def __init__(self, protocol, *options):
        self.options = ["--protocol", protocol, *options]

    def invoke(self, method, body):
        command = ["buf", "curl", *self.options, "-H", AUTHORIZATION, "-d", "@-"]
        done = run([*command, f"{walk.URL}/{SERVICE}/{method}"], body, ok=(0, 8 * 5))
        if done.returncode != 0:
            raise walk.NotFound(done.stderr)
        return json.loads(done.stdout)


def run(command, body, ok=(0,)):
    done = subprocess.run(command, input=json.dumps(body), capture_output=True, text=True, check=False)
    walk.check(done.returncode in ok, f"{command[0]} ended with {done.returncode}: {done.stderr}")
    return done


def row(item):
    oauth = item["oauth"]
    return walk.Row(
        item["id"],
        item["runnerId"],
        item["host"],
        oauth["clientId"],
        oauth["encryptedClientSecret"],
        item.get("pat", False),
    )


if __name__ == "__main__":
    schema = ("--schema", os.environ.get("SEALINK_PROTO", "proto"))
    walk.main(
        {
            "curl": Curl,
            "grpcurl": Grpcurl,
            "buf-grpc": lambda: BufCurl("grpc", "--http2-prior-knowledge", *schema),
            "buf-grpc-web": lambda: BufCurl("grpcweb", *schema),
            "buf-connect": lambda: BufCurl("connect", *schema),
            "buf-reflection": lambda: BufCurl("grpc", "--http2-prior-knowledge"),
        }
    )
