//! OAuth for people: every step that needs a secret happens here, and only ciphertext leaves.
use super::{Desk, Failure, Result, grants::Received, site};
use crate::{
    agent::forge::{
        Credential,
        oauth::{App, Verifier},
    },
    domain::{id::parse_uuid, secret::Secret},
    pb::sealink::v1::{
        BeginOAuthCall, BeginOAuthResult, CompleteOAuthCall, CompleteOAuthResult, ConfiguredIntegration,
        RefreshHostTokenCall, RefreshHostTokenResult,
    },
    seal::{Field, Place},
    wkt::Timestamp,
};

const SOURCE: &str = "OAUTH";

/// A grant as it may leave the agent.
struct Sealed {
    token: Vec<u8>,
    refresh: Vec<u8>,
    kid: String,
    expires_at: Option<Timestamp>,
}

impl Desk {
    pub(super) fn begin_oauth(&self, call: &BeginOAuthCall) -> Result<BeginOAuthResult> {
        let integration = self.own(call.integration.as_ref())?;
        let app = self.app(&integration, "BeginOAuth")?;
        let verifier = Verifier::fresh().map_err(Failure::internal)?;
        let place = self.verifier_place(&call.ticket_id, &integration)?;
        let (sealed_verifier, kid) = self.seal(verifier.secret(), &place)?;
        let url = app.authorize_url(&call.redirect_uri, &call.state, &verifier);
        Ok(BeginOAuthResult { authorize_url: url.into(), sealed_verifier, kid })
    }

    pub(super) async fn complete_oauth(&self, call: CompleteOAuthCall) -> Result<CompleteOAuthResult> {
        let integration = self.own(call.integration.as_ref())?;
        let app = self.app(&integration, "CompleteOAuth")?;
        let place = self.verifier_place(&call.ticket_id, &integration)?;
        let verifier = self.open(&call.sealed_verifier, &call.kid, &place)?;
        let verifier = verifier.secret().ok_or(Failure::UNUSABLE)?;
        let client_secret = self.client_secret(&integration)?;
        let client_secret = client_secret.secret().ok_or(Failure::SECRET_UNUSABLE)?;
        let exchanged =
            app.exchange(&self.http, client_secret, &call.code, &call.redirect_uri, verifier).await;
        let grant = exchanged.map_err(|error| Failure::from(error).at(&integration))?;
        let (_, forge) = self.forge(&integration, "CompleteOAuth")?;
        let user = forge.user(Credential::OAuth(&grant.access)).await?;
        let subject = call.subject.map(|subject| subject.id).unwrap_or_default();
        let received = Received { grant, at: self.clock.now() };
        let sealed = self.seal_grant(&received, &call.token_id, &integration, &subject)?;
        let scopes = received.grant.scopes;
        let scopes = if scopes.is_empty() { user.scopes } else { scopes };
        Ok(CompleteOAuthResult {
            sealed_token: sealed.token,
            sealed_refresh_token: sealed.refresh,
            kid: sealed.kid,
            scopes,
            expires_at: sealed.expires_at,
            user_name: user.login,
        })
    }

    pub(super) async fn refresh(&self, call: RefreshHostTokenCall) -> Result<RefreshHostTokenResult> {
        let integration = self.own(call.integration.as_ref())?;
        let app = self.app(&integration, "RefreshHostToken")?;
        let subject = call.subject.map(|subject| subject.id).unwrap_or_default();
        let place = self.token_place(Field::HostTokenRefresh, &call.token_id, &integration, &subject)?;
        let refresh = self.open(&call.sealed_refresh_token, &call.kid, &place)?;
        let refresh = refresh.secret().ok_or(Failure::UNUSABLE)?;
        let received = if let Some(kept) = self.grants.of(&call.token_id, refresh, self.clock.now()) {
            kept
        } else {
            let client_secret = self.client_secret(&integration)?;
            let client_secret = client_secret.secret().ok_or(Failure::SECRET_UNUSABLE)?;
            let renewed = app.refresh(&self.http, client_secret, refresh).await;
            let grant = renewed.map_err(|error| Failure::from(error).at(&integration))?;
            self.grants.keep(&call.token_id, refresh, Received { grant, at: self.clock.now() })
        };
        let sealed = self.seal_grant(&received, &call.token_id, &integration, &subject)?;
        Ok(RefreshHostTokenResult {
            sealed_token: sealed.token,
            sealed_refresh_token: sealed.refresh,
            kid: sealed.kid,
            scopes: received.grant.scopes.clone(),
            expires_at: sealed.expires_at,
        })
    }

    pub(super) fn app<'i>(
        &self,
        integration: &'i ConfiguredIntegration,
        call: &'static str,
    ) -> Result<App<'i>> {
        if integration.client_id.is_empty() {
            return Err(Failure::NO_OAUTH);
        }
        let site = site(integration)?;
        let origin = self.http.origin(site.authority())?;
        App::new(site.scm(), origin, &integration.client_id)
            .ok_or_else(|| Failure::unsupported(call, &integration.scm_id))
    }

    fn verifier_place<'i>(&self, ticket: &str, integration: &'i ConfiguredIntegration) -> Result<Place<'i>> {
        Ok(Place {
            runner: self.runner,
            sub: parse_uuid("ticket_id", ticket).map_err(Failure::internal)?,
            field: Field::OauthVerifier,
            a: &integration.host,
            b: &integration.issuer_url,
            c: &integration.client_id,
        })
    }

    fn token_place<'i>(
        &self,
        field: Field,
        token_id: &str,
        integration: &'i ConfiguredIntegration,
        subject: &'i str,
    ) -> Result<Place<'i>> {
        let sub = parse_uuid("token_id", token_id).map_err(Failure::internal)?;
        Ok(Place { runner: self.runner, sub, field, a: &integration.host, b: subject, c: SOURCE })
    }

    fn seal_grant(
        &self,
        received: &Received,
        token_id: &str,
        integration: &ConfiguredIntegration,
        subject: &str,
    ) -> Result<Sealed> {
        let Received { grant, at } = received;
        let seal = |secret: &Secret, field| {
            self.seal(secret, &self.token_place(field, token_id, integration, subject)?)
        };
        let (token, kid) = seal(&grant.access, Field::HostTokenValue)?;
        let refresh =
            grant.refresh.as_ref().map(|refresh| seal(refresh, Field::HostTokenRefresh)).transpose()?;
        let refresh = match refresh {
            // A rotation in between: both must name one key.
            Some((_, other)) if other != kid => return Err(Failure::NO_KEY),
            Some((sealed, _)) => sealed,
            None => Vec::new(),
        };
        let expires_at = grant.expires_in.map(|lives| {
            let end = at.plus(lives).0;
            Timestamp { seconds: end.div_euclid(1_000_000), nanos: 0 }
        });
        Ok(Sealed { token, refresh, kid, expires_at })
    }
}
