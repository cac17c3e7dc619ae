"""gitpod-sdk 1.2: the Connect SDK as it comes, and its generated client in every protocol it speaks."""

import pyqwest
from connectrpc import compat
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType
from gitpod.v1 import pagination_pb2 as pagination
from gitpod.v1 import runner_configuration_pb2 as rc
from gitpod.v1.runner_configuration_connect import RunnerConfigurationServiceClientSync
from ona_sdk import create_client

import walk

BASE = f"{walk.URL}/api"
# gitpod.v1.SupportedModel and gitpod.v1.LLMIntegrationPhase
SONNET_4_5 = 8
AVAILABLE, DISABLED = 1, 3


class SdkConnect:
    """`read` and `call` are the keyword arguments of reads and of every call."""

    def __init__(self, api, read=None, call=None):
        self.api = api
        self.call = call or {}
        self.read = self.call | (read or {})

    def create(self, runner, host, client_id, secret):
        request = rc.CreateSCMIntegrationRequest(
            runner_id=runner,
            scm_id="github",
            host=host,
            oauth_client_id=client_id,
            oauth_plaintext_client_secret=secret,
        )
        return self.api.create_scm_integration(request, **self.call).id

    def get(self, id):
        answer = found(self.api.get_scm_integration, rc.GetSCMIntegrationRequest(id=id), self.read)
        return row(answer.integration)

    def pages(self, runner, size):
        request = rc.ListSCMIntegrationsRequest(
            pagination=pagination.PaginationRequest(page_size=size),
            filter=rc.ListSCMIntegrationsRequest.Filter(runner_ids=[runner]),
        )
        while True:
            answer = self.api.list_scm_integrations(request, **self.read)
            yield [row(item) for item in answer.integrations]
            request.pagination.token = answer.pagination.next_token
            if not request.pagination.token:
                return

    def update(self, id, secret, pat):
        request = rc.UpdateSCMIntegrationRequest(id=id, oauth_plaintext_client_secret=secret, pat=pat)
        self.api.update_scm_integration(request, **self.call)

    def delete(self, id):
        found(self.api.delete_scm_integration, rc.DeleteSCMIntegrationRequest(id=id), self.call)

    def tokens(self):
        return Tokens(self)

    def llm(self):
        return Llm(self)


class Tokens:
    """The same client for credentials."""

    def __init__(self, client):
        self.client = client

    def create(self, runner, host, value, scopes):
        request = rc.CreateHostAuthenticationTokenRequest(
            runner_id=runner,
            host=host,
            token=value,
            scopes=scopes,
            source=rc.HOST_AUTHENTICATION_TOKEN_SOURCE_PAT,
        )
        return self.client.api.create_host_authentication_token(request, **self.client.call).token.id

    def get(self, id):
        request = rc.GetHostAuthenticationTokenRequest(id=id)
        return token_row(found(self.client.api.get_host_authentication_token, request, self.client.read).token)

    def list(self, runner):
        request = rc.ListHostAuthenticationTokensRequest(
            filter=rc.ListHostAuthenticationTokensRequest.Filter(runner_id=runner)
        )
        answer = self.client.api.list_host_authentication_tokens(request, **self.client.read)
        return [token_row(item) for item in answer.tokens]

    def update(self, id, value, scopes):
        request = rc.UpdateHostAuthenticationTokenRequest(id=id, token=value, scopes=scopes)
        self.client.api.update_host_authentication_token(request, **self.client.call)

    def delete(self, id):
        request = rc.DeleteHostAuthenticationTokenRequest(id=id)
        found(self.client.api.delete_host_authentication_token, request, self.client.call)


class Llm:
    """The same client for language models."""

    def __init__(self, client):
        self.client = client

    def create(self, runner, key):
        request = rc.CreateLLMIntegrationRequest(runner_id=runner, models=[SONNET_4_5], api_key=key)
        return self.client.api.create_llm_integration(request, **self.client.call).id

    def get(self, id):
        request = rc.GetLLMIntegrationRequest(id=id)
        return llm_row(found(self.client.api.get_llm_integration, request, self.client.read).integration)

    def list(self, runner):
        request = rc.ListLLMIntegrationsRequest(filter=rc.ListLLMIntegrationsRequest.Filter(runner_ids=[runner]))
        answer = self.client.api.list_llm_integrations(request, **self.client.read)
        return [llm_row(item) for item in answer.integrations]

    def switch_off(self, id):
        request = rc.UpdateLLMIntegrationRequest(id=id, phase=DISABLED)
        self.client.api.update_llm_integration(request, **self.client.call)

    def delete(self, id):
        found(self.client.api.delete_llm_integration, rc.DeleteLLMIntegrationRequest(id=id), self.client.call)


def token_row(item):
    return (item.id, item.runner_id, item.host, list(item.scopes))


def llm_row(item):
    return (item.id, item.runner_id, item.phase == AVAILABLE, item.encrypted_api_key)


def found(method, request, keywords):
    try:
        return method(request, **keywords)
    except ConnectError as error:
        if error.code is Code.NOT_FOUND:
            raise walk.NotFound(error) from error
        raise


def row(item):
    oauth = item.oauth
    return walk.Row(item.id, item.runner_id, item.host, oauth.client_id, oauth.encrypted_client_secret, item.pat)


def sdk(read=None):
    return SdkConnect(create_client(api_key=walk.TOKEN, base_url=BASE).services.runner_configuration, read)


def generated(**options):
    headers = {"Authorization": f"Bearer {walk.TOKEN}"}
    return SdkConnect(RunnerConfigurationServiceClientSync(BASE, **options), call={"headers": headers})


def h2c():
    return pyqwest.SyncClient(pyqwest.SyncHTTPTransport(http_version=pyqwest.HTTPVersion.HTTP2))


if __name__ == "__main__":
    walk.main(
        {
            "default": sdk,
            "get": lambda: sdk({"use_get": True}),
            "json": lambda: generated(codec=compat.google_protobuf_json_codec()),
            "grpc": lambda: generated(protocol=ProtocolType.GRPC, http_client=h2c()),
            "grpc-web": lambda: generated(protocol=ProtocolType.GRPC_WEB),
        }
    )
