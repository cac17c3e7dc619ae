//! `gitpod.v1.RunnerConfigurationService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, deferred_parts, page_answer, page_ask, parts},
    },
    domain::{
        access::Audience,
        host_token::HostTokenPatch,
        id::{EnvironmentClassId, HostTokenId, IntegrationId, LlmIntegrationId, RunnerId},
        integration_patch::Patch,
        llm_integration::LlmPatch,
    },
    error::Result,
    pb::gitpod::v1::{
        CreateEnvironmentClassRequest, CreateEnvironmentClassResponse, CreateHostAuthenticationTokenRequest,
        CreateHostAuthenticationTokenResponse, CreateLlmIntegrationRequest, CreateLlmIntegrationResponse,
        CreateScmIntegrationRequest, CreateScmIntegrationResponse, DeleteHostAuthenticationTokenRequest,
        DeleteHostAuthenticationTokenResponse, DeleteLlmIntegrationRequest, DeleteLlmIntegrationResponse,
        DeleteScmIntegrationRequest, DeleteScmIntegrationResponse, GetEnvironmentClassRequest,
        GetEnvironmentClassResponse, GetHostAuthenticationTokenRequest, GetHostAuthenticationTokenResponse,
        GetLlmIntegrationRequest, GetLlmIntegrationResponse, GetRunnerConfigurationSchemaRequest,
        GetRunnerConfigurationSchemaResponse, GetScmIntegrationRequest, GetScmIntegrationResponse,
        ListEnvironmentClassesRequest, ListEnvironmentClassesResponse, ListHostAuthenticationTokensRequest,
        ListHostAuthenticationTokensResponse, ListLlmIntegrationsRequest, ListLlmIntegrationsResponse,
        ListScmIntegrationsRequest, ListScmIntegrationsResponse, UpdateEnvironmentClassRequest,
        UpdateEnvironmentClassResponse, UpdateHostAuthenticationTokenRequest,
        UpdateHostAuthenticationTokenResponse, UpdateLlmIntegrationRequest, UpdateLlmIntegrationResponse,
        UpdateScmIntegrationRequest, UpdateScmIntegrationResponse, ValidateRunnerConfigurationRequest,
        ValidateRunnerConfigurationResponse, runner_configuration_service_server::RunnerConfigurationService,
    },
};

