//! Which request has which answer.
use prost::Message;

use crate::{
    api::rules::Rpc,
    pb::{gitpod::v1 as gitpod, sealink::v1 as sealink},
};

/// A request we make: it knows its method, and the method its answer.
pub trait Call: Rpc + Message {
    /// What the method answers.
    type Answer: Message + Default;
}

macro_rules! calls {
    ($($package:ident $request:ident -> $answer:ident;)*) => {
        $(impl Call for $package::$request {
            type Answer = $package::$answer;
        })*

        #[cfg(test)]
        const CALLS: &[(&str, &str)] =
            &[$((<$package::$request as Rpc>::PATH, stringify!($answer)),)*];
    };
}

calls! {
    gitpod ExchangeTokenRequest -> ExchangeTokenResponse;
    gitpod GetAuthenticatedIdentityRequest -> GetAuthenticatedIdentityResponse;
    gitpod CreateRunnerRequest -> CreateRunnerResponse;
    gitpod GetRunnerRequest -> GetRunnerResponse;
    gitpod ListRunnersRequest -> ListRunnersResponse;
    gitpod DeleteRunnerRequest -> DeleteRunnerResponse;
    gitpod CreateScmIntegrationRequest -> CreateScmIntegrationResponse;
    gitpod GetScmIntegrationRequest -> GetScmIntegrationResponse;
    gitpod ListScmIntegrationsRequest -> ListScmIntegrationsResponse;
    gitpod UpdateScmIntegrationRequest -> UpdateScmIntegrationResponse;
    gitpod DeleteScmIntegrationRequest -> DeleteScmIntegrationResponse;
    sealink GetConfigurationRequest -> GetConfigurationResponse;
    sealink BeginKeyRegistrationRequest -> BeginKeyRegistrationResponse;
    sealink CompleteKeyRegistrationRequest -> CompleteKeyRegistrationResponse;
    sealink ListKeysRequest -> ListKeysResponse;
    sealink ApproveKeyRequest -> ApproveKeyResponse;
    sealink RevokeKeyRequest -> RevokeKeyResponse;
    sealink CreateTokenRequest -> CreateTokenResponse;
    sealink ListTokensRequest -> ListTokensResponse;
    sealink RevokeTokenRequest -> RevokeTokenResponse;
    sealink CreateUserRequest -> CreateUserResponse;
    sealink ListUsersRequest -> ListUsersResponse;
    sealink DisableUserRequest -> DisableUserResponse;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use prost_types::FileDescriptorSet;

    use super::*;

    /// Every method answers with the message that is named here.
    #[test]
    fn answers_are_those_of_the_descriptors() {
        let files = FileDescriptorSet::decode(crate::pb::DESCRIPTORS).unwrap().file;
        let mut outputs = HashMap::new();
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    outputs.insert(path, method.output_type().to_lowercase());
                }
            }
        }
        for (path, answer) in CALLS {
            let package = path[1..].rsplit_once('.').unwrap().0;
            assert_eq!(outputs[*path], format!(".{package}.{answer}").to_lowercase(), "{path}");
        }
    }
}
