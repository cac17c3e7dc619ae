//! `gitpod.v1.IdentityService`.
use tonic::{Request, Response};

use super::{Api, not_yet};
use crate::{
    api::{
        convert,
        request::{Reply, checked, parts},
    },
    domain::access::Audience,
    pb::gitpod::v1::{
        ExchangeTokenRequest, ExchangeTokenResponse, GetAuthenticatedIdentityRequest,
        GetAuthenticatedIdentityResponse, GetIdTokenRequest, GetIdTokenResponse,
        identity_service_server::IdentityService,
    },
};

/// The API leaves the tier's text free.
const TIER: &str = "self-hosted";

#[tonic::async_trait]
impl IdentityService for Api {
    async fn get_authenticated_identity(
        &self,
        request: Request<GetAuthenticatedIdentityRequest>,
    ) -> Reply<GetAuthenticatedIdentityResponse> {
        let (caller, _) = parts(request, Audience::Everyone)?;
        Ok(Response::new(GetAuthenticatedIdentityResponse {
            subject: Some(convert::subject(caller.principal)),
            organization_id: caller.organization.to_string(),
            organization_tier: TIER.to_owned(),
        }))
    }

    async fn exchange_token(&self, request: Request<ExchangeTokenRequest>) -> Reply<ExchangeTokenResponse> {
        let ExchangeTokenRequest { exchange_token } = checked(request)?;
        let access_token = self.service.exchange_token(&zeroize::Zeroizing::new(exchange_token)).await?;
        Ok(Response::new(ExchangeTokenResponse { access_token: access_token.to_string() }))
    }

    async fn get_id_token(&self, _: Request<GetIdTokenRequest>) -> Reply<GetIdTokenResponse> {
        Err(not_yet().into())
    }
}