#[tonic::async_trait]
impl RunnerConfigurationService for Api {
    async fn create_scm_integration(
        &self,
        request: Request<CreateScmIntegrationRequest>,
    ) -> Reply<CreateScmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = self.service.create_integration(&caller, request.try_into()?).await?;
        Ok(Response::new(CreateScmIntegrationResponse { id: id.to_string() }))
    }

    async fn get_scm_integration(
        &self,
        request: Request<GetScmIntegrationRequest>,
    ) -> Reply<GetScmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let id = IntegrationId::parse("id", &request.id)?;
        let integration = convert::integration(self.service.integration(&caller, id).await?);
        Ok(Response::new(GetScmIntegrationResponse { integration: Some(integration) }))
    }

    async fn list_scm_integrations(
        &self,
        request: Request<ListScmIntegrationsRequest>,
    ) -> Reply<ListScmIntegrationsResponse> {
        let (token, request) = deferred_parts(request)?;
        let (runners, ask) =
            (parse_runner_ids(&request.filter.unwrap_or_default().runner_ids)?, page_ask(request.pagination));
        let listing = self.service.integrations(token.settle(), runners, &ask).await?;
        Ok(Response::new(ListScmIntegrationsResponse {
            pagination: Some(page_answer(listing.next_token)),
            integrations: listing.rows.into_iter().map(convert::integration).collect(),
        }))
    }

    async fn update_scm_integration(
        &self,
        request: Request<UpdateScmIntegrationRequest>,
    ) -> Reply<UpdateScmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = IntegrationId::parse("id", &request.id)?;
        // Who may not change the integration learns nothing about its request.
        self.service.may_change_integration(&caller, id).await?;
        self.service.update_integration(&caller, id, &Patch::try_from(request)?).await?;
        Ok(Response::new(UpdateScmIntegrationResponse {}))
    }

    async fn delete_scm_integration(
        &self,
        request: Request<DeleteScmIntegrationRequest>,
    ) -> Reply<DeleteScmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        self.service.delete_integration(&caller, IntegrationId::parse("id", &request.id)?).await?;
        Ok(Response::new(DeleteScmIntegrationResponse {}))
    }

    async fn create_environment_class(
        &self,
        request: Request<CreateEnvironmentClassRequest>,
    ) -> Reply<CreateEnvironmentClassResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = self.service.create_environment_class(&caller, request.try_into()?).await?;
        Ok(Response::new(CreateEnvironmentClassResponse { id: id.to_string() }))
    }

    async fn get_environment_class(
        &self,
        request: Request<GetEnvironmentClassRequest>,
    ) -> Reply<GetEnvironmentClassResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let id = EnvironmentClassId::parse("environment_class_id", &request.environment_class_id)?;
        let class = convert::environment_class(self.service.environment_class(&caller, id).await?);
        Ok(Response::new(GetEnvironmentClassResponse { environment_class: Some(class) }))
    }

    async fn list_environment_classes(
        &self,
        request: Request<ListEnvironmentClassesRequest>,
    ) -> Reply<ListEnvironmentClassesResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let (filter, ask) = (convert::class_filter(request.filter)?, page_ask(request.pagination));
        let listing = self.service.environment_classes(&caller, filter, &ask).await?;
        Ok(Response::new(ListEnvironmentClassesResponse {
            pagination: Some(page_answer(listing.next_token)),
            environment_classes: listing.rows.into_iter().map(convert::environment_class).collect(),
        }))
    }

    async fn update_environment_class(
        &self,
        request: Request<UpdateEnvironmentClassRequest>,
    ) -> Reply<UpdateEnvironmentClassResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = EnvironmentClassId::parse("environment_class_id", &request.environment_class_id)?;
        self.service.update_environment_class(&caller, id, request.into()).await?;
        Ok(Response::new(UpdateEnvironmentClassResponse {}))
    }

    async fn get_runner_configuration_schema(
        &self,
        request: Request<GetRunnerConfigurationSchemaRequest>,
    ) -> Reply<GetRunnerConfigurationSchemaResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let schema = convert::schema(self.service.runner_schema(&caller, id).await?);
        Ok(Response::new(GetRunnerConfigurationSchemaResponse { schema: Some(schema) }))
    }

    async fn validate_runner_configuration(
        &self,
        request: Request<ValidateRunnerConfigurationRequest>,
    ) -> Reply<ValidateRunnerConfigurationResponse> {
        self.validate(request).await
    }

    async fn create_host_authentication_token(
        &self,
        request: Request<CreateHostAuthenticationTokenRequest>,
    ) -> Reply<CreateHostAuthenticationTokenResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let token = convert::host_token(self.service.create_host_token(&caller, request.try_into()?).await?);
        Ok(Response::new(CreateHostAuthenticationTokenResponse { token: Some(token) }))
    }

    async fn get_host_authentication_token(
        &self,
        request: Request<GetHostAuthenticationTokenRequest>,
    ) -> Reply<GetHostAuthenticationTokenResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let id = HostTokenId::parse("id", &request.id)?;
        let token = convert::host_token(self.service.host_token(&caller, id).await?);
        Ok(Response::new(GetHostAuthenticationTokenResponse { token: Some(token) }))
    }

    async fn list_host_authentication_tokens(
        &self,
        request: Request<ListHostAuthenticationTokensRequest>,
    ) -> Reply<ListHostAuthenticationTokensResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let filter = convert::host_token_filter(request.filter.unwrap_or_default())?;
        let listing = self.service.host_tokens(&caller, filter, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListHostAuthenticationTokensResponse {
            pagination: Some(page_answer(listing.next_token)),
            tokens: listing.rows.into_iter().map(convert::host_token).collect(),
        }))
    }

    async fn update_host_authentication_token(
        &self,
        request: Request<UpdateHostAuthenticationTokenRequest>,
    ) -> Reply<UpdateHostAuthenticationTokenResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = HostTokenId::parse("id", &request.id)?;
        // Who may not see the token learns nothing about its request.
        self.service.host_token(&caller, id).await?;
        self.service.update_host_token(&caller, id, &HostTokenPatch::try_from(request)?).await?;
        Ok(Response::new(UpdateHostAuthenticationTokenResponse {}))
    }

    async fn delete_host_authentication_token(
        &self,
        request: Request<DeleteHostAuthenticationTokenRequest>,
    ) -> Reply<DeleteHostAuthenticationTokenResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        self.service.delete_host_token(&caller, HostTokenId::parse("id", &request.id)?).await?;
        Ok(Response::new(DeleteHostAuthenticationTokenResponse {}))
    }

    async fn create_llm_integration(
        &self,
        request: Request<CreateLlmIntegrationRequest>,
    ) -> Reply<CreateLlmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = self.service.create_llm_integration(&caller, request.try_into()?).await?;
        Ok(Response::new(CreateLlmIntegrationResponse { id: id.to_string() }))
    }

    async fn get_llm_integration(
        &self,
        request: Request<GetLlmIntegrationRequest>,
    ) -> Reply<GetLlmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let id = LlmIntegrationId::parse("id", &request.id)?;
        let integration = convert::llm_integration(self.service.llm_integration(&caller, id).await?);
        Ok(Response::new(GetLlmIntegrationResponse { integration: Some(integration) }))
    }

    async fn list_llm_integrations(
        &self,
        request: Request<ListLlmIntegrationsRequest>,
    ) -> Reply<ListLlmIntegrationsResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let runners = parse_runner_ids(&request.filter.unwrap_or_default().runner_ids)?;
        let listing = self.service.llm_integrations(&caller, runners, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListLlmIntegrationsResponse {
            pagination: Some(page_answer(listing.next_token)),
            integrations: listing.rows.into_iter().map(convert::llm_integration).collect(),
            ..ListLlmIntegrationsResponse::default()
        }))
    }

    async fn update_llm_integration(
        &self,
        request: Request<UpdateLlmIntegrationRequest>,
    ) -> Reply<UpdateLlmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = LlmIntegrationId::parse("id", &request.id)?;
        // Who may not see the integration learns nothing about its request.
        self.service.llm_integration(&caller, id).await?;
        self.service.update_llm_integration(&caller, id, &LlmPatch::try_from(request)?).await?;
        Ok(Response::new(UpdateLlmIntegrationResponse {}))
    }

    async fn delete_llm_integration(
        &self,
        request: Request<DeleteLlmIntegrationRequest>,
    ) -> Reply<DeleteLlmIntegrationResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = LlmIntegrationId::parse("id", &request.id)?;
        self.service.delete_llm_integration(&caller, id, request.force).await?;
        Ok(Response::new(DeleteLlmIntegrationResponse {}))
    }
}

fn parse_runner_ids(ids: &[String]) -> Result<Vec<RunnerId>> {
    let ids = ids.iter().enumerate();
    ids.map(|(index, id)| RunnerId::parse(&format!("filter.runner_ids[{index}]"), id)).collect()
}
