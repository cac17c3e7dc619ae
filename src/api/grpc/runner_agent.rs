//! `sealink.v1.RunnerAgentService`.
use futures_util::future::BoxFuture;
use prost::Message;
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, deferred_parts, parts},
        streams::{Events, Owner, Source, events},
    },
    domain::{
        access::Audience,
        id::{AgentId, CallId},
        liveness::HEARTBEAT,
    },
    error::Result,
    pb::sealink::v1::{
        GetConfigurationRequest, GetConfigurationResponse, HeartbeatRequest, HeartbeatResponse,
        SendResponseRequest, SendResponseResponse, UpdateConfigurationSchemaRequest,
        UpdateConfigurationSchemaResponse, UpdateStatusRequest, UpdateStatusResponse,
        WatchConfigurationRequest, WatchConfigurationResponse, WatchRequestsRequest, WatchRequestsResponse,
        runner_agent_service_server::RunnerAgentService,
    },
    service::{Content, KnownConfiguration, Objects, Requests, Snapshot, Watch},
};

impl Source for Watch {
    type Item = WatchConfigurationResponse;

    fn next(&mut self) -> BoxFuture<'_, Result<Self::Item>> {
        Box::pin(async move { Ok(convert::watched(self.epoch, &Watch::next(self).await?)) })
    }
}

impl Source for Requests {
    type Item = WatchRequestsResponse;

    fn next(&mut self) -> BoxFuture<'_, Result<Self::Item>> {
        Box::pin(async move { convert::request(Requests::next(self).await?) })
    }
}

fn snapshot_response(epoch: String, snapshot: &Snapshot) -> GetConfigurationResponse {
    let Snapshot { runner, objects } = snapshot;
    let Objects { integrations, classes, llm_integrations } = &**objects;
    let llm = llm_integrations.iter().cloned();
    GetConfigurationResponse {
        epoch,
        revision: runner.revision,
        unchanged: false,
        runner_id: runner.id.to_string(),
        integrations: integrations.iter().map(|one| convert::configured(one, runner)).collect(),
        spec: Some(convert::runner_spec(runner)),
        environment_classes: classes.iter().cloned().map(convert::environment_class).collect(),
        llm_integrations: llm.map(|one| convert::configured_llm(one, runner)).collect(),
        honeycomb_kid: convert::kid(runner.honeycomb_key.as_ref()),
    }
}

#[tonic::async_trait]
impl RunnerAgentService for Api {
    async fn get_configuration(
        &self,
        request: Request<GetConfigurationRequest>,
    ) -> Reply<GetConfigurationResponse> {
        let (token, request) = deferred_parts(request)?;
        let known = KnownConfiguration { epoch: request.epoch, revision: request.known_revision };
        let configuration = self.service.configuration(token.settle(), &known).await?;
        let epoch = configuration.epoch.to_string();
        Ok(Response::new(match configuration.content {
            Content::Unchanged(revision) => GetConfigurationResponse {
                epoch,
                revision,
                unchanged: true,
                ..GetConfigurationResponse::default()
            },
            Content::Snapshot(snapshot) => snapshot_response(epoch, &snapshot),
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

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Reply<HeartbeatResponse> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let agent = AgentId::parse("agent_id", &request.agent_id)?;
        let pulse = self.service.heartbeat(&caller, agent).await?;
        Ok(Response::new(HeartbeatResponse {
            phase: convert::phase(pulse.phase).into(),
            revision: pulse.runner.revision,
            active_kid: pulse.runner.active_key.map(|key| key.kid.0).unwrap_or_default(),
            interval: Some(HEARTBEAT.into()),
        }))
    }

    async fn update_status(&self, request: Request<UpdateStatusRequest>) -> Reply<UpdateStatusResponse> {
        let (caller, request) = parts(request, Audience::Runners)?;
        self.service.update_status(&caller, request.try_into()?).await?;
        Ok(Response::new(UpdateStatusResponse {}))
    }

    type WatchConfigurationStream = Events<WatchConfigurationResponse>;
    type WatchRequestsStream = Events<WatchRequestsResponse>;

    async fn watch_configuration(
        &self,
        request: Request<WatchConfigurationRequest>,
    ) -> Reply<Self::WatchConfigurationStream> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let place = self
            .lane
            .enter(Owner::Agent(caller.runner()?, AgentId::parse("agent_id", &request.agent_id)?))?;
        let known = KnownConfiguration { epoch: request.epoch, revision: request.after_revision };
        let watch = self.service.watch_configuration(&caller, &known).await?;
        Ok(Response::new(events(watch, place, &self.health)))
    }

    async fn watch_requests(
        &self,
        request: Request<WatchRequestsRequest>,
    ) -> Reply<Self::WatchRequestsStream> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let agent = AgentId::parse("agent_id", &request.agent_id)?;
        let place = self.lane.enter(Owner::Agent(caller.runner()?, agent))?;
        let requests = self.service.watch_requests(&caller, agent, request.capacity).await?;
        Ok(Response::new(events(requests, place, &self.health)))
    }

    async fn send_response(&self, request: Request<SendResponseRequest>) -> Reply<SendResponseResponse> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let id = CallId::parse("request_id", &request.request_id)?;
        let kind = convert::kind_of_answer(request.result.as_ref())?;
        let refreshed = convert::refreshed(request.result.as_ref())?;
        self.service.send_response(&caller, id, (kind, request.encode_to_vec()), refreshed).await?;
        Ok(Response::new(SendResponseResponse {}))
    }
}
