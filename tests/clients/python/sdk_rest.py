"""gitpod-sdk 0.11: plain JSON over HTTP, pages by query parameters, strict about the answers' shape."""

from gitpod import Gitpod, NotFoundError

import walk


class SdkRest:
    def __init__(self):
        client = Gitpod(
            base_url=f"{walk.URL}/api", bearer_token=walk.TOKEN, _strict_response_validation=True, max_retries=0
        )
        self.configurations = client.runners.configurations
        self.api = self.configurations.scm_integrations

    def create(self, runner, host, client_id, secret):
        return self.api.create(
            runner_id=runner,
            scm_id="github",
            host=host,
            oauth_client_id=client_id,
            oauth_plaintext_client_secret=secret,
        ).id

    def get(self, id):
        try:
            return row(self.api.retrieve(id=id).integration)
        except NotFoundError as error:
            raise walk.NotFound(error) from error

    def pages(self, runner, size):
        for page in self.api.list(page_size=size, filter={"runner_ids": [runner]}).iter_pages():
            yield [row(item) for item in page.integrations]

    def update(self, id, secret, pat):
        # None must mean "unchanged", not "remove".
        self.api.update(id=id, oauth_plaintext_client_secret=secret, oauth_client_id=None, pat=pat)

    def delete(self, id):
        try:
            self.api.delete(id=id)
        except NotFoundError as error:
            raise walk.NotFound(error) from error

    def tokens(self):
        return Tokens(self.configurations.host_authentication_tokens)


class Tokens:
    def __init__(self, api):
        self.api = api

    def create(self, runner, host, value, scopes):
        return self.api.create(
            runner_id=runner, host=host, token=value, scopes=scopes, source="HOST_AUTHENTICATION_TOKEN_SOURCE_PAT"
        ).token.id

    def get(self, id):
        try:
            return token_row(self.api.retrieve(id=id).token)
        except NotFoundError as error:
            raise walk.NotFound(error) from error

    def list(self, runner):
        return [token_row(item) for item in self.api.list(filter={"runner_id": runner})]

    def update(self, id, value, scopes):
        self.api.update(id=id, token=value, scopes=scopes)

    def delete(self, id):
        try:
            self.api.delete(id=id)
        except NotFoundError as error:
            raise walk.NotFound(error) from error


def token_row(item):
    return (item.id, item.runner_id, item.host, item.scopes)


def row(item):
    oauth = item.oauth
    return walk.Row(
        item.id, item.runner_id, item.host, oauth.client_id, oauth.encrypted_client_secret, bool(item.pat)
    )


if __name__ == "__main__":
    walk.main({"default": SdkRest})
