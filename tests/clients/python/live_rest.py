"""gitpod-sdk 0.11 takes the third walk, strict about the answers' shape."""

from gitpod import BadRequestError, Gitpod

import live
import walk


class LiveRest:
    def __init__(self):
        api = Gitpod(
            base_url=f"{walk.URL}/api", bearer_token=walk.TOKEN, _strict_response_validation=True, max_retries=0
        )
        self.runners, self.configurations = api.runners, api.runners.configurations

    def integrate(self, runner, host, client_id, secret):
        self.configurations.scm_integrations.create(
            runner_id=runner,
            scm_id="github",
            host=host,
            oauth_client_id=client_id,
            oauth_plaintext_client_secret=secret,
            pat=True,
        )

    def store_token(self, runner, host, token):
        self.configurations.host_authentication_tokens.create(
            runner_id=runner, host=host, token=token, source="HOST_AUTHENTICATION_TOKEN_SOURCE_PAT"
        )

    def authentication(self, runner, host):
        answer = self.runners.check_authentication_for_host(runner_id=runner, host=host)
        return {
            "authenticated": bool(answer.authenticated),
            "scm": answer.scm_id,
            "pat_url": answer.supports_pat.create_url,
            "oauth_url": answer.supports_oauth2.auth_url,
        }

    def parse(self, runner, url):
        try:
            answer = self.runners.parse_context_url(runner_id=runner, context_url=url)
        except BadRequestError as error:
            if "missing authentication token for" in str(error):
                raise live.Unauthenticated(None) from error
            raise
        return answer.git.clone_url, answer.git.branch, answer.scm_id

    def access(self, runner, url):
        return bool(self.runners.check_repository_access(runner_id=runner, repository_url=url).has_access)

    def search(self, runner, text):
        found = self.runners.search_repositories(runner_id=runner, search_string=text).repositories
        return [repository.name for repository in found]

    def organizations(self, runner, host):
        found = self.runners.list_scm_organizations(runner_id=runner, scm_host=host).organizations
        return [one.name for one in found]

    def validate(self, runner, host, client_id, secret):
        integration = {
            "scm_id": "github",
            "host": host,
            "oauth_client_id": client_id,
            "oauth_plaintext_client_secret": secret,
        }
        result = self.configurations.validate(runner_id=runner, scm_integration=integration).scm_integration
        return bool(result.valid), result.oauth_error

    def logs_token(self, runner):
        return self.runners.create_logs_token(runner_id=runner).access_token

    def log_url(self, runner):
        return self.runners.retrieve(runner_id=runner).runner.status.log_url


if __name__ == "__main__":
    live.main({"default": LiveRest})
