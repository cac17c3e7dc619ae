//! Configurations that were read lately, by the revision they were read at.
//!
//! Nothing is served stale: the query that checks a request's token says at which revision its runner is now, and every
//! change of anything in a configuration counts the revision up in its own transaction. What is kept only spares the
//! database the objects themselves.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::watch::Objects;
use crate::domain::token::TokenId;

/// How many configurations are kept, and how many objects one may have: together about 4 MiB at most.
const KEPT: usize = 64;
const OBJECTS: usize = 100;

/// What the runner of a token had, and at which revision.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The runner's revision then.
    pub(super) revision: u64,
    /// All that its agents work from.
    pub(super) objects: Arc<Objects>,
}

/// What is kept, by the token that it was asked for with.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<TokenId, Kept>>);

impl Recent {
    /// What was last read with that token.
    pub(super) fn get(&self, token: &TokenId) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// Keeps it, unless it is large. Once there are too many, all make room.
    pub(super) fn keep(&self, token: &TokenId, kept: Kept) {
        if kept.objects.count() > OBJECTS {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT && !all.contains_key(token) {
            all.clear();
        }
        all.insert(token.clone(), kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: usize) -> TokenId {
        TokenId(format!("{number:012}"))
    }

    fn kept(revision: u64) -> Kept {
        Kept { revision, objects: Arc::default() }
    }

    #[test]
    fn the_latest_is_kept() {
        let recent = Recent::default();
        recent.keep(&token(1), kept(1));
        recent.keep(&token(1), kept(2));
        assert!(recent.get(&token(1)).is_some_and(|kept| kept.revision == 2));
        assert!(recent.get(&token(2)).is_none());
    }

    #[test]
    fn no_more_than_allowed_are_kept() {
        let recent = Recent::default();
        for number in 0..10 * KEPT {
            recent.keep(&token(number), kept(1));
            assert!(recent.get(&token(number)).is_some());
        }
        assert!(recent.0.lock().is_ok_and(|all| all.len() <= KEPT));
    }
}
