//! `sealink.v1.RunnerAgentService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, parts},
    },
    domain::access::Audience,
    pb::sealink::v1::{
        GetConfigurationRequest, GetConfigurationResponse, UpdateConfigurationSchemaRequest,
        UpdateConfigurationSchemaResponse, runner_agent_service_server::RunnerAgentService,
    },
    service::{Content, KnownConfiguration},
};

#[tonic::async_trait]
impl RunnerAgentService for Api {
    async fn get_configuration(
        &self,
        request: Request<GetConfigurationRequest>,
    ) -> Reply<GetConfigurationResponse> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let known = KnownConfiguration { epoch: request.epoch, revision: request.known_revision };
        let configuration = self.service.configuration(&caller, &known).await?;
        let epoch = configuration.epoch.to_string();
        Ok(Response::new(match configuration.content {
            Content::Unchanged(revision) => GetConfigurationResponse {
                epoch,
                revision,
                unchanged: true,
                ..GetConfigurationResponse::default()
            },
            Content::Snapshot(runner, integrations) => GetConfigurationResponse {
                epoch,
                revision: runner.revision,
                unchanged: false,
                runner_id: runner.id.to_string(),
                integrations: integrations.into_iter().map(|one| convert::configured(one, &runner)).collect(),
                spec: Some(convert::runner_spec(&runner)),
                honeycomb_kid: runner.honeycomb_key.map(|sealed| sealed.kid.0).unwrap_or_default(),
            },
        }))
    }

    async fn update_configuration_schema(
        &self,
        request: Request<UpdateConfigurationSchemaRequest>,
    ) -> Reply<UpdateConfigurationSchemaResponse> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let schema = request.schema.unwrap_or_default().try_into()?;
        self.service.report_schema(&caller, schema).await?;
        Ok(Response::new(UpdateConfigurationSchemaResponse {}))
    }
}
