//! `sealink.v1.SshKeyService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, parts},
    },
    domain::{access::Audience, text::plain_text},
    pb::sealink::v1::{
        ListAuthorizedKeysRequest, ListAuthorizedKeysResponse, ssh_key_service_server::SshKeyService,
    },
};

/// A member's name has no more characters.
const LONGEST: usize = 63;

#[tonic::async_trait]
impl SshKeyService for Api {
    async fn list_authorized_keys(
        &self,
        request: Request<ListAuthorizedKeysRequest>,
    ) -> Reply<ListAuthorizedKeysResponse> {
        let (caller, request) = parts(request, Audience::KeyReaders)?;
        let user = plain_text("user", request.user, LONGEST)?;
        let keys = self.service.authorized_keys(&caller, &user).await?;
        Ok(Response::new(ListAuthorizedKeysResponse {
            keys: keys.into_iter().map(convert::authorized_key).collect(),
        }))
    }
}
