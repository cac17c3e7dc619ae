package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"connectrpc.com/connect"

	v1 "sealink.test/clients/gen/gitpod/v1"
)

// What python/forge.py knows.
const (
	forgeToken   = "sealink-walk-forge-token"
	clientID     = "the-client"
	clientSecret = "sealink-walk-client-secret"
)

func origin() string { return os.Getenv("SEALINK_FORGE") }

func host() string { return strings.TrimPrefix(origin(), "http://") }

// authenticate configures the forge, is told how to authenticate, and does.
func (w *walk) authenticate() error {
	id, secret := clientID, clientSecret
	_, err := w.client.CreateSCMIntegration(w.context, connect.NewRequest(&v1.CreateSCMIntegrationRequest{
		RunnerId: w.runner, ScmId: "github", Host: host(), OauthClientId: &id, OauthPlaintextClientSecret: &secret, Pat: true,
	}))
	if err != nil {
		return fmt.Errorf("integrate: %w", err)
	}
	if err := w.authenticated(false); err != nil {
		return err
	}
	if err := w.refused(); err != nil {
		return err
	}
	_, err = w.client.CreateHostAuthenticationToken(w.context, connect.NewRequest(&v1.CreateHostAuthenticationTokenRequest{
		RunnerId: w.runner, Host: host(), Token: forgeToken,
		Source: v1.HostAuthenticationTokenSource_HOST_AUTHENTICATION_TOKEN_SOURCE_PAT,
	}))
	if err != nil {
		return fmt.Errorf("store token: %w", err)
	}
	return w.authenticated(true)
}

func (w *walk) authenticated(expected bool) error {
	answer, err := w.live.CheckAuthenticationForHost(w.context, connect.NewRequest(&v1.CheckAuthenticationForHostRequest{
		RunnerId: w.runner, Host: host(),
	}))
	if err != nil {
		return fmt.Errorf("check authentication: %w", err)
	}
	if found := answer.Msg; found.GetAuthenticated() != expected || found.GetScmId() != "github" ||
		!strings.HasPrefix(found.GetSupportsPat().GetCreateUrl(), origin()) ||
		!strings.Contains(found.GetSupportsOauth2().GetAuthUrl(), "/oauth/start/") {
		return fmt.Errorf("check authentication: %v", found)
	}
	return nil
}

func (w *walk) parse() (*v1.ParseContextURLResponse, error) {
	answer, err := w.live.ParseContextURL(w.context, connect.NewRequest(&v1.ParseContextURLRequest{
		RunnerId: w.runner, ContextUrl: origin() + "/octo/hello/tree/feature/x/src",
	}))
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}

// refused wants the details that say where to authenticate.
func (w *walk) refused() error {
	_, err := w.parse()
	var failure *connect.Error
	if !errors.As(err, &failure) || failure.Code() != connect.CodeFailedPrecondition {
		return fmt.Errorf("parse without a credential: %w", err)
	}
	for _, detail := range failure.Details() {
		value, err := detail.Value()
		if err != nil {
			return err
		}
		if found, ok := value.(*v1.ParseContextURLPreconditionFailureDetails); ok && found.GetScmId() == "github" {
			return nil
		}
	}
	return fmt.Errorf("no details in %w", failure)
}

// ask asks everything about repositories.
func (w *walk) ask() error {
	parsed, err := w.parse()
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	if git := parsed.GetGit(); git.GetBranch() != "feature/x" || git.GetCloneUrl() != origin()+"/octo/hello.git" {
		return fmt.Errorf("parse: %v", parsed)
	}
	for name, expected := range map[string]bool{"octo/hello": true, "octo/none": false} {
		access, err := w.live.CheckRepositoryAccess(w.context, connect.NewRequest(&v1.CheckRepositoryAccessRequest{
			RunnerId: w.runner, RepositoryUrl: origin() + "/" + name,
		}))
		if err != nil {
			return fmt.Errorf("access: %w", err)
		}
		if access.Msg.GetHasAccess() != expected {
			return fmt.Errorf("access to %s: %v", name, access.Msg)
		}
	}
	search, err := w.live.SearchRepositories(w.context, connect.NewRequest(&v1.SearchRepositoriesRequest{
		RunnerId: w.runner, SearchString: "hello",
	}))
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if found := search.Msg.GetRepositories(); len(found) != 1 || found[0].GetName() != "octo/hello" {
		return fmt.Errorf("search: %v", found)
	}
	organizations, err := w.live.ListSCMOrganizations(w.context, connect.NewRequest(&v1.ListSCMOrganizationsRequest{
		RunnerId: w.runner, ScmHost: host(),
	}))
	if err != nil {
		return fmt.Errorf("organizations: %w", err)
	}
	if found := organizations.Msg.GetOrganizations(); len(found) != 1 || found[0].GetName() != "octo-org" {
		return fmt.Errorf("organizations: %v", found)
	}
	return nil
}

// validate tries a right and a wrong client secret.
func (w *walk) validate() error {
	for secret, expected := range map[string]bool{clientSecret: true, "another secret": false} {
		id := clientID
		trial := &v1.ValidateRunnerConfigurationRequest_ValidateSCMIntegration{
			ScmId: "github", Host: host(), OauthClientId: &id,
			OauthClientSecret: &v1.ValidateRunnerConfigurationRequest_ValidateSCMIntegration_OauthPlaintextClientSecret{
				OauthPlaintextClientSecret: secret,
			},
		}
		answer, err := w.client.ValidateRunnerConfiguration(w.context, connect.NewRequest(&v1.ValidateRunnerConfigurationRequest{
			RunnerId: w.runner,
			Config:   &v1.ValidateRunnerConfigurationRequest_ScmIntegration{ScmIntegration: trial},
		}))
		if err != nil {
			return fmt.Errorf("validate: %w", err)
		}
		result := answer.Msg.GetScmIntegration()
		if result.GetValid() != expected || (result.GetOauthError() == "") != expected {
			return fmt.Errorf("validate: %v", result)
		}
	}
	return nil
}

// readLog reads the agent's log with a token made for it.
func (w *walk) readLog() error {
	made, err := w.live.CreateRunnerLogsToken(w.context, connect.NewRequest(&v1.CreateRunnerLogsTokenRequest{RunnerId: w.runner}))
	if err != nil {
		return fmt.Errorf("logs token: %w", err)
	}
	runner, err := w.live.GetRunner(w.context, connect.NewRequest(&v1.GetRunnerRequest{RunnerId: w.runner}))
	if err != nil {
		return fmt.Errorf("get runner: %w", err)
	}
	request, err := http.NewRequestWithContext(w.context, http.MethodGet, runner.Msg.GetRunner().GetStatus().GetLogUrl(), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+made.Msg.GetAccessToken())
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("log: %s", answer.Status)
	}
	return nil
}
