//! OAuth apps at forges: the authorization code flow with PKCE (RFC 7636), refresh, and whether a client secret is
//! the right one.
use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::ForgeError;
use crate::{
    domain::{scm::Scm, secret::Secret},
    error,
    scm::{
        egress::Origin,
        http::{Http, Request, Response, accept_json},
    },
    seal,
};

/// No forge gives out this code.
const BOGUS_CODE: &str = "sealink-checks-the-client-secret";

/// An OAuth app of one forge.
#[derive(Debug)]
pub struct App<'a> {
    scm: Scm,
    origin: Origin,
    client_id: &'a str,
}

/// What a token endpoint gives.
#[derive(Debug)]
pub struct Grant {
    /// The access token.
    pub access: Secret,
    /// What renews it, if the forge gives one.
    pub refresh: Option<Secret>,
    /// What it may do; empty if the forge does not say.
    pub scopes: Vec<String>,
    /// How long it is good; `None`: until it is withdrawn.
    pub expires_in: Option<Duration>,
}

/// Why a token endpoint gives nothing, told apart by `error` and `error_description` as forges use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuthError {
    /// The forge does not know the client, or its secret is another.
    BadClient,
    /// Code, verifier or refresh token are not taken: used, expired, or made for another client.
    BadGrant,
    /// The person said no.
    Denied,
    /// The forge asks to come back later.
    Temporary,
    /// The exchange itself failed.
    Forge(ForgeError),
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadClient => {
                f.write_str("the forge does not accept the client id and secret of the OAuth app")
            }
            Self::BadGrant => {
                f.write_str("the forge does not accept the grant: it was used, is too old, or was withdrawn")
            }
            Self::Denied => f.write_str("access was denied at the forge"),
            Self::Temporary => f.write_str("the forge cannot answer for now; try again later"),
            Self::Forge(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OAuthError {}

impl From<ForgeError> for OAuthError {
    fn from(error: ForgeError) -> Self {
        Self::Forge(error)
    }
}

/// What a person asks for with PKCE: kept by the agent, proven at the exchange.
pub struct Verifier(Secret);

impl Verifier {
    /// 32 random bytes, as 43 letters.
    ///
    /// # Errors
    /// [`Kind::Internal`](crate::error::Kind::Internal) if the system has no randomness.
    pub fn fresh() -> error::Result<Self> {
        let bytes = seal::random::bytes::<32>()?;
        Secret::parse("verifier", URL_SAFE_NO_PAD.encode(*bytes)).map(Self)
    }

    /// The secret, for sealing.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Its hash, which goes through the browser (method S256).
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose()))
    }
}

#[derive(Deserialize, Default)]
struct Wire {
    #[serde(default, deserialize_with = "hidden")]
    access_token: Option<Zeroizing<String>>,
    #[serde(default, deserialize_with = "hidden")]
    refresh_token: Option<Zeroizing<String>>,
    scope: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

fn hidden<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Zeroizing::new))
}

impl<'a> App<'a> {
    /// The app `client_id` at the forge behind `origin`; `None` for kinds whose OAuth is not spoken here.
    #[must_use]
    pub fn new(scm: Scm, origin: Origin, client_id: &'a str) -> Option<Self> {
        Self::supports(scm).then_some(Self { scm, origin, client_id })
    }

    /// Whether the OAuth of a kind of forge is spoken here.
    #[must_use]
    pub fn supports(scm: Scm) -> bool {
        matches!(scm, Scm::GitHub | Scm::GitLab | Scm::Gitea | Scm::Forgejo)
    }

