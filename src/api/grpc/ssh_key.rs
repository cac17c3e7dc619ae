//! `sealink.v1.SshKeyService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, parts},
    },
    domain::access::Audience,
    pb::sealink::v1::{
        ListAuthorizedKeysRequest, ListAuthorizedKeysResponse, ssh_key_service_server::SshKeyService,
    },
};

#[tonic::async_trait]
impl SshKeyService for Api {
    async fn list_authorized_keys(
        &self,
        request: Request<ListAuthorizedKeysRequest>,
    ) -> Reply<ListAuthorizedKeysResponse> {
        let (caller, request) = parts(request, Audience::KeyReaders)?;
        let keys = self.service.authorized_keys(&caller, &request.user).await?;
        Ok(Response::new(ListAuthorizedKeysResponse {
            keys: keys.into_iter().map(convert::authorized_key).collect(),
        }))
    }
}
