//! SCM integrations: which host a runner may use, and how its users sign in there.
use url::Url;

use crate::{
    clock::Instant,
    domain::{
        allowed_origins::AllowedOrigins,
        host::Host,
        id::{IntegrationId, RunnerId},
        issuer::IssuerUrl,
        runner_policy::RunnerRole,
        scm::Scm,
        secret::{Plaintext, Sealed, Secret},
    },
    error::{Error, Result},
};

const CLIENT_ID: &str = "oauth_client_id";
const CLIENT_SECRET: &str = "oauth_plaintext_client_secret";

/// An integration as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Integration {
    /// The integration's id.
    pub id: IntegrationId,
    /// The runner it configures.
    pub runner: RunnerId,
    /// Which SCM; the id as stored, so that a later runner schema may know more of them.
    pub scm_id: String,
    /// Where the SCM is.
    pub host: Host,
    /// OAuth; `None` if users cannot sign in by it.
    pub oauth: Option<OAuth>,
    /// Whether users may use personal access tokens.
    pub pat: bool,
    /// For Azure DevOps Server: where its collections live, such as `/tfs`.
    pub virtual_directory: Option<String>,
    /// Grows by one with every change.
    pub version: u64,
    /// When it was created.
    pub created_at: Instant,
    /// When it last changed.
    pub updated_at: Instant,
}

/// The OAuth app of an integration.
#[derive(Clone, Debug, PartialEq)]
pub struct OAuth {
    /// The app's client id.
    pub client_id: String,
    /// The app's issuer, where the SCM has one.
    pub issuer: Option<IssuerUrl>,
    /// The sealed client secret; `None` after its key was revoked, until it is entered again, and for those who
    /// may not see it.
    pub secret: Option<Sealed>,
}

impl Integration {
    /// Whether a page at which the forge asks people to sign in is one of the integration's host or of its app's
    /// issuer; in clear text only if the operator allows that host.
    #[must_use]
    pub fn asks_at(&self, page: &Url, allowed: &AllowedOrigins) -> bool {
        let host = page.host_str().unwrap_or_default();
        let authority = page.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let web = page.scheme() == "https" || (page.scheme() == "http" && allowed.hold_host(&authority));
        let issuer = self.oauth.as_ref().and_then(|oauth| oauth.issuer.as_ref());
        let forge = format!("{}://{}", page.scheme(), self.host.as_str());
        let mut ours = [Some(forge.as_str()), issuer.map(IssuerUrl::as_str)].into_iter().flatten();
        let here = ours.any(|one| Url::parse(one).is_ok_and(|one| one.origin() == page.origin()));
        web && here && page.username().is_empty() && page.password().is_none()
    }

    /// As somebody with this role on its runner sees it: its ciphertext is for those who administer that.
    #[must_use]
    pub fn seen_with(mut self, role: RunnerRole) -> Self {
        if let (RunnerRole::User, Some(oauth)) = (role, &mut self.oauth) {
            oauth.secret = None;
        }
        self
    }
}

/// A create request whose parts have not been checked yet: they are, once the runner is known to be the
/// caller's, so that a stranger's errors tell nothing.
#[derive(Debug)]
pub struct Draft {
    /// The runner to configure.
    pub runner: RunnerId,
    /// As sent.
    pub scm_id: String,
    /// As sent.
    pub host: String,
    /// As sent; `None` if absent.
    pub client_id: Option<String>,
    /// As sent; `None` if absent.
    pub client_secret: Option<Plaintext>,
    /// Whether to allow personal access tokens.
    pub pat: bool,
    /// As sent; `None` or empty if there is none.
    pub issuer_url: Option<String>,
    /// As sent; `None` or empty if there is none.
    pub virtual_directory: Option<String>,
}

/// A create request that keeps every rule.
#[derive(Debug)]
pub struct NewIntegration {
    /// Which SCM.
    pub scm: Scm,
    /// Where it is.
    pub host: Host,
    /// The OAuth app with its secret still in clear.
    pub oauth: Option<NewOAuth>,
    /// Whether to allow personal access tokens.
    pub pat: bool,
    /// As [`Integration::virtual_directory`].
    pub virtual_directory: Option<String>,
}

/// An OAuth app whose secret is to be sealed.
#[derive(Debug)]
pub struct NewOAuth {
    /// The app's client id.
    pub client_id: String,
    /// The app's issuer, where the SCM has one.
    pub issuer: Option<IssuerUrl>,
    /// The secret to seal.
    pub secret: Secret,
}

