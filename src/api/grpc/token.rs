//! `sealink.v1.TokenService`.
use std::time::Duration;

use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, page_answer, page_ask, parts},
    },
    domain::{access::Audience, id::UserId, token::TokenId},
    error::{Error, Result},
    pb::sealink::v1::{
        CreateTokenRequest, CreateTokenResponse, ListTokensRequest, ListTokensResponse, RevokeTokenRequest,
        RevokeTokenResponse, token_service_server::TokenService,
    },
    service::{TokenRequest, TokenSubject},
};

#[tonic::async_trait]
impl TokenService for Api {
    async fn create_token(&self, request: Request<CreateTokenRequest>) -> Reply<CreateTokenResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let named = |id: String| Some(id).filter(|id| !id.is_empty());
        let owner = owner(named(request.user_id), named(request.service_account_id))?;
        let issued = self
            .service
            .create_token(
                &caller,
                TokenRequest {
                    owner,
                    description: request.description,
                    valid_for: request.valid_for.map(duration).transpose()?,
                    read_only: request.read_only,
                },
            )
            .await?;
        let api_token = Some(convert::api_token(issued.row));
        Ok(Response::new(CreateTokenResponse { token: issued.text.to_string(), api_token }))
    }

    async fn list_tokens(&self, request: Request<ListTokensRequest>) -> Reply<ListTokensResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let of = owner(request.user_id, request.service_account_id)?;
        let listing = self.service.tokens(&caller, of, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListTokensResponse {
            tokens: listing.rows.into_iter().map(convert::api_token).collect(),
            pagination: Some(page_answer(listing.next_token)),
        }))
    }

    async fn revoke_token(&self, request: Request<RevokeTokenRequest>) -> Reply<RevokeTokenResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let id = TokenId::parse("token_id", request.token_id)?;
        self.service.revoke_token(&caller, id).await?;
        Ok(Response::new(RevokeTokenResponse {}))
    }
}

fn owner(user: Option<String>, service_account: Option<String>) -> Result<Option<TokenSubject>> {
    const ACCOUNT: &str = "service_account_id";
    match (user, service_account) {
        (None, None) => Ok(None),
        (Some(id), None) => UserId::parse("user_id", &id).map(|id| Some(TokenSubject::User(id))),
        (None, Some(id)) => UserId::parse(ACCOUNT, &id).map(|id| Some(TokenSubject::ServiceAccount(id))),
        (Some(_), Some(_)) => {
            Err(Error::invalid(ACCOUNT, "sealink.token", "value must not be set together with user_id"))
        }
    }
}

fn duration(duration: pbjson_types::Duration) -> Result<Duration> {
    let parts = u64::try_from(duration.seconds).ok().zip(u32::try_from(duration.nanos).ok());
    parts
        .filter(|(_, nanos)| *nanos < 1_000_000_000)
        .map(|(seconds, nanos)| Duration::new(seconds, nanos))
        .ok_or_else(|| Error::invalid("valid_for", "sealink.token_life", "value must be a positive duration"))
}
