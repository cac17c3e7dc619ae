//! What `gitpod.v1.RunnerService` passes on to live agents.
use tonic::{Request, Response, Status};

use super::{Api, live::mismatched};
use crate::{
    api::{
        convert,
        request::{Reply, parts},
    },
    domain::{access::Audience, id::RunnerId},
    pb::{
        gitpod::v1::{
            CheckAuthenticationForHostRequest, CheckAuthenticationForHostResponse,
            CheckRepositoryAccessRequest, CheckRepositoryAccessResponse, ListScmOrganizationsRequest,
            ListScmOrganizationsResponse, ParseContextUrlRequest, ParseContextUrlResponse,
            SearchRepositoriesRequest, SearchRepositoriesResponse,
        },
        sealink::v1::{
            CheckAuthenticationForHostCall, CheckRepositoryAccessCall, ListScmOrganizationsCall,
            ParseContextUrlCall, SearchRepositoriesCall, send_response_request::Result as Answer,
            watch_requests_response::Call as Question,
        },
    },
    service::LiveHost,
};

impl Api {
    pub(super) async fn ask_authentication(
        &self,
        request: Request<CheckAuthenticationForHostRequest>,
    ) -> Reply<CheckAuthenticationForHostResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let LiveHost { runner, integration } = self.service.live_host(&caller, id, &request.host).await?;
        let question = Question::CheckAuthenticationForHost(CheckAuthenticationForHostCall {
            caller: self.live_caller(&caller, id, Some(&request.host)).await?,
            integration: Some(convert::configured(&integration, &runner)),
        });
        match self.ask(Some(&caller), &runner, question).await? {
            Answer::CheckAuthenticationForHost(result) => {
                let link = self.service.oauth_link(&caller, &integration).await?;
                let told = result.response.unwrap_or_default();
                Ok(Response::new(convert::authentication(told, &integration, link)))
            }
            _ => Err(mismatched()),
        }
    }

    pub(super) async fn ask_context(
        &self,
        request: Request<ParseContextUrlRequest>,
    ) -> Reply<ParseContextUrlResponse> {
        let (caller, mut request) = parts(request, Audience::Users)?;
        if request.runner_id.is_empty() {
            let runners = self.service.runners_for_url(&caller, &request.context_url).await?;
            let [runner] = runners[..] else { return Err(convert::choose_runner(&runners)) };
            request.runner_id = runner.to_string();
        }
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let runner = self.service.live_runner(&caller, id).await?;
        let url = request.context_url.clone();
        let on_behalf = self.live_caller(&caller, id, None).await?;
        let question =
            Question::ParseContextUrl(ParseContextUrlCall { caller: on_behalf, request: Some(request) });
        match self.ask(Some(&caller), &runner, question).await? {
            Answer::ParseContextUrl(result) => {
                Ok(Response::new(convert::context(result.response.unwrap_or_default(), url)))
            }
            _ => Err(mismatched()),
        }
    }

    pub(super) async fn ask_repositories(
        &self,
        request: Request<SearchRepositoriesRequest>,
    ) -> Reply<SearchRepositoriesResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        self.service.runner(&caller, id).await?;
        let request = convert::search(request)?;
        let runner = self.service.live_runner(&caller, id).await?;
        let on_behalf = self.live_caller(&caller, id, None).await?;
        let question = Question::SearchRepositories(SearchRepositoriesCall {
            caller: on_behalf,
            request: Some(request),
        });
        match self.ask(Some(&caller), &runner, question).await? {
            Answer::SearchRepositories(result) => {
                Ok(Response::new(convert::found(result.response.unwrap_or_default())))
            }
            _ => Err(mismatched()),
        }
    }

    pub(super) async fn ask_organizations(
        &self,
        request: Request<ListScmOrganizationsRequest>,
    ) -> Reply<ListScmOrganizationsResponse> {
        let (caller, mut request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let live = self.service.live_host(&caller, id, &request.scm_host).await?;
        convert::default_page_size(&mut request.pagination);
        let on_behalf = self.live_caller(&caller, id, None).await?;
        let question = Question::ListScmOrganizations(ListScmOrganizationsCall {
            caller: on_behalf,
            request: Some(request),
        });
        match self.ask(Some(&caller), &live.runner, question).await? {
            Answer::ListScmOrganizations(result) => Ok(Response::new(result.response.unwrap_or_default())),
            _ => Err(mismatched()),
        }
    }

    pub(super) async fn ask_access(
        &self,
        request: Request<CheckRepositoryAccessRequest>,
    ) -> Result<Response<CheckRepositoryAccessResponse>, Status> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = RunnerId::parse("runner_id", &request.runner_id)?;
        let runner = self.service.live_runner(&caller, id).await?;
        let on_behalf = self.live_caller(&caller, id, None).await?;
        let question = Question::CheckRepositoryAccess(CheckRepositoryAccessCall {
            caller: on_behalf,
            request: Some(request),
        });
        match self.ask(Some(&caller), &runner, question).await? {
            Answer::CheckRepositoryAccess(result) => Ok(Response::new(result.response.unwrap_or_default())),
            _ => Err(mismatched()),
        }
    }
}
