//! A stream outlives the check of its token. So it hears of every revocation, and then asks whether it was its own.
use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::Service;
use crate::{
    domain::token::TokenId,
    error::{Error, Result},
    store::{Revoked, Store},
};

/// How often revoked tokens are counted while streams are open: a revocation is to work within five seconds.
const POLL: Duration = Duration::from_secs(2);

/// Tells streams that tokens were revoked. One query serves all of them.
#[derive(Debug, Default)]
pub(super) struct Revocations(watch::Sender<Revoked>);

impl Service {
    /// Looks for revocations, here and by other servers.
    pub(super) async fn follow_revocations(&self) {
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.revocations.0.receiver_count() == 0 {
                continue;
            }
            match self.store.revoked().await {
                Ok(revoked) => {
                    let differs = |known: &mut Revoked| std::mem::replace(known, revoked) != revoked;
                    self.revocations.0.send_if_modified(differs);
                }
                Err(error) => tracing::debug!(%error, "revocations cannot be followed"),
            }
        }
    }

    /// What watches over the token of a stream.
    pub(super) fn watch_token(&self, token: TokenId) -> TokenWatch {
        TokenWatch { store: Arc::clone(&self.store), token, revoked: self.revocations.0.subscribe() }
    }
}

/// Watches over one token.
pub(super) struct TokenWatch {
    store: Arc<Store>,
    token: TokenId,
    revoked: watch::Receiver<Revoked>,
}

impl TokenWatch {
    /// Completes when some token was revoked: it may be this one. Nothing is lost if the wait is given up.
    pub(super) async fn stirred(&mut self) {
        if self.revoked.changed().await.is_err() {
            // The server has stopped looking.
            std::future::pending::<()>().await;
        }
    }

    /// # Errors
    /// [`Kind::Unauthenticated`](crate::error::Kind::Unauthenticated) if the token was revoked, or its owner is gone.
    pub(super) async fn require(&self) -> Result<()> {
        let token = self.store.token(self.token.clone()).await?;
        if token.is_some_and(|token| token.revoked_at.is_none()) {
            Ok(())
        } else {
            Err(Error::unauthenticated())
        }
    }
}
