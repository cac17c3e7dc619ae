//! `gitpod.v1.RunnerService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, page_answer, page_ask, parts},
    },
    domain::{
        access::Audience,
        id::{GroupId, RunnerId},
        runner_patch::RunnerPatch,
    },
    pb::gitpod::v1::{
        CheckAuthenticationForHostRequest, CheckAuthenticationForHostResponse, CheckRepositoryAccessRequest,
        CheckRepositoryAccessResponse, CreateRunnerLogsTokenRequest, CreateRunnerLogsTokenResponse,
        CreateRunnerPolicyRequest, CreateRunnerPolicyResponse, CreateRunnerRequest, CreateRunnerResponse,
        CreateRunnerTokenRequest, CreateRunnerTokenResponse, DeleteRunnerPolicyRequest,
        DeleteRunnerPolicyResponse, DeleteRunnerRequest, DeleteRunnerResponse, GetRunnerRequest,
        GetRunnerResponse, ListRunnerPoliciesRequest, ListRunnerPoliciesResponse, ListRunnersRequest,
        ListRunnersResponse, ListScmOrganizationsRequest, ListScmOrganizationsResponse,
        ParseContextUrlRequest, ParseContextUrlResponse, SearchRepositoriesRequest,
        SearchRepositoriesResponse, UpdateRunnerPolicyRequest, UpdateRunnerPolicyResponse,
        UpdateRunnerRequest, UpdateRunnerResponse, runner_service_server::RunnerService,
    },
};

#[tonic::async_trait]
impl RunnerService for Api {
    async fn create_runner(&self, request: Request<CreateRunnerRequest>) -> Reply<CreateRunnerResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let created = self.service.create_runner(&caller, request.try_into()?).await?;
        Ok(Response::new(CreateRunnerResponse {
            runner: Some(convert::runner(&created.runner, self.service.view())),
            exchange_token: created.exchange_token.to_string(),
            ..CreateRunnerResponse::default()
        }))
    }

    async fn get_runner(&self, request: Request<GetRunnerRequest>) -> Reply<GetRunnerResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let runner = self.service.runner(&caller, RunnerId::parse("runner_id", &request.runner_id)?).await?;
        Ok(Response::new(GetRunnerResponse { runner: Some(convert::runner(&runner, self.service.view())) }))
    }

    async fn list_runners(&self, request: Request<ListRunnersRequest>) -> Reply<ListRunnersResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let filter = convert::runner_filter(request.filter)?;
        let listing = self.service.runners(&caller, filter, &page_ask(request.pagination)).await?;
        let view = self.service.view();
        Ok(Response::new(ListRunnersResponse {
            pagination: Some(page_answer(listing.next_token)),
            runners: listing.rows.iter().map(|runner| convert::runner(runner, view)).collect(),
        }))
    }

    async fn update_runner(&self, request: Request<UpdateRunnerRequest>) -> Reply<UpdateRunnerResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        // Who may not change the runner learns nothing about its request.
        self.service.may_change_runner(&caller, id).await?;
        self.service.update_runner(&caller, id, &RunnerPatch::try_from(request)?).await?;
        Ok(Response::new(UpdateRunnerResponse {}))
    }

    async fn delete_runner(&self, request: Request<DeleteRunnerRequest>) -> Reply<DeleteRunnerResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        self.service.delete_runner(&caller, RunnerId::parse("runner_id", &request.runner_id)?).await?;
        Ok(Response::new(DeleteRunnerResponse {}))
    }

    async fn create_runner_token(
        &self,
        request: Request<CreateRunnerTokenRequest>,
    ) -> Reply<CreateRunnerTokenResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let exchange_token = self.service.create_runner_token(&caller, id).await?.to_string();
        Ok(Response::new(CreateRunnerTokenResponse {
            exchange_token,
            ..CreateRunnerTokenResponse::default()
        }))
    }

    async fn parse_context_url(
        &self,
        request: Request<ParseContextUrlRequest>,
    ) -> Reply<ParseContextUrlResponse> {
        self.ask_context(request).await
    }

    async fn search_repositories(
        &self,
        request: Request<SearchRepositoriesRequest>,
    ) -> Reply<SearchRepositoriesResponse> {
        self.ask_repositories(request).await
    }

    async fn list_scm_organizations(
        &self,
        request: Request<ListScmOrganizationsRequest>,
    ) -> Reply<ListScmOrganizationsResponse> {
        self.ask_organizations(request).await
    }

    async fn check_authentication_for_host(
        &self,
        request: Request<CheckAuthenticationForHostRequest>,
    ) -> Reply<CheckAuthenticationForHostResponse> {
        self.ask_authentication(request).await
    }

    async fn check_repository_access(
        &self,
        request: Request<CheckRepositoryAccessRequest>,
    ) -> Reply<CheckRepositoryAccessResponse> {
        self.ask_access(request).await
    }

    async fn create_runner_logs_token(
        &self,
        request: Request<CreateRunnerLogsTokenRequest>,
    ) -> Reply<CreateRunnerLogsTokenResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let access_token = self.service.create_logs_token(&caller, id).await?.to_string();
        Ok(Response::new(CreateRunnerLogsTokenResponse { access_token }))
    }

    async fn list_runner_policies(
        &self,
        request: Request<ListRunnerPoliciesRequest>,
    ) -> Reply<ListRunnerPoliciesResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let (id, ask) = (RunnerId::parse("runner_id", &request.runner_id)?, page_ask(request.pagination));
        let listing = self.service.runner_policies(&caller, id, &ask).await?;
        Ok(Response::new(ListRunnerPoliciesResponse {
            pagination: Some(page_answer(listing.next_token)),
            policies: listing.rows.into_iter().map(convert::runner_policy).collect(),
        }))
    }

    async fn create_runner_policy(
        &self,
        request: Request<CreateRunnerPolicyRequest>,
    ) -> Reply<CreateRunnerPolicyResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let policy = self.service.create_runner_policy(&caller, request.try_into()?).await?;
        Ok(Response::new(CreateRunnerPolicyResponse { policy: Some(convert::runner_policy(policy)) }))
    }

    async fn update_runner_policy(
        &self,
        request: Request<UpdateRunnerPolicyRequest>,
    ) -> Reply<UpdateRunnerPolicyResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let policy = self.service.update_runner_policy(&caller, request.try_into()?).await?;
        Ok(Response::new(UpdateRunnerPolicyResponse { policy: Some(convert::runner_policy(policy)) }))
    }

    async fn delete_runner_policy(
        &self,
        request: Request<DeleteRunnerPolicyRequest>,
    ) -> Reply<DeleteRunnerPolicyResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let runner = RunnerId::parse("runner_id", &request.runner_id)?;
        let group = GroupId::parse("group_id", &request.group_id)?;
        self.service.delete_runner_policy(&caller, runner, group).await?;
        Ok(Response::new(DeleteRunnerPolicyResponse {}))
    }
}
