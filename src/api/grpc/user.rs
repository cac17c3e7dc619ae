//! `sealink.v1.UserService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, page_answer, page_ask, parts},
    },
    domain::{access::Audience, id::UserId, user::NewUser},
    pb::sealink::v1::{user_service_server::UserService, *},
};

#[tonic::async_trait]
impl UserService for Api {
    async fn create_user(&self, request: Request<CreateUserRequest>) -> Reply<CreateUserResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let role = convert::user_role(request.role)?;
        let user = NewUser::parse(request.name, request.email, request.fullname, role)?;
        let user = self.service.create_user(&caller, user).await?;
        Ok(Response::new(CreateUserResponse { user: Some(convert::user(user)) }))
    }

    async fn list_users(&self, request: Request<ListUsersRequest>) -> Reply<ListUsersResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let listing = self.service.users(&caller, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListUsersResponse {
            users: listing.rows.into_iter().map(convert::user).collect(),
            pagination: Some(page_answer(listing.next_token)),
        }))
    }

    async fn disable_user(&self, request: Request<DisableUserRequest>) -> Reply<DisableUserResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let user = self.service.disable_user(&caller, UserId::parse("user_id", &request.user_id)?).await?;
        Ok(Response::new(DisableUserResponse { user: Some(convert::user(user)) }))
    }
}
