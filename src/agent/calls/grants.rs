//! What forges gave for refresh tokens, until the server has it.
//!
//! Several forges end a refresh token with its use. If the answer is lost on its way, the same question comes again,
//! and only who kept the answer can give it: the forge cannot. It is kept in memory alone, and for [`KEPT`].
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use crate::{
    agent::forge::oauth::Grant,
    clock::Instant,
    domain::{host_token_refresh::KEPT, secret::Secret},
};

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
    /// When nobody counts on it any more.
    until: Instant,
}

impl Grants {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are kept at `now`; the others are gone.
    fn at(&self, now: Instant) -> MutexGuard<'_, HashMap<String, Kept>> {
        let mut all = self.all();
        all.retain(|_, kept| kept.until > now);
        all
    }

    /// What a forge gave for this refresh token of a host token. Who is asked for it may be asked again.
    pub(super) fn of(&self, token_id: &str, refresh: &Secret, now: Instant) -> Option<Arc<Received>> {
        let mut all = self.at(now);
        let kept = all.get_mut(token_id).filter(|kept| kept.spent == spent(refresh))?;
        kept.until = now.plus(KEPT);
        Some(Arc::clone(&kept.received))
    }

    /// Keeps what a forge gave.
    pub(super) fn keep(&self, token_id: &str, refresh: &Secret, received: Received) -> Arc<Received> {
        let (now, received) = (received.at, Arc::new(received));
        let kept = Kept { spent: spent(refresh), received: Arc::clone(&received), until: now.plus(KEPT) };
        self.at(now).insert(token_id.to_owned(), kept);
        received
    }

    /// Whether something is kept for a host token.
    pub(super) fn has(&self, token_id: &str, now: Instant) -> bool {
        self.at(now).contains_key(token_id)
    }

    /// The server has it.
    pub(super) fn forget(&self, token_id: &str) {
        self.all().remove(token_id);
    }

    /// Wipes what nobody counts on any more.
    pub(super) fn tidy(&self, now: Instant) {
        drop(self.at(now));
    }
}

fn spent(refresh: &Secret) -> [u8; 32] {
    Sha256::digest(refresh.expose()).into()
}

#[cfg(test)]
mod tests {
    use std::{sync::Weak, time::Duration};

    use super::*;
    use crate::clock::Clock;

    fn secret(text: &str) -> Secret {
        Secret::parse("test", text.to_owned()).unwrap()
    }

    /// A clock, grants, and one of them that is kept under "token" for "canary-old-4711".
    fn kept() -> (Clock, Grants, Weak<Received>) {
        let (clock, grants) = (Clock::Manual(1_000_000.into()), Grants::default());
        let access = secret("canary-access-4712");
        let grant = Grant { access, refresh: None, scopes: Vec::new(), expires_in: None };
        let received = grants.keep("token", &secret("canary-old-4711"), Received { grant, at: clock.now() });
        (clock, grants, Arc::downgrade(&received))
    }

    #[test]
    fn a_grant_is_given_for_what_was_spent_on_it() {
        let (clock, grants, grant) = kept();
        let of = |token, refresh| grants.of(token, &secret(refresh), clock.now()).is_some();
        assert!(of("token", "canary-old-4711") && grants.has("token", clock.now()));
        assert!(!of("token", "canary-new-4713") && !of("another", "canary-old-4711"));
        grants.forget("token");
        assert!(!of("token", "canary-old-4711") && !grants.has("token", clock.now()));
        assert_eq!(grant.strong_count(), 0, "it is wiped");
    }

    #[test]
    fn a_grant_is_kept_for_a_while_after_it_was_asked_for() {
        let nearly = KEPT.checked_sub(Duration::from_secs(1)).unwrap();
        let (clock, grants, grant) = kept();
        for _ in 0..3 {
            clock.advance(nearly);
            assert!(grants.of("token", &secret("canary-old-4711"), clock.now()).is_some());
        }
        clock.advance(nearly);
        assert!(grants.has("token", clock.now()), "nobody has to ask for it");
        clock.advance(Duration::from_secs(1));
        assert!(!grants.has("token", clock.now()));
        assert_eq!(grant.strong_count(), 0);
    }

    #[test]
    fn what_nobody_counts_on_is_wiped() {
        let looks: [fn(&Grants, Instant); 3] = [
            |grants, now| assert!(grants.of("token", &secret("canary-old-4711"), now).is_none()),
            |grants, now| assert!(!grants.has("another", now)),
            Grants::tidy,
        ];
        for look in looks {
            let (clock, grants, grant) = kept();
            grants.tidy(clock.now());
            assert_eq!(grant.strong_count(), 1, "not before its time");
            clock.advance(KEPT);
            look(&grants, clock.now());
            assert_eq!(grant.strong_count(), 0);
        }
    }
}
