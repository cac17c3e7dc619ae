//! The service traits that tonic generates, one file each: convert, call, convert.
mod audit;
mod group;
mod identity;
mod keyring;
mod live;
mod runner;
mod runner_agent;
mod runner_configuration;
mod runner_key;
mod runner_live;
mod service_account;
mod ssh_key;
mod token;
mod user;
mod validation;

pub(super) use self::live::{Unanswered, mismatched};

use std::sync::Arc;

use tonic::service::Routes;

use super::{health::Health, streams::Lane};
use crate::{
    error::{Error, Kind},
    pb::{
        gitpod::v1::{
            group_service_server::GroupServiceServer, identity_service_server::IdentityServiceServer,
            runner_configuration_service_server::RunnerConfigurationServiceServer,
            runner_service_server::RunnerServiceServer,
        },
        sealink::v1::{
            audit_service_server::AuditServiceServer, keyring_service_server::KeyringServiceServer,
            runner_agent_service_server::RunnerAgentServiceServer,
            runner_key_service_server::RunnerKeyServiceServer,
            service_account_service_server::ServiceAccountServiceServer,
            ssh_key_service_server::SshKeyServiceServer, token_service_server::TokenServiceServer,
            user_service_server::UserServiceServer,
        },
    },
    service::Service,
};

/// The one implementation of every service; clones share it.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) service: Arc<Service>,
    health: Health,
    lane: Lane,
}

impl Api {
    /// Serves the use cases of `service`; streams end when `health` says that the process stops.
    #[must_use]
    pub(super) fn new(service: Arc<Service>, health: Health) -> Self {
        Self { service, health, lane: Lane::default() }
    }

    /// tonic's routes for all of them.
    #[must_use]
    pub(super) fn routes(&self) -> Routes {
        Routes::default()
            .add_service(RunnerConfigurationServiceServer::new(self.clone()))
            .add_service(RunnerServiceServer::new(self.clone()))
            .add_service(IdentityServiceServer::new(self.clone()))
            .add_service(RunnerKeyServiceServer::new(self.clone()))
            .add_service(RunnerAgentServiceServer::new(self.clone()))
            .add_service(AuditServiceServer::new(self.clone()))
            .add_service(UserServiceServer::new(self.clone()))
            .add_service(TokenServiceServer::new(self.clone()))
            .add_service(GroupServiceServer::new(self.clone()))
            .add_service(ServiceAccountServiceServer::new(self.clone()))
            .add_service(KeyringServiceServer::new(self.clone()))
            .add_service(SshKeyServiceServer::new(self.clone()))
    }
}

/// The answer of a method that is known but not served yet.
pub(super) fn not_yet() -> Error {
    Error::new(Kind::Unimplemented, "this method is not served yet")
}
