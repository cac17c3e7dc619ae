//! The keyring as this server knows it. Another server may change it, so it is looked at again every now and then.
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use super::{Service, Start, page_tokens::PageTokens, web_tokens::WebTokens};
use crate::{
    at_rest::{Keyring, KeyringRow, RootKey, SeedState},
    error::Result,
};

/// How often servers that share a database look at the keyring.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// The keyring, and the keys that come from it. What was begun with one is ended with it.
pub(super) struct Ring {
    pub(super) keyring: Keyring,
    pub(super) pages: PageTokens,
    pub(super) web_tokens: WebTokens,
}

/// The present ring, and what opens the next.
pub(super) struct Rings {
    root_key: RootKey,
    present: RwLock<Arc<Ring>>,
}

impl Ring {
    fn new(keyring: Keyring) -> Result<Self> {
        let (pages, web_tokens) = (PageTokens::new(&keyring)?, WebTokens::new(&keyring));
        Ok(Self { keyring, pages, web_tokens })
    }

    fn knows(&self, key_id: u32) -> bool {
        self.keyring.ids().any(|id| id == key_id)
    }
}

impl Rings {
    pub(super) fn new(root_key: RootKey, keyring: Keyring) -> Result<Self> {
        Ok(Self { root_key, present: RwLock::new(Arc::new(Ring::new(keyring)?)) })
    }

    /// A new seed, known but not yet ACTIVE.
    pub(super) fn generate(&self, key_id: u32) -> Result<KeyringRow> {
        KeyringRow::generate(&self.root_key, key_id, SeedState::DecryptOnly)
    }
}

impl Service {
    /// The present keyring, with what comes from it.
    pub(super) fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.rings.present.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, for something stored that needs the seed `key_id`: another server may just have made it.
    pub(super) async fn ring_for(&self, key_id: Option<u32>) -> Result<Arc<Ring>> {
        let ring = self.ring();
        if key_id.is_none_or(|id| ring.knows(id)) {
            return Ok(ring);
        }
        self.reload_keyring().await
    }

    /// Looks at the keyring again.
    ///
    /// # Errors
    /// Those of the database; [`Kind::DataLoss`](crate::error::Kind::DataLoss) if the root key does not open it
    /// any more: the ring that is known stays.
    pub(super) async fn reload_keyring(&self) -> Result<Arc<Ring>> {
        let ring = Arc::new(Ring::new(Start::unlock(&self.rings.root_key, self.store.seeds().await?)?)?);
        *self.rings.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&ring);
        Ok(ring)
    }

    /// Looks at the keyring again if another server has changed it.
    pub(super) async fn follow_keyring(&self) -> Result<()> {
        let (ring, mut active) = (self.ring(), None);
        let mut ids = Vec::new();
        for seed in self.store.seeds().await? {
            if seed.state == SeedState::Active.name() {
                active = Some(seed.key_id);
            }
            ids.push(seed.key_id);
        }
        let same = active == Some(ring.keyring.active_id().into());
        if !same || !ring.keyring.ids().map(i64::from).eq(ids) {
            self.reload_keyring().await?;
        }
        Ok(())
    }
}
