//! `sealink.v1.KeyringService`.
use futures_util::future::BoxFuture;
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, parts},
        streams::{Events, Owner, Source, events},
    },
    domain::access::Audience,
    error::Result,
    pb::sealink::v1::{
        ListSeedsRequest, ListSeedsResponse, RotateRequest, RotateResponse,
        keyring_service_server::KeyringService,
    },
    service::Rotation,
};

impl Source for Rotation {
    type Item = RotateResponse;

    fn next(&mut self) -> BoxFuture<'_, Result<Self::Item>> {
        Box::pin(async move { Ok(convert::rotation(Rotation::next(self).await?)) })
    }

    fn is_over(&self) -> bool {
        Rotation::is_over(self)
    }
}

#[tonic::async_trait]
impl KeyringService for Api {
    async fn list_seeds(&self, request: Request<ListSeedsRequest>) -> Reply<ListSeedsResponse> {
        let (caller, _) = parts(request, Audience::Administrators)?;
        let seeds = self.service.seeds(&caller).await?;
        Ok(Response::new(ListSeedsResponse { seeds: seeds.iter().map(convert::seed).collect() }))
    }

    type RotateStream = Events<RotateResponse>;

    async fn rotate(&self, request: Request<RotateRequest>) -> Reply<Self::RotateStream> {
        let (caller, _) = parts(request, Audience::Administrators)?;
        let place = self.lane.enter(Owner::Principal(caller.principal.id()))?;
        let rotation = self.service.rotate_keyring(&caller).await?;
        Ok(Response::new(events(rotation, place, &self.health)))
    }
}
