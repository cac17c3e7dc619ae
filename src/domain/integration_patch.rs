//! What an update of an SCM integration means: absent leaves, empty removes, a value sets.
use crate::{
    domain::{
        host_token::Source,
        integration::{Integration, check_issuer, check_methods, parse_client_id, parse_directory},
        issuer::IssuerUrl,
        scm::Scm,
        secret::{Plaintext, Secret, SecretPatch},
    },
    error::{Error, Kind, Result},
};

/// The secret's member of the request.
pub const CLIENT_SECRET: &str = "oauth_plaintext_client_secret";

/// The members of an update request; `None` is absent or null.
#[derive(Debug, Default)]
pub struct Patch {
    /// `""` removes OAuth.
    pub client_id: Option<String>,
    /// What becomes of the secret; it goes only together with the rest of OAuth.
    pub client_secret: SecretPatch,
    /// Whether to allow personal access tokens.
    pub pat: Option<bool>,
    /// `""` clears.
    pub issuer_url: Option<String>,
    /// `""` clears.
    pub virtual_directory: Option<String>,
}

/// What the integration is to become. Everything it does not name stays.
#[derive(Debug)]
pub struct Plan<'a> {
    /// OAuth afterwards.
    pub oauth: OAuthPlan<'a>,
    /// As [`Integration::pat`].
    pub pat: bool,
    /// As [`Integration::virtual_directory`].
    pub virtual_directory: Option<String>,
}

/// What becomes of OAuth.
#[derive(Debug)]
pub enum OAuthPlan<'a> {
    /// Nothing changes.
    Keep,
    /// OAuth and its ciphertext go.
    Remove,
    /// OAuth has these members and a secret sealed anew.
    Seal {
        /// The app's client id.
        client_id: String,
        /// The app's issuer.
        issuer: Option<IssuerUrl>,
        /// The secret to seal.
        secret: &'a Secret,
    },
}

impl Patch {
    /// Reads the secret that came with a client id. An empty client id removes both, whatever the secret is, so
    /// that one is not even looked at.
    ///
    /// # Errors
    /// As [`SecretPatch::parse`].
    pub fn client_secret(client_id: Option<&str>, secret: Option<Plaintext>) -> Result<SecretPatch> {
        match client_id {
            Some("") => Ok(SecretPatch::Keep),
            _ => SecretPatch::parse(CLIENT_SECRET, secret),
        }
    }

    /// Decides what `current` becomes.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a value that breaks a rule; [`Kind::Precondition`] if the client id or the
    /// issuer would change under a kept secret: the ciphertext is bound to both.
    pub fn plan(&self, current: &Integration) -> Result<Plan<'_>> {
        let scm = Scm::parse(&current.scm_id)?;
        let virtual_directory = match &self.virtual_directory {
            None => current.virtual_directory.clone(),
            Some(directory) => parse_directory(scm, Some(directory.clone()).filter(|text| !text.is_empty()))?,
        };
        let oauth = self.plan_oauth(scm, current)?;
        Ok(Plan { oauth, pat: self.pat.unwrap_or(current.pat), virtual_directory })
    }

    /// Which host tokens lose what they came by: they go, also where the integration itself stays the same.
    #[must_use]
    pub fn drops(&self) -> Vec<Source> {
        let oauth = (self.client_id.as_deref() == Some("")).then_some(Source::Oauth);
        let pat = (self.pat == Some(false)).then_some(Source::Pat);
        oauth.into_iter().chain(pat).collect()
    }

    fn plan_oauth(&self, scm: Scm, current: &Integration) -> Result<OAuthPlan<'_>> {
        let now = current.oauth.as_ref();
        if self.client_id.as_deref() == Some("") {
            return Ok(if now.is_some() { OAuthPlan::Remove } else { OAuthPlan::Keep });
        }
        let secret = match &self.client_secret {
            SecretPatch::Keep => None,
            SecretPatch::Set(secret) => Some(secret),
            SecretPatch::Remove => {
                let message = "value must not be empty: an empty oauth_client_id removes both";
                return Err(Error::invalid(CLIENT_SECRET, "sealink.secret", message));
            }
        };
        let client_id = self.client_id.clone().map(parse_client_id).transpose()?;
        let issuer = match &self.issuer_url {
            None => now.and_then(|oauth| oauth.issuer.clone()),
            Some(url) if url.is_empty() => None,
            Some(url) => Some(IssuerUrl::parse(url.clone())?),
        };
        let on = now.is_some() || client_id.is_some();
        check_methods(scm, on)?;
        check_issuer(scm, on, issuer.as_ref())?;

        let Some(now) = now else {
            return match (client_id, secret) {
                (None, None) => Ok(OAuthPlan::Keep),
                (Some(client_id), Some(secret)) => Ok(OAuthPlan::Seal { client_id, issuer, secret }),
                (Some(_), None) => Err(together(CLIENT_SECRET, "oauth_client_id")),
                (None, Some(_)) => Err(together("oauth_client_id", CLIENT_SECRET)),
            };
        };
        let client_id = client_id.unwrap_or_else(|| now.client_id.clone());
        match secret {
            Some(secret) => Ok(OAuthPlan::Seal { client_id, issuer, secret }),
            None if issuer != now.issuer => Err(resupply("issuer_url")),
            None if client_id != now.client_id => Err(resupply("oauth_client_id")),
            None => Ok(OAuthPlan::Keep),
        }
    }
}

fn together(field: &'static str, other: &'static str) -> Error {
    Error::invalid(field, "sealink.oauth", format!("value must be set together with {other}"))
}

fn resupply(changed: &'static str) -> Error {
    let message = format!("{CLIENT_SECRET} must be set when {changed} changes");
    Error::new(Kind::Precondition, message).blaming(CLIENT_SECRET, "sealink.resupply")
}
