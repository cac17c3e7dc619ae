//! Which request goes where: the one place that names paths.
use prost::Message;

use super::StreamCall;
use crate::pb::{gitpod::v1 as gitpod, sealink::v1 as sealink};

/// A request that knows its method.
pub trait Call: Message {
    /// `/{package}.{Service}/{Method}`.
    const PATH: &'static str;
    /// What the method answers.
    type Response: Message + Default;
}

macro_rules! calls {
    ($trait:ident, $all:ident: $($path:literal: $package:ident $request:ident -> $answer:ident;)*) => {
        $(impl $trait for $package::$request {
            const PATH: &'static str = $path;
            type Response = $package::$answer;
        })*

        #[cfg(test)]
        const $all: &[(&str, &str, &str)] = &[$(($path, stringify!($request), stringify!($answer)),)*];
    };
}

calls! {
    StreamCall, STREAMS:
    "/sealink.v1.KeyringService/Rotate": sealink RotateRequest -> RotateResponse;
    "/sealink.v1.RunnerAgentService/WatchConfiguration":
        sealink WatchConfigurationRequest -> WatchConfigurationResponse;
    "/sealink.v1.RunnerAgentService/WatchRequests": sealink WatchRequestsRequest -> WatchRequestsResponse;
}

calls! {
    Call, CALLS:
    "/gitpod.v1.IdentityService/ExchangeToken": gitpod ExchangeTokenRequest -> ExchangeTokenResponse;
    "/gitpod.v1.IdentityService/GetAuthenticatedIdentity":
        gitpod GetAuthenticatedIdentityRequest -> GetAuthenticatedIdentityResponse;
    "/gitpod.v1.RunnerService/CreateRunner": gitpod CreateRunnerRequest -> CreateRunnerResponse;
    "/gitpod.v1.RunnerService/GetRunner": gitpod GetRunnerRequest -> GetRunnerResponse;
    "/gitpod.v1.RunnerService/ListRunners": gitpod ListRunnersRequest -> ListRunnersResponse;
    "/gitpod.v1.RunnerService/DeleteRunner": gitpod DeleteRunnerRequest -> DeleteRunnerResponse;
    "/gitpod.v1.RunnerConfigurationService/CreateSCMIntegration":
        gitpod CreateScmIntegrationRequest -> CreateScmIntegrationResponse;
    "/gitpod.v1.RunnerConfigurationService/GetSCMIntegration":
        gitpod GetScmIntegrationRequest -> GetScmIntegrationResponse;
    "/gitpod.v1.RunnerConfigurationService/ListSCMIntegrations":
        gitpod ListScmIntegrationsRequest -> ListScmIntegrationsResponse;
    "/gitpod.v1.RunnerConfigurationService/UpdateSCMIntegration":
        gitpod UpdateScmIntegrationRequest -> UpdateScmIntegrationResponse;
    "/gitpod.v1.RunnerConfigurationService/DeleteSCMIntegration":
        gitpod DeleteScmIntegrationRequest -> DeleteScmIntegrationResponse;
    "/sealink.v1.AuditService/ListAuditEntries": sealink ListAuditEntriesRequest -> ListAuditEntriesResponse;
    "/sealink.v1.AuditService/GetAuditHead": sealink GetAuditHeadRequest -> GetAuditHeadResponse;
    "/sealink.v1.AuditService/VerifyAuditLog": sealink VerifyAuditLogRequest -> VerifyAuditLogResponse;
    "/sealink.v1.AuditService/ExportAuditLog": sealink ExportAuditLogRequest -> ExportAuditLogResponse;
    "/gitpod.v1.RunnerConfigurationService/CreateEnvironmentClass":
        gitpod CreateEnvironmentClassRequest -> CreateEnvironmentClassResponse;
    "/gitpod.v1.RunnerConfigurationService/GetEnvironmentClass":
        gitpod GetEnvironmentClassRequest -> GetEnvironmentClassResponse;
    "/gitpod.v1.RunnerConfigurationService/ListEnvironmentClasses":
        gitpod ListEnvironmentClassesRequest -> ListEnvironmentClassesResponse;
    "/gitpod.v1.RunnerConfigurationService/UpdateEnvironmentClass":
        gitpod UpdateEnvironmentClassRequest -> UpdateEnvironmentClassResponse;
    "/gitpod.v1.RunnerConfigurationService/GetRunnerConfigurationSchema":
        gitpod GetRunnerConfigurationSchemaRequest -> GetRunnerConfigurationSchemaResponse;
    "/sealink.v1.RunnerAgentService/UpdateConfigurationSchema":
        sealink UpdateConfigurationSchemaRequest -> UpdateConfigurationSchemaResponse;
    "/gitpod.v1.RunnerService/CreateRunnerPolicy":
        gitpod CreateRunnerPolicyRequest -> CreateRunnerPolicyResponse;
    "/gitpod.v1.RunnerService/ListRunnerPolicies":
        gitpod ListRunnerPoliciesRequest -> ListRunnerPoliciesResponse;
    "/gitpod.v1.RunnerService/UpdateRunnerPolicy":
        gitpod UpdateRunnerPolicyRequest -> UpdateRunnerPolicyResponse;
    "/gitpod.v1.RunnerService/DeleteRunnerPolicy":
        gitpod DeleteRunnerPolicyRequest -> DeleteRunnerPolicyResponse;
    "/gitpod.v1.GroupService/CreateGroup": gitpod CreateGroupRequest -> CreateGroupResponse;
    "/gitpod.v1.GroupService/GetGroup": gitpod GetGroupRequest -> GetGroupResponse;
    "/gitpod.v1.GroupService/ListGroups": gitpod ListGroupsRequest -> ListGroupsResponse;
    "/gitpod.v1.GroupService/UpdateGroup": gitpod UpdateGroupRequest -> UpdateGroupResponse;
    "/gitpod.v1.GroupService/DeleteGroup": gitpod DeleteGroupRequest -> DeleteGroupResponse;
    "/gitpod.v1.GroupService/CreateMembership": gitpod CreateMembershipRequest -> CreateMembershipResponse;
    "/gitpod.v1.GroupService/GetMembership": gitpod GetMembershipRequest -> GetMembershipResponse;
    "/gitpod.v1.GroupService/DeleteMembership": gitpod DeleteMembershipRequest -> DeleteMembershipResponse;
    "/gitpod.v1.GroupService/ListMemberships": gitpod ListMembershipsRequest -> ListMembershipsResponse;
    "/sealink.v1.ServiceAccountService/CreateServiceAccount":
        sealink CreateServiceAccountRequest -> CreateServiceAccountResponse;
    "/sealink.v1.ServiceAccountService/ListServiceAccounts":
        sealink ListServiceAccountsRequest -> ListServiceAccountsResponse;
    "/sealink.v1.ServiceAccountService/DisableServiceAccount":
        sealink DisableServiceAccountRequest -> DisableServiceAccountResponse;
    "/gitpod.v1.RunnerConfigurationService/CreateHostAuthenticationToken":
        gitpod CreateHostAuthenticationTokenRequest -> CreateHostAuthenticationTokenResponse;
    "/gitpod.v1.RunnerConfigurationService/GetHostAuthenticationToken":
        gitpod GetHostAuthenticationTokenRequest -> GetHostAuthenticationTokenResponse;
    "/gitpod.v1.RunnerConfigurationService/ListHostAuthenticationTokens":
        gitpod ListHostAuthenticationTokensRequest -> ListHostAuthenticationTokensResponse;
    "/gitpod.v1.RunnerConfigurationService/DeleteHostAuthenticationToken":
        gitpod DeleteHostAuthenticationTokenRequest -> DeleteHostAuthenticationTokenResponse;
    "/gitpod.v1.RunnerConfigurationService/CreateLLMIntegration":
        gitpod CreateLlmIntegrationRequest -> CreateLlmIntegrationResponse;
    "/gitpod.v1.RunnerConfigurationService/GetLLMIntegration":
        gitpod GetLlmIntegrationRequest -> GetLlmIntegrationResponse;
    "/gitpod.v1.RunnerConfigurationService/ListLLMIntegrations":
        gitpod ListLlmIntegrationsRequest -> ListLlmIntegrationsResponse;
    "/gitpod.v1.RunnerConfigurationService/UpdateLLMIntegration":
        gitpod UpdateLlmIntegrationRequest -> UpdateLlmIntegrationResponse;
    "/gitpod.v1.RunnerConfigurationService/DeleteLLMIntegration":
        gitpod DeleteLlmIntegrationRequest -> DeleteLlmIntegrationResponse;
    "/sealink.v1.KeyringService/ListSeeds": sealink ListSeedsRequest -> ListSeedsResponse;
    "/sealink.v1.SshKeyService/ListAuthorizedKeys":
        sealink ListAuthorizedKeysRequest -> ListAuthorizedKeysResponse;
    "/sealink.v1.RunnerAgentService/GetConfiguration":
        sealink GetConfigurationRequest -> GetConfigurationResponse;
    "/sealink.v1.RunnerAgentService/Heartbeat": sealink HeartbeatRequest -> HeartbeatResponse;
    "/sealink.v1.RunnerAgentService/UpdateStatus": sealink UpdateStatusRequest -> UpdateStatusResponse;
    "/sealink.v1.RunnerAgentService/SendResponse": sealink SendResponseRequest -> SendResponseResponse;
    "/sealink.v1.RunnerKeyService/BeginKeyRegistration":
        sealink BeginKeyRegistrationRequest -> BeginKeyRegistrationResponse;
    "/sealink.v1.RunnerKeyService/CompleteKeyRegistration":
        sealink CompleteKeyRegistrationRequest -> CompleteKeyRegistrationResponse;
    "/sealink.v1.RunnerKeyService/ListKeys": sealink ListKeysRequest -> ListKeysResponse;
    "/sealink.v1.RunnerKeyService/ApproveKey": sealink ApproveKeyRequest -> ApproveKeyResponse;
    "/sealink.v1.RunnerKeyService/RevokeKey": sealink RevokeKeyRequest -> RevokeKeyResponse;
    "/sealink.v1.RunnerKeyService/ListSecrets": sealink ListSecretsRequest -> ListSecretsResponse;
    "/sealink.v1.RunnerKeyService/ListSecretsToReseal":
        sealink ListSecretsToResealRequest -> ListSecretsToResealResponse;
    "/sealink.v1.RunnerKeyService/ResealSecret": sealink ResealSecretRequest -> ResealSecretResponse;
    "/sealink.v1.TokenService/CreateToken": sealink CreateTokenRequest -> CreateTokenResponse;
    "/sealink.v1.TokenService/ListTokens": sealink ListTokensRequest -> ListTokensResponse;
    "/sealink.v1.TokenService/RevokeToken": sealink RevokeTokenRequest -> RevokeTokenResponse;
    "/sealink.v1.UserService/CreateUser": sealink CreateUserRequest -> CreateUserResponse;
    "/sealink.v1.UserService/ListUsers": sealink ListUsersRequest -> ListUsersResponse;
    "/sealink.v1.UserService/DisableUser": sealink DisableUserRequest -> DisableUserResponse;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use prost_types::FileDescriptorSet;

    use super::*;

    /// Every path exists in the descriptors and carries exactly these messages.
    #[test]
    fn paths_are_those_of_the_descriptors() {
        let files = FileDescriptorSet::decode(crate::pb::DESCRIPTORS).unwrap().file;
        let mut methods = HashMap::new();
        for file in &files {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    methods.insert(path, (method.input_type().to_owned(), method.output_type().to_owned()));
                }
            }
        }
        for (path, request, answer) in CALLS.iter().chain(STREAMS) {
            let (input, output) = methods.get(*path).unwrap_or_else(|| panic!("{path} is not defined"));
            let package = &path[1..path.rfind('.').unwrap()];
            for (full, ours) in [(input, request), (output, answer)] {
                assert_eq!(full.to_lowercase(), format!(".{package}.{ours}").to_lowercase(), "{path}");
            }
        }
    }
}
