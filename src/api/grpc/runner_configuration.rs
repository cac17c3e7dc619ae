//! `gitpod.v1.RunnerConfigurationService`.
use tonic::{Request, Response};

use super::{Api, later};
use crate::{
    api::{
        convert,
        request::{Reply, deferred_parts, page_answer, page_ask, parts},
    },
    domain::{
        access::Audience,
        id::{EnvironmentClassId, IntegrationId, RunnerId},
        integration_patch::Patch,
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
        ValidateRunnerConfigurationResponse, list_scm_integrations_request,
        runner_configuration_service_server::RunnerConfigurationService,
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
        let (runners, ask) = (runner_ids(&request.filter.unwrap_or_default())?, page_ask(request.pagination));
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
        // Who may not see the integration learns nothing about its request.
        self.service.integration(&caller, id).await?;
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

    later! {
        create_host_authentication_token(CreateHostAuthenticationTokenRequest)
            -> CreateHostAuthenticationTokenResponse;
        get_host_authentication_token(GetHostAuthenticationTokenRequest) -> GetHostAuthenticationTokenResponse;
        list_host_authentication_tokens(ListHostAuthenticationTokensRequest)
            -> ListHostAuthenticationTokensResponse;
        update_host_authentication_token(UpdateHostAuthenticationTokenRequest)
            -> UpdateHostAuthenticationTokenResponse;
        delete_host_authentication_token(DeleteHostAuthenticationTokenRequest)
            -> DeleteHostAuthenticationTokenResponse;
        validate_runner_configuration(ValidateRunnerConfigurationRequest) -> ValidateRunnerConfigurationResponse;
        create_llm_integration(CreateLlmIntegrationRequest) -> CreateLlmIntegrationResponse;
        get_llm_integration(GetLlmIntegrationRequest) -> GetLlmIntegrationResponse;
        list_llm_integrations(ListLlmIntegrationsRequest) -> ListLlmIntegrationsResponse;
        update_llm_integration(UpdateLlmIntegrationRequest) -> UpdateLlmIntegrationResponse;
        delete_llm_integration(DeleteLlmIntegrationRequest) -> DeleteLlmIntegrationResponse;
    }
}

fn runner_ids(filter: &list_scm_integrations_request::Filter) -> Result<Vec<RunnerId>> {
    let ids = filter.runner_ids.iter().enumerate();
    ids.map(|(index, id)| RunnerId::parse(&format!("filter.runner_ids[{index}]"), id)).collect()
}
