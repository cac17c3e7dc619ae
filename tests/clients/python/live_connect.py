"""gitpod-sdk 1.2 takes the third walk."""

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from gitpod.v1 import runner_configuration_pb2 as rc
from gitpod.v1 import runner_pb2 as runner_pb
from ona_sdk import create_client

import live
import walk


class LiveConnect:
    def __init__(self):
        services = create_client(api_key=walk.TOKEN, base_url=f"{walk.URL}/api").services
        self.configuration, self.runner = services.runner_configuration, services.runner

    def integrate(self, runner, host, client_id, secret):
        self.configuration.create_scm_integration(
            rc.CreateSCMIntegrationRequest(
                runner_id=runner,
                scm_id="github",
                host=host,
                oauth_client_id=client_id,
                oauth_plaintext_client_secret=secret,
                pat=True,
            )
        )

    def store_token(self, runner, host, token):
        source = rc.HOST_AUTHENTICATION_TOKEN_SOURCE_PAT
        request = rc.CreateHostAuthenticationTokenRequest(runner_id=runner, host=host, token=token, source=source)
        self.configuration.create_host_authentication_token(request)

    def authentication(self, runner, host):
        request = runner_pb.CheckAuthenticationForHostRequest(runner_id=runner, host=host)
        answer = self.runner.check_authentication_for_host(request)
        return {
            "authenticated": answer.authenticated,
            "scm": answer.scm_id,
            "pat_url": answer.supports_pat.create_url,
            "oauth_url": answer.supports_oauth2.auth_url,
        }

    def parse(self, runner, url):
        request = runner_pb.ParseContextURLRequest(runner_id=runner, context_url=url)
        try:
            answer = self.runner.parse_context_url(request)
        except ConnectError as error:
            if error.code is Code.FAILED_PRECONDITION and "missing authentication token for" in error.message:
                raise live.Unauthenticated(scm_of(error)) from error
            raise
        return answer.git.clone_url, answer.git.branch, answer.scm_id

    def access(self, runner, url):
        request = runner_pb.CheckRepositoryAccessRequest(runner_id=runner, repository_url=url)
        return self.runner.check_repository_access(request).has_access

    def search(self, runner, text):
        request = runner_pb.SearchRepositoriesRequest(runner_id=runner, search_string=text)
        return [repository.name for repository in self.runner.search_repositories(request).repositories]

    def organizations(self, runner, host):
        request = runner_pb.ListSCMOrganizationsRequest(runner_id=runner, scm_host=host)
        return [one.name for one in self.runner.list_scm_organizations(request).organizations]

    def validate(self, runner, host, client_id, secret):
        integration = rc.ValidateRunnerConfigurationRequest.ValidateSCMIntegration(
            scm_id="github", host=host, oauth_client_id=client_id, oauth_plaintext_client_secret=secret
        )
        request = rc.ValidateRunnerConfigurationRequest(runner_id=runner, scm_integration=integration)
        result = self.configuration.validate_runner_configuration(request).scm_integration
        return result.valid, result.oauth_error

    def logs_token(self, runner):
        request = runner_pb.CreateRunnerLogsTokenRequest(runner_id=runner)
        return self.runner.create_runner_logs_token(request).access_token

    def log_url(self, runner):
        return self.runner.get_runner(runner_pb.GetRunnerRequest(runner_id=runner)).runner.status.log_url


def scm_of(error):
    """The SCM that the error's details name."""
    for detail in error.details:
        if detail.type_name == "gitpod.v1.ParseContextURLPreconditionFailureDetails":
            details = runner_pb.ParseContextURLPreconditionFailureDetails()
            details.ParseFromString(detail.message_bytes)
            return details.scm_id
    return "no details"


if __name__ == "__main__":
    live.main({"default": LiveConnect})
