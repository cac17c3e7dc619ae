//! Whether a caller is authenticated at a forge, and how it could be.
use super::{Desk, Failure, Result, site};
use crate::{
    domain::scm::Scm,
    pb::{
        gitpod::v1::{
            CheckAuthenticationForHostResponse,
            check_authentication_for_host_response::{
                AuthenticationMethodOAuth2, AuthenticationMethodPersonalAccessToken,
            },
        },
        sealink::v1::{
            CheckAuthenticationForHostCall, CheckAuthenticationForHostResult, ConfiguredIntegration,
        },
    },
};

const CALL: &str = "CheckAuthenticationForHost";

impl Desk {
    pub(super) async fn check_authentication(
        &self,
        call: CheckAuthenticationForHostCall,
    ) -> Result<CheckAuthenticationForHostResult> {
        let integration = self.own(call.integration.as_ref())?;
        let (site, forge) = self.forge(&integration, CALL)?;
        let authenticated = match self.credential(call.caller.as_ref(), &integration) {
            Ok(opened) => match forge.user(opened.credential()?).await.map_err(Failure::from) {
                Ok(_) => true,
                Err(failure) if failure.is_unauthenticated() => false,
                Err(failure) => return Err(failure),
            },
            Err(failure) if failure.is_unauthenticated() => false,
            Err(failure) => return Err(failure),
        };
        let oauth = !integration.client_id.is_empty();
        let response = CheckAuthenticationForHostResponse {
            authenticated,
            scm_id: integration.scm_id.clone(),
            scm_name: site.scm().name().to_owned(),
            supports_oauth2: oauth.then(AuthenticationMethodOAuth2::default),
            supports_pat: integration
                .pat
                .then(|| personal_access_token(site.scm(), &self.origin(&integration))),
            ..Default::default()
        };
        Ok(CheckAuthenticationForHostResult { response: Some(response) })
    }

    /// The origin of an integration's forge as people write it.
    pub(super) fn origin(&self, integration: &ConfiguredIntegration) -> String {
        let host = site(integration).map(|site| site.authority().to_owned()).unwrap_or_default();
        self.http.origin(&host).map_or_else(|_| format!("https://{host}"), |origin| origin.as_text())
    }
}

fn personal_access_token(scm: Scm, origin: &str) -> AuthenticationMethodPersonalAccessToken {
    let (page, docs, example, scopes): (_, _, _, &[&str]) = match scm {
        Scm::GitHub => (
            "/settings/tokens/new?description=Sealink&scopes=repo,read:user,user:email,workflow",
            "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            &["repo", "read:user", "user:email", "workflow"],
        ),
        Scm::GitLab => (
            "/-/user_settings/personal_access_tokens?name=Sealink&scopes=api,read_repository",
            "https://docs.gitlab.com/user/profile/personal_access_tokens/",
            "glpat-xxxxxxxxxxxxxxxxxxxx",
            &["api", "read_repository"],
        ),
        _ => (
            "/user/settings/applications",
            "https://docs.gitea.com/development/api-usage",
            "0123456789abcdef0123456789abcdef01234567",
            &["read:user", "read:organization", "write:repository", "read:issue"],
        ),
    };
    AuthenticationMethodPersonalAccessToken {
        create_url: format!("{origin}{page}"),
        docs_url: docs.to_owned(),
        example: example.to_owned(),
        required_scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}
