//! `sealink.v1.ServiceAccountService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, page_answer, page_ask, parts},
    },
    domain::{access::Audience, id::UserId, service_account::NewServiceAccount},
    pb::sealink::v1::{
        CreateServiceAccountRequest, CreateServiceAccountResponse, DisableServiceAccountRequest,
        DisableServiceAccountResponse, ListServiceAccountsRequest, ListServiceAccountsResponse,
        service_account_service_server::ServiceAccountService,
    },
};

#[tonic::async_trait]
impl ServiceAccountService for Api {
    async fn create_service_account(
        &self,
        request: Request<CreateServiceAccountRequest>,
    ) -> Reply<CreateServiceAccountResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let role = convert::user_role(request.role)?;
        let new = NewServiceAccount::parse(request.name, request.description, role)?;
        let account = self.service.create_service_account(&caller, new).await?;
        let service_account = Some(convert::service_account(account));
        Ok(Response::new(CreateServiceAccountResponse { service_account }))
    }

    async fn list_service_accounts(
        &self,
        request: Request<ListServiceAccountsRequest>,
    ) -> Reply<ListServiceAccountsResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let listing = self.service.service_accounts(&caller, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListServiceAccountsResponse {
            service_accounts: listing.rows.into_iter().map(convert::service_account).collect(),
            pagination: Some(page_answer(listing.next_token)),
        }))
    }

    async fn disable_service_account(
        &self,
        request: Request<DisableServiceAccountRequest>,
    ) -> Reply<DisableServiceAccountResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let id = UserId::parse("service_account_id", &request.service_account_id)?;
        let account = self.service.disable_service_account(&caller, id).await?;
        let service_account = Some(convert::service_account(account));
        Ok(Response::new(DisableServiceAccountResponse { service_account }))
    }
}
