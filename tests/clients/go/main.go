// Command walk is a connect-go client generated from proto/: what Go programs, among them the API's official
// Terraform provider, speak. It takes the same walk as python/walk.py.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"connectrpc.com/connect"

	v1 "sealink.test/clients/gen/gitpod/v1"
	"sealink.test/clients/gen/gitpod/v1/gitpodv1connect"
)

const (
	count    = 7
	pageSize = 2
)

type walk struct {
	context context.Context
	client  gitpodv1connect.RunnerConfigurationServiceClient
	live    gitpodv1connect.RunnerServiceClient
	runner  string
	secrets map[string]string
	ids     []string
}

func main() {
	options := map[string][]connect.ClientOption{
		"connect":      {},
		"connect-gzip": {connect.WithSendGzip()},
		"connect-get":  {connect.WithHTTPGet()},
		"connect-json": {connect.WithProtoJSON()},
		"grpc":         {connect.WithGRPC()},
		"grpc-web":     {connect.WithGRPCWeb()},
	}
	mode := "connect"
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	chosen, known := options[mode]
	if !known {
		fail(fmt.Errorf("unknown mode %q", mode))
	}
	transport := http.DefaultClient
	if mode == "grpc" {
		transport = h2c()
	}
	chosen = append(chosen, connect.WithInterceptors(bearer(os.Getenv("SEALINK_TOKEN"))))
	deadline, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w := &walk{
		context: deadline,
		client:  gitpodv1connect.NewRunnerConfigurationServiceClient(transport, os.Getenv("SEALINK_URL")+"/api", chosen...),
		runner:  os.Getenv("SEALINK_RUNNER"),
		secrets: map[string]string{},
	}
	steps := []func() error{w.create, w.list, w.update, w.delete, w.store}
	if len(os.Args) > 2 && os.Args[2] == "live" {
		w.live = gitpodv1connect.NewRunnerServiceClient(transport, os.Getenv("SEALINK_URL")+"/api", chosen...)
		steps = []func() error{w.authenticate, w.ask, w.validate, w.readLog}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			fail(err)
		}
	}
}

func (w *walk) create() error {
	for number := range count {
		clientID, secret := fmt.Sprintf("client-%d", number), fmt.Sprintf("secret %d of %s – é", number, w.runner)
		answer, err := w.client.CreateSCMIntegration(w.context, connect.NewRequest(&v1.CreateSCMIntegrationRequest{
			RunnerId:                   w.runner,
			ScmId:                      "github",
			Host:                       fmt.Sprintf("git-%d.example.com", number),
			OauthClientId:              &clientID,
			OauthPlaintextClientSecret: &secret,
		}))
		if err != nil {
			return fmt.Errorf("create: %w", err)
		}
		w.ids = append(w.ids, answer.Msg.GetId())
		w.secrets[answer.Msg.GetId()] = secret
	}
	first, err := w.get(w.ids[0])
	if err != nil {
		return err
	}
	oauth := first.GetOauth()
	if first.GetHost() != "git-0.example.com" || oauth.GetClientId() != "client-0" || len(oauth.GetEncryptedClientSecret()) == 0 {
		return fmt.Errorf("get: %v", first)
	}
	return nil
}

func (w *walk) get(id string) (*v1.SCMIntegration, error) {
	answer, err := w.client.GetSCMIntegration(w.context, connect.NewRequest(&v1.GetSCMIntegrationRequest{Id: id}))
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	return answer.Msg.GetIntegration(), nil
}

func (w *walk) list() error {
	request := &v1.ListSCMIntegrationsRequest{
		Pagination: &v1.PaginationRequest{PageSize: pageSize},
		Filter:     &v1.ListSCMIntegrationsRequest_Filter{RunnerIds: []string{w.runner}},
	}
	var listed []string
	for pages := 1; ; pages++ {
		answer, err := w.client.ListSCMIntegrations(w.context, connect.NewRequest(request))
		if err != nil {
			return fmt.Errorf("page %d: %w", pages, err)
		}
		for _, integration := range answer.Msg.GetIntegrations() {
			listed = append(listed, integration.GetId())
		}
		request.Pagination.Token = answer.Msg.GetPagination().GetNextToken()
		if request.Pagination.Token != "" {
			continue
		}
		if expected := (count + pageSize - 1) / pageSize; pages != expected {
			return fmt.Errorf("%d pages, expected %d", pages, expected)
		}
		break
	}
	created := slices.Sorted(slices.Values(w.ids))
	if slices.Sort(listed); !slices.Equal(listed, created) {
		return fmt.Errorf("listed %v, created %v", listed, created)
	}
	return nil
}

func (w *walk) update() error {
	before, err := w.get(w.ids[0])
	if err != nil {
		return err
	}
	secret, pat := "rotated, of "+w.runner, true
	_, err = w.client.UpdateSCMIntegration(w.context, connect.NewRequest(&v1.UpdateSCMIntegrationRequest{
		Id:                         w.ids[0],
		OauthPlaintextClientSecret: &secret,
		Pat:                        &pat,
	}))
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	w.secrets[w.ids[0]] = secret
	after, err := w.get(w.ids[0])
	if err != nil {
		return err
	}
	sealed := after.GetOauth().GetEncryptedClientSecret()
	if !after.GetPat() || bytes.Equal(sealed, before.GetOauth().GetEncryptedClientSecret()) {
		return fmt.Errorf("update: %v", after)
	}
	return nil
}

func (w *walk) delete() error {
	gone := w.ids[count-1]
	remove := func() error {
		_, err := w.client.DeleteSCMIntegration(w.context, connect.NewRequest(&v1.DeleteSCMIntegrationRequest{Id: gone}))
		return err
	}
	if err := remove(); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	delete(w.secrets, gone)
	if err := remove(); connect.CodeOf(err) != connect.CodeNotFound {
		return fmt.Errorf("second delete: %w", err)
	}
	var failure *connect.Error
	if _, err := w.get(gone); !errors.As(err, &failure) || failure.Code() != connect.CodeNotFound {
		return fmt.Errorf("get of a deleted integration: %w", err)
	}
	return nil
}

func (w *walk) store() error {
	stored, err := json.Marshal(w.secrets)
	if err != nil {
		return err
	}
	return os.WriteFile(os.Getenv("SEALINK_STORED"), stored, 0o600)
}

func bearer(token string) connect.UnaryInterceptorFunc {
	return func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
			request.Header().Set("Authorization", "Bearer "+token)
			return next(ctx, request)
		}
	}
}

// h2c speaks HTTP/2 without TLS from the first byte.
func h2c() *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: &protocols}}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "walk:", err)
	os.Exit(1)
}