    /// The scopes that runners need.
    #[must_use]
    pub fn scopes(&self) -> &'static [&'static str] {
        match self.scm {
            Scm::GitHub => &["repo", "read:user", "user:email", "workflow"],
            Scm::GitLab => &["api", "read_repository", "read_user"],
            _ => &["read:user", "read:organization", "write:repository", "read:issue"],
        }
    }

    /// Where to send a person's browser.
    #[must_use]
    pub fn authorize_url(&self, redirect_uri: &str, state: &str, verifier: &Verifier) -> Url {
        let mut url = self.origin.at(match self.scm {
            Scm::GitLab => &["oauth", "authorize"],
            _ => &["login", "oauth", "authorize"],
        });
        url.query_pairs_mut()
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &self.scopes().join(" "))
            .append_pair("state", state)
            .append_pair("code_challenge", &verifier.challenge())
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Exchanges a code. `redirect_uri` must be what the browser was sent with.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn exchange(
        &self,
        http: &Http,
        secret: &Secret,
        code: &str,
        redirect_uri: &str,
        verifier: &Secret,
    ) -> Result<Grant, OAuthError> {
        let more = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.expose()),
        ];
        self.ask(http, secret, &more).await
    }

    /// Trades a refresh token for a new grant. Some forges end the old one with it.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn refresh(&self, http: &Http, secret: &Secret, refresh: &Secret) -> Result<Grant, OAuthError> {
        let more = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
        self.ask(http, secret, &more).await
    }

    /// Whether the forge knows this client with this secret: it must be the code that it complains about.
    ///
    /// # Errors
    /// [`OAuthError::BadClient`] if not; others if that could not be found out.
    pub async fn check(&self, http: &Http, secret: &Secret) -> Result<(), OAuthError> {
        let more = [("grant_type", "authorization_code"), ("code", BOGUS_CODE)];
        match self.ask(http, secret, &more).await {
            Ok(_) | Err(OAuthError::BadGrant | OAuthError::Denied) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn form(&self, secret: &Secret, more: &[(&str, &str)]) -> Zeroizing<String> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("client_id", self.client_id).append_pair("client_secret", secret.expose());
        form.extend_pairs(more);
        Zeroizing::new(form.finish())
    }

    async fn ask(&self, http: &Http, secret: &Secret, more: &[(&str, &str)]) -> Result<Grant, OAuthError> {
        let url = self.origin.at(match self.scm {
            Scm::GitLab => &["oauth", "token"],
            _ => &["login", "oauth", "access_token"],
        });
        let form = Some(self.form(secret, more));
        let headers = [accept_json()];
        let request = Request { method: Method::POST, url, headers: &headers, form, counts: true };
        let answer = http.send(&self.origin, request).await?;
        read(&answer)
    }
}

/// GitHub reports errors with status 200, so what counts is the body.
fn read(answer: &Response) -> Result<Grant, OAuthError> {
    if answer.status.as_u16() == 429 {
        return Err(ForgeError::RateLimited(answer.retry_after()).into());
    }
    if answer.status.is_server_error() {
        return Err(ForgeError::ServerError(answer.status.as_u16()).into());
    }
    let foreign = OAuthError::Forge(ForgeError::Protocol("its token endpoint cannot be understood"));
    let wire: Wire = serde_json::from_slice(&answer.body).map_err(|_| foreign)?;
    if let Some(error) = &wire.error {
        return Err(classify(error, wire.error_description.as_deref().unwrap_or_default()));
    }
    let secret = |mut text: Zeroizing<String>| {
        Secret::parse_up_to(seal::Field::HostTokenValue.max_bytes(), "token", std::mem::take(&mut *text))
            .map_err(|_| foreign)
    };
    let access = wire.access_token.filter(|_| answer.status.is_success()).ok_or(foreign)?;
    let scopes = wire.scope.unwrap_or_default();
    Ok(Grant {
        access: secret(access)?,
        refresh: wire.refresh_token.filter(|text| !text.is_empty()).map(secret).transpose()?,
        scopes: scopes.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        expires_in: wire.expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs),
    })
}

fn classify(error: &str, description: &str) -> OAuthError {
    match error {
        "invalid_client" | "incorrect_client_credentials" | "Not Found" => OAuthError::BadClient,
        "unauthorized_client" if description.to_ascii_lowercase().contains("secret") => OAuthError::BadClient,
        "access_denied" => OAuthError::Denied,
        "slow_down" | "temporarily_unavailable" | "server_error" => OAuthError::Temporary,
        "unauthorized_client"
        | "invalid_grant"
        | "bad_verification_code"
        | "bad_refresh_token"
        | "redirect_uri_mismatch"
        | "incorrect_grant"
        | "invalid_request" => OAuthError::BadGrant,
        _ => OAuthError::Forge(ForgeError::Protocol("its token endpoint cannot be understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_errors_are_those_of_the_forges() {
        for (error, description, class) in [
            ("invalid_client", "", OAuthError::BadClient),
            (
                "incorrect_client_credentials",
                "The client_id and/or client_secret passed are incorrect.",
                OAuthError::BadClient,
            ),
            ("unauthorized_client", "invalid client secret", OAuthError::BadClient),
            ("unauthorized_client", "client is not authorized", OAuthError::BadGrant),
            ("bad_verification_code", "The code passed is incorrect or expired.", OAuthError::BadGrant),
            ("invalid_grant", "", OAuthError::BadGrant),
            ("access_denied", "", OAuthError::Denied),
            ("slow_down", "", OAuthError::Temporary),
        ] {
            assert_eq!(classify(error, description), class, "{error} {description}");
        }
        assert!(matches!(classify("<script>", "canary"), OAuthError::Forge(ForgeError::Protocol(_))));
    }

    /// The example of RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_the_standards() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let verifier = Verifier(Secret::parse("verifier", verifier).unwrap());
        assert_eq!(verifier.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(Verifier::fresh().unwrap().secret().expose().len(), 43);
    }
}
