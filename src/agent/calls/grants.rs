//! What forges gave for refresh tokens, until the server has it.
//!
//! Several forges end a refresh token with its use. If the answer is lost on its way, the same question comes again,
//! and only who kept the answer can give it: the forge cannot.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};

use crate::{agent::forge::oauth::Grant, clock::Instant, domain::secret::Secret};

/// How long an answer is kept: longer than the server rests between two tries.
const KEPT: Duration = Duration::from_hours(2);

/// A grant, and when it came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) grant: Grant,
    pub(super) at: Instant,
}

/// One for each host token at most.
#[derive(Debug, Default)]
pub(super) struct Grants(Mutex<HashMap<String, Kept>>);

#[derive(Debug)]
struct Kept {
    /// SHA-256 of the refresh token it was given for.
    spent: [u8; 32],
    received: Arc<Received>,
}

impl Grants {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a forge gave for this refresh token of a host token.
    pub(super) fn of(&self, token_id: &str, refresh: &Secret) -> Option<Arc<Received>> {
        let all = self.all();
        let kept = all.get(token_id).filter(|kept| kept.spent == spent(refresh))?;
        Some(Arc::clone(&kept.received))
    }

    /// Keeps what a forge gave.
    pub(super) fn keep(&self, token_id: &str, refresh: &Secret, received: Received) -> Arc<Received> {
        let (mut all, now, received) = (self.all(), received.at, Arc::new(received));
        all.retain(|_, kept| kept.received.at.plus(KEPT) > now);
        let kept = Kept { spent: spent(refresh), received: Arc::clone(&received) };
        all.insert(token_id.to_owned(), kept);
        received
    }

    /// Whether something is kept for a host token.
    pub(super) fn has(&self, token_id: &str) -> bool {
        self.all().contains_key(token_id)
    }

    /// The server has it.
    pub(super) fn forget(&self, token_id: &str) {
        self.all().remove(token_id);
    }
}

fn spent(refresh: &Secret) -> [u8; 32] {
    Sha256::digest(refresh.expose()).into()
}
