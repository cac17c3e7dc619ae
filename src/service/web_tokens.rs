//! What the REST API's clients trade an API token for: a JSON Web Token (RFC 7519) that is good for an hour.
//!
//! HS256 under a key of the keyring, whose number is the `kid`. It stands for the API token that it was made with
//! (`jti`), whose row is asked on every use: revoked, replaced or expired, it takes the other along.
use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::{digest, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Service,
    authentication::{caller_of, is_sent},
};
use crate::{
    at_rest::Keyring,
    clock::Instant,
    domain::{
        access::Caller,
        token::{Credential, TokenHash, TokenId, TokenKind},
    },
    error::{Error, Kind, Result},
    seal::random,
    store::StoredToken,
};

const PURPOSE: &str = "web-token/v1";
const LIFE: Duration = Duration::from_hours(1);
const ISSUER: &str = "sealink";
const ALGORITHM: &str = "HS256";
/// No token of ours is longer, in bytes.
const LONGEST: usize = 1_024;
const MICROS: i64 = 1_000_000;

/// Makes and reads web tokens.
pub(super) struct WebTokens {
    active: u32,
    keys: BTreeMap<u32, hmac::Key>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Seconds since 1970, as the standard has them.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    iat: i64,
    exp: i64,
    /// The principal, as `GET /users/self` says it.
    uuid: String,
    rnd: String,
    /// The API token.
    jti: String,
    /// Which secret that token had: one that an operator presets keeps its id when its secret is replaced.
    tkh: String,
}

impl WebTokens {
    pub(super) fn new(keyring: &Keyring) -> Self {
        let keys = keyring.ids().filter_map(|id| {
            let derived = keyring.derive_from(id, PURPOSE)?;
            Some((id, hmac::Key::new(hmac::HMAC_SHA256, &*derived.key)))
        });
        Self { keys: keys.collect(), active: keyring.active_id() }
    }

    fn sign(&self, claims: &Claims) -> Result<Zeroizing<String>> {
        let key = self.keys.get(&self.active).ok_or_else(|| Error::internal("no active web token key"))?;
        let header =
            Header { alg: ALGORITHM.to_owned(), typ: "JWT".to_owned(), kid: self.active.to_string() };
        let mut token = Zeroizing::new(format!("{}.{}", encode(&header)?, encode(claims)?));
        let tag = hmac::sign(key, token.as_bytes());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(tag));
        Ok(token)
    }

    /// The claims of a token that was made here and is still good.
    fn read(&self, token: &str, now: Instant) -> Option<Claims> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = decode(header)?;
        let key = self.keys.get(&header.kid.parse().ok()?).filter(|_| header.alg == ALGORITHM)?;
        hmac::verify(key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        decode(claims).filter(|claims: &Claims| claims.exp > now.0 / MICROS && claims.iss == ISSUER)
    }
}

fn encode(part: &impl Serialize) -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).map_err(Error::internal)?))
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Names a secret without saying anything of it: it is the hash of its hash.
fn name_of(hash: &TokenHash) -> String {
    hex::encode(&digest::digest(&digest::SHA256, hash).as_ref()[..8])
}

impl Service {
    /// Trades an API token of a person or a service account for a web token. That ends with the API token, and after
    /// an hour at the latest.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], always the same, for any other token and for one that is not good.
    pub async fn web_token(&self, credential: &Credential) -> Result<Zeroizing<String>> {
        let refused = || Error::new(Kind::Unauthenticated, "Invalid credentials");
        let now = self.now();
        let (mut stored, preset) = (self.store.token(credential.id.clone()).await?, credential.as_preset());
        if !is_sent(stored.as_ref(), credential) {
            stored = self.store.token(preset.id.clone()).await?.filter(|token| is_sent(Some(token), &preset));
        }
        let stored = stored.filter(is_exchangeable).ok_or_else(refused)?;
        let caller = caller_of(&stored, now).map_err(|_| refused())?;
        self.touch(Some(&stored));
        let end = now.plus(LIFE);
        let end = stored.expires_at.map_or(end, |own| own.min(end));
        self.ring().web_tokens.sign(&Claims {
            iss: ISSUER.to_owned(),
            iat: now.0 / MICROS,
            exp: end.0 / MICROS,
            uuid: format!("us-{}", caller.principal.id()),
            rnd: hex::encode(*random::bytes::<8>()?),
            jti: stored.id.0,
            tkh: name_of(&stored.hash),
        })
    }

    /// The caller that the bearer of a web token stands for.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], always the same.
    pub async fn authenticate_web_token(&self, token: &str) -> Result<Caller> {
        let now = self.now();
        let claims = self.ring().web_tokens.read(token, now).ok_or_else(Error::unauthenticated)?;
        let stored = self.store.token(TokenId(claims.jti)).await?;
        let stored = stored.filter(|token| is_exchangeable(token) && name_of(&token.hash) == claims.tkh);
        let stored = stored.ok_or_else(Error::unauthenticated)?;
        let caller = caller_of(&stored, now)?;
        self.touch(Some(&stored));
        Ok(caller)
    }
}

fn is_exchangeable(token: &StoredToken) -> bool {
    matches!(token.kind, TokenKind::Admin | TokenKind::Personal | TokenKind::ServiceAccount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at_rest::{KeyringRow, RootKey, SeedState};

    fn tokens() -> WebTokens {
        let directory = tempfile::tempdir().expect("a directory");
        let root = RootKey::create(&directory.path().join("root.key")).expect("a root key");
        let row = KeyringRow::generate(&root, 1, SeedState::Active).expect("a seed");
        WebTokens::new(&Keyring::unlock(&root, &[row]).expect("a keyring"))
    }

    fn claims(exp: i64) -> Claims {
        let text = |text: &str| text.to_owned();
        let (iss, uuid, rnd) = (text(ISSUER), text("us-1"), text("00"));
        Claims { iss, iat: 0, exp, uuid, rnd, jti: text("abc"), tkh: text("11") }
    }

    #[test]
    fn what_was_signed_is_read_until_it_expires() {
        let tokens = tokens();
        let token = tokens.sign(&claims(100)).unwrap();
        assert_eq!(tokens.read(&token, Instant(99_999_999)).unwrap().jti, "abc");
        assert!(tokens.read(&token, Instant(100_000_000)).is_none());
        assert!(super::tests::tokens().read(&token, Instant(0)).is_none(), "of another keyring");
    }

    #[test]
    fn nothing_else_passes() {
        let tokens = tokens();
        let token = tokens.sign(&claims(100)).unwrap();
        for at in 0..token.len() {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(tokens.read(&text, Instant(0)).is_none(), "letter {at}");
        }
        let (_, rest) = token.split_once('.').unwrap();
        for header in [r#"{"alg":"none","typ":"JWT","kid":"1"}"#, r#"{"alg":"HS256","typ":"JWT","kid":"2"}"#]
        {
            let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            assert!(tokens.read(&forged, Instant(0)).is_none(), "{header}");
        }
        let unsigned = token.rsplit_once('.').unwrap().0;
        for wrong in ["", ".", "..", unsigned, &format!("{unsigned}."), &token[..token.len() - 1]] {
            assert!(tokens.read(wrong, Instant(0)).is_none(), "{wrong}");
        }
    }
}
