//! Page tokens: opaque, authenticated, and good for one list of one caller only.
//!
//! `base64url(key_id(4) || nonce(12) || AES-256-GCM(expiry(8) || last key(16)) || tag(16))`; the associated
//! data binds the token to method, organization, principal and filter, so that a token never moves a list
//! that it was not made by. They appear in access logs and are no secret.
use std::{collections::BTreeMap, time::Duration};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::{
    at_rest::Keyring,
    clock::Instant,
    domain::{
        access::Caller,
        page::{After, Page, PageRequest, PageSize},
    },
    error::{Error, Result},
    seal::random,
};

const PURPOSE: &str = "page-token/v1";
const LIFE: Duration = Duration::from_hours(24);
const KEY_ID: usize = 4;
const NONCE: usize = 12;
const PLAIN: usize = 8 + 16;
const TAG: usize = 16;
const LENGTH: usize = KEY_ID + NONCE + PLAIN + TAG;

/// What a list request says about paging.
#[derive(Clone, Debug, Default)]
pub struct PageAsk {
    /// 0 to 100; 0 means 25.
    pub size: i32,
    /// Empty for the first page.
    pub token: String,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// The token of the next page; empty on the last.
    pub next_token: String,
}

/// Which list a token belongs to, besides its caller.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    /// The list's name.
    pub name: &'static str,
    /// What it is narrowed to: every element of the filter, in order.
    pub filter: &'a [String],
}

/// Makes and reads page tokens.
pub(super) struct PageTokens {
    active: u32,
    keys: BTreeMap<u32, LessSafeKey>,
}

impl PageTokens {
    pub(super) fn new(keyring: &Keyring) -> Result<Self> {
        let mut keys = BTreeMap::new();
        for id in keyring.ids() {
            if let Some(derived) = keyring.derive_from(id, PURPOSE) {
                let key = UnboundKey::new(&AES_256_GCM, &*derived.key).map_err(Error::internal)?;
                keys.insert(id, LessSafeKey::new(key));
            }
        }
        Ok(Self { active: keyring.active_id(), keys })
    }

    /// Reads what a request says about paging.
    pub(super) fn read(
        &self,
        caller: &Caller,
        list: List<'_>,
        ask: &PageAsk,
        now: Instant,
    ) -> Result<PageRequest> {
        let size = PageSize::parse(ask.size)?;
        if ask.token.is_empty() {
            return Ok(PageRequest { size, after: After::START });
        }
        let invalid = || Error::invalid("pagination.token", "sealink.page_token", "invalid pagination token");
        let after = self.open(&binding(caller, list), &ask.token, now).ok_or_else(invalid)?;
        Ok(PageRequest { size, after })
    }

    /// A page as the caller gets it.
    pub(super) fn write<T>(
        &self,
        caller: &Caller,
        list: List<'_>,
        page: Page<T>,
        now: Instant,
    ) -> Result<Listing<T>> {
        let next_token = match page.next {
            None => String::new(),
            Some(after) => self.seal(&binding(caller, list), after, now.plus(LIFE))?,
        };
        Ok(Listing { rows: page.rows, next_token })
    }

    fn seal(&self, binding: &[u8], after: After, expiry: Instant) -> Result<String> {
        let key = self.keys.get(&self.active).ok_or_else(|| Error::internal("no active page key"))?;
        let nonce = *random::bytes::<NONCE>()?;
        let mut sealed = Vec::with_capacity(LENGTH);
        sealed.extend_from_slice(&expiry.0.to_be_bytes());
        sealed.extend_from_slice(after.0.as_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(binding), &mut sealed)
            .map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode([&self.active.to_be_bytes()[..], &nonce, &sealed].concat()))
    }

    fn open(&self, binding: &[u8], token: &str, now: Instant) -> Option<After> {
        if token.len() > LENGTH * 2 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|bytes| bytes.len() == LENGTH)?;
        let (key_id, rest) = bytes.split_first_chunk::<KEY_ID>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        let key = self.keys.get(&u32::from_be_bytes(*key_id))?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key.open_in_place(nonce, Aad::from(binding), &mut sealed).ok()?;
        let (expiry, after) = plain.split_first_chunk::<8>()?;
        (i64::from_be_bytes(*expiry) > now.0).then_some(After(Uuid::from_slice(after).ok()?))
    }
}

/// Everything the token is bound to, as one unambiguous string of bytes.
fn binding(caller: &Caller, list: List<'_>) -> Vec<u8> {
    let principal = caller.principal.id();
    let mut filter = digest::Context::new(&digest::SHA256);
    for element in list.filter {
        filter.update(&(element.len() as u64).to_be_bytes());
        filter.update(element.as_bytes());
    }
    let name = list.name.as_bytes();
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&length, name, caller.organization.0.as_bytes(), principal.as_bytes(), filter.finish().as_ref()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::Principal;
    use crate::{
        at_rest::{KeyringRow, RootKey, SeedState},
        domain::{
            id::{OrganizationId, UserId},
            token::TokenId,
            user::Role,
        },
    };

    fn tokens() -> PageTokens {
        let directory = tempfile::tempdir().expect("a directory");
        let root = RootKey::create(&directory.path().join("root.key")).expect("a root key");
        let row = KeyringRow::generate(&root, 1, SeedState::Active).expect("a seed");
        PageTokens::new(&Keyring::unlock(&root, &[row]).expect("a keyring")).expect("page tokens")
    }

    fn caller() -> Caller {
        Caller {
            organization: OrganizationId(Uuid::from_u128(1)),
            principal: Principal::User { id: UserId(Uuid::from_u128(2)), role: Role::Admin },
            read_only: false,
            token: TokenId("0".repeat(12)),
            once: None,
        }
    }

    const LIST: List<'static> = List { name: "things", filter: &[] };

    fn second_page(tokens: &PageTokens, now: Instant) -> PageAsk {
        let page = Page { rows: vec![()], next: Some(After(Uuid::from_u128(3))) };
        let listing = tokens.write(&caller(), LIST, page, now).expect("a page");
        PageAsk { size: 1, token: listing.next_token }
    }

    #[test]
    fn a14_a_token_lives_for_a_day() {
        let (tokens, made) = (tokens(), Instant(0));
        let ask = second_page(&tokens, made);
        let last = Instant(made.plus(LIFE).0 - 1);
        let after = tokens.read(&caller(), LIST, &ask, last).expect("still good").after;
        assert_eq!(after, After(Uuid::from_u128(3)));
        let expired = tokens.read(&caller(), LIST, &ask, made.plus(LIFE)).expect_err("expired");
        assert_eq!(expired.kind(), crate::error::Kind::Invalid);
    }

    #[test]
    fn a14_a_token_of_another_keyring_or_version_is_refused() {
        let ask = second_page(&tokens(), Instant(0));
        assert!(tokens().read(&caller(), LIST, &ask, Instant(0)).is_err());
        let shorter = PageAsk { token: ask.token[..ask.token.len() - 4].to_owned(), ..ask };
        assert!(tokens().read(&caller(), LIST, &shorter, Instant(0)).is_err());
    }
}