impl Draft {
    /// Checks everything a create request says against the rules of its SCM.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) naming the first field that breaks a rule.
    pub fn accept(self, allowed: &AllowedOrigins) -> Result<NewIntegration> {
        let scm = Scm::parse(&self.scm_id)?;
        let host = Host::parse(self.host, scm.host_has_organization(), allowed)?;
        let client_id = self.client_id.filter(|id| !id.is_empty());
        let secret = self.client_secret.filter(|secret| !secret.is_empty());
        let issuer = self.issuer_url.filter(|url| !url.is_empty()).map(IssuerUrl::parse).transpose()?;
        let directory = self.virtual_directory.filter(|directory| !directory.is_empty());
        let oauth = match (client_id, secret) {
            (None, None) => None,
            (Some(_), None) => {
                return Err(missing(CLIENT_SECRET, "must be set together with oauth_client_id"));
            }
            (None, Some(_)) => return Err(missing(CLIENT_ID, "must be set together with the client secret")),
            (Some(client_id), Some(secret)) => Some(NewOAuth {
                client_id: parse_client_id(client_id)?,
                issuer: issuer.clone(),
                secret: secret.parse(CLIENT_SECRET)?,
            }),
        };
        if oauth.is_none() && !self.pat {
            return Err(missing(CLIENT_ID, "must be set, or pat must be true: users need a way to sign in"));
        }
        check_methods(scm, oauth.is_some())?;
        check_issuer(scm, oauth.is_some(), issuer.as_ref())?;
        let virtual_directory = parse_directory(scm, directory)?;
        Ok(NewIntegration { scm, host, oauth, pat: self.pat, virtual_directory })
    }
}

/// Refuses OAuth where the SCM has none.
pub(super) fn check_methods(scm: Scm, oauth: bool) -> Result<()> {
    if oauth && !scm.supports_oauth() {
        return Err(missing(CLIENT_ID, "must not be set: this SCM has no OAuth, use pat"));
    }
    Ok(())
}

/// An issuer is needed exactly where the SCM has one and OAuth is on; elsewhere it has no place.
pub(super) fn check_issuer(scm: Scm, oauth: bool, issuer: Option<&IssuerUrl>) -> Result<()> {
    let refuse = |message| Err(Error::invalid("issuer_url", "sealink.issuer_url", message));
    match (scm.has_issuer(), oauth, issuer) {
        (false, _, Some(_)) => refuse("value must not be set: only azuredevops_entra has an issuer"),
        (true, true, None) => refuse("value is required for OAuth with azuredevops_entra"),
        _ => Ok(()),
    }
}

/// Checks a client id: 1 to 255 printable ASCII characters.
pub(super) fn parse_client_id(id: String) -> Result<String> {
    if id.len() > 255 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::invalid(
            CLIENT_ID,
            "sealink.client_id",
            "value must be 1 to 255 printable characters",
        ));
    }
    Ok(id)
}

/// Checks a virtual directory: required and allowed only where the SCM has one.
pub(super) fn parse_directory(scm: Scm, directory: Option<String>) -> Result<Option<String>> {
    let refuse = |message| Err(Error::invalid("virtual_directory", "sealink.virtual_directory", message));
    match (scm.has_virtual_directory(), directory) {
        (false, Some(_)) => refuse("value must not be set: only azuredevops_server has a virtual directory"),
        (true, None) => refuse("value is required for azuredevops_server, for example /tfs"),
        (_, None) => Ok(None),
        (true, Some(path)) if is_directory(&path) => Ok(Some(path)),
        (true, Some(_)) => refuse("value must be a path such as /tfs, without '.', '..' or empty parts"),
    }
}

fn is_directory(path: &str) -> bool {
    let part = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain)
    };
    path.len() <= 255 && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(part))
}

fn missing(field: &'static str, message: &'static str) -> Error {
    Error::invalid(field, "sealink.oauth", format!("value {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integration(host: &str, issuer: Option<&str>) -> Integration {
        let issuer = issuer.map(|issuer| IssuerUrl::from_stored(issuer.to_owned()));
        Integration {
            id: IntegrationId(uuid::Uuid::nil()),
            runner: RunnerId(uuid::Uuid::nil()),
            scm_id: "gitea".to_owned(),
            host: Host::from_stored(host.to_owned()),
            oauth: Some(OAuth { client_id: "id".to_owned(), issuer, secret: None }),
            pat: false,
            virtual_directory: None,
            version: 1,
            created_at: Instant(0),
            updated_at: Instant(0),
        }
    }

    #[test]
    fn people_sign_in_at_their_forge_or_its_issuer_alone() {
        let ours = integration("git.example.com:8443", Some("https://login.example.com/tenant"));
        let local = integration("127.0.0.1:3000", None);
        let allowed = AllowedOrigins::parse(&["http://127.0.0.1:3000"]).unwrap();
        for (integration, page, good) in [
            (&ours, "https://git.example.com:8443/login/oauth/authorize?state=x", true),
            (&ours, "https://login.example.com/authorize", true),
            (&ours, "https://git.example.com/login", false),
            (&ours, "http://git.example.com:8443/login", false),
            (&ours, "https://user@git.example.com:8443/login", false),
            (&ours, "https://:word@git.example.com:8443/login", false),
            (&ours, "https://git.example.com:8443.evil.example/login", false),
            (&ours, "https://evil.example/?git.example.com:8443", false),
            (&ours, "javascript:alert(1)", false),
            (&local, "http://127.0.0.1:3000/login", true),
            (&local, "http://127.0.0.1:3001/login", false),
        ] {
            let page = Url::parse(page).map(|page| integration.asks_at(&page, &allowed));
            assert_eq!(page.unwrap_or(false), good);
        }
    }
}
