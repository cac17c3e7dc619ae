//! `sealink.v1.RunnerKeyService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, page_answer, page_ask, parts},
    },
    domain::{
        access::Audience,
        id::{RegistrationId, RunnerId},
        secret::Kid,
    },
    pb::sealink::v1::{
        ApproveKeyRequest, ApproveKeyResponse, BeginKeyRegistrationRequest, BeginKeyRegistrationResponse,
        CompleteKeyRegistrationRequest, CompleteKeyRegistrationResponse, ListKeysRequest, ListKeysResponse,
        ListSecretsRequest, ListSecretsResponse, ListSecretsToResealRequest, ListSecretsToResealResponse,
        ResealSecretRequest, ResealSecretResponse, RevokeKeyRequest, RevokeKeyResponse,
        runner_key_service_server::RunnerKeyService,
    },
    service::Proof,
};

#[tonic::async_trait]
impl RunnerKeyService for Api {
    async fn begin_key_registration(
        &self,
        request: Request<BeginKeyRegistrationRequest>,
    ) -> Reply<BeginKeyRegistrationResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let runner = RunnerId::parse("runner_id", &request.runner_id)?;
        let begun = self.service.begin_key_registration(&caller, runner, request.public_key).await?;
        Ok(Response::new(BeginKeyRegistrationResponse {
            registration_id: begun.id.to_string(),
            challenge_new: begun.challenge_new,
            challenge_old: begun.challenge_old,
        }))
    }

    async fn complete_key_registration(
        &self,
        request: Request<CompleteKeyRegistrationRequest>,
    ) -> Reply<CompleteKeyRegistrationResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let proof = Proof {
            id: RegistrationId::parse("registration_id", &request.registration_id)?,
            answer_new: request.answer_new,
            answer_old: request.answer_old,
        };
        let (kid, state) = self.service.complete_key_registration(&caller, proof).await?;
        let state = convert::key_state(state).into();
        Ok(Response::new(CompleteKeyRegistrationResponse { kid: kid.0, state }))
    }

    async fn list_keys(&self, request: Request<ListKeysRequest>) -> Reply<ListKeysResponse> {
        let (caller, request) = parts(request, Audience::Everyone)?;
        let runner = RunnerId::parse("runner_id", &request.runner_id)?;
        let listing = self.service.runner_keys(&caller, runner, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListKeysResponse {
            keys: listing.rows.into_iter().map(convert::runner_key).collect(),
            pagination: Some(page_answer(listing.next_token)),
        }))
    }

    async fn approve_key(&self, request: Request<ApproveKeyRequest>) -> Reply<ApproveKeyResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let key = self.service.approve_key(&caller, Kid::parse("kid", request.kid)?).await?;
        Ok(Response::new(ApproveKeyResponse { key: Some(convert::runner_key(key)) }))
    }

    async fn revoke_key(&self, request: Request<RevokeKeyRequest>) -> Reply<RevokeKeyResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let kid = Kid::parse("kid", request.kid)?;
        let (key, wiped_secrets) = self.service.revoke_key(&caller, kid, request.reason).await?;
        Ok(Response::new(RevokeKeyResponse { key: Some(convert::runner_key(key)), wiped_secrets }))
    }

    async fn list_secrets(&self, request: Request<ListSecretsRequest>) -> Reply<ListSecretsResponse> {
        let (caller, request) = parts(request, Audience::Users)?;
        let runner = RunnerId::parse("runner_id", &request.runner_id)?;
        let listing = self.service.secrets(&caller, runner, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListSecretsResponse {
            secrets: listing.rows.into_iter().map(convert::sealed_secret).collect(),
            pagination: Some(page_answer(listing.next_token)),
        }))
    }

    async fn list_secrets_to_reseal(
        &self,
        request: Request<ListSecretsToResealRequest>,
    ) -> Reply<ListSecretsToResealResponse> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let runner = RunnerId::parse("runner_id", &request.runner_id)?;
        let listing = self.service.secrets_to_reseal(&caller, runner, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListSecretsToResealResponse {
            secrets: listing.rows.into_iter().map(convert::secret_to_reseal).collect(),
            pagination: Some(page_answer(listing.next_token)),
        }))
    }

    async fn reseal_secret(&self, request: Request<ResealSecretRequest>) -> Reply<ResealSecretResponse> {
        let (caller, request) = parts(request, Audience::Runners)?;
        let version = self.service.reseal(&caller, request.try_into()?).await?;
        Ok(Response::new(ResealSecretResponse { version }))
    }
}
