//! Lists that come in pages.
use super::Call;
use crate::pb::{
    gitpod::v1::{self as gitpod, PaginationRequest},
    sealink::v1 as sealink,
};

/// The most items the server gives at once.
const PAGE_SIZE: i32 = 100;

/// A request whose answer is a page.
pub trait Paged: Call {
    /// What is listed.
    type Item;

    /// Asks for the page that `token` names; empty for the first.
    fn turn_to(&mut self, token: String);

    /// The items of a page, and the token of the next; empty on the last page.
    fn open(answer: Self::Response) -> (Vec<Self::Item>, String);
}

macro_rules! paged {
    ($($package:ident $request:ident: $field:ident $item:ident;)*) => {$(
        impl Paged for $package::$request {
            type Item = $package::$item;

            fn turn_to(&mut self, token: String) {
                self.pagination = Some(PaginationRequest { page_size: PAGE_SIZE, token });
            }

            fn open(answer: Self::Response) -> (Vec<Self::Item>, String) {
                (answer.$field, answer.pagination.map(|page| page.next_token).unwrap_or_default())
            }
        }
    )*};
}

paged! {
    gitpod ListRunnersRequest: runners Runner;
    gitpod ListHostAuthenticationTokensRequest: tokens HostAuthenticationToken;
    gitpod ListLlmIntegrationsRequest: integrations LlmIntegration;
    gitpod ListScmIntegrationsRequest: integrations ScmIntegration;
    sealink ListAuditEntriesRequest: entries AuditEntry;
    gitpod ListEnvironmentClassesRequest: environment_classes EnvironmentClass;
    gitpod ListRunnerPoliciesRequest: policies RunnerPolicy;
    gitpod ListGroupsRequest: groups Group;
    gitpod ListMembershipsRequest: members GroupMembership;
    sealink ListServiceAccountsRequest: service_accounts ServiceAccount;
    sealink ListKeysRequest: keys RunnerKey;
    sealink ListSecretsRequest: secrets SealedSecret;
    sealink ListSecretsToResealRequest: secrets SecretToReseal;
    sealink ListTokensRequest: tokens ApiToken;
    sealink ListUsersRequest: users User;
}
