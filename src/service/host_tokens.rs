//! Host tokens: users' credentials at forges. What arrives in clear is sealed before it is stored.
use super::{Listing, PageAsk, Service, page_tokens::List, retry::until_settled};
use crate::{
    domain::{
        access::{Caller, Visible},
        host_token::{Draft, HostToken, HostTokenFilter, HostTokenPatch, Subject, SubjectKind, check_scopes},
        id::{HostTokenId, RunnerId, UserId},
        page::{Page, PageRequest},
        runner::Runner,
        runner_policy::RunnerRole,
        secret::{Secret, SecretPatch},
    },
    error::{Error, Kind, Result},
    seal::{Field, Place},
    store::{HostTokenUpdate, NewHostTokenRow, NewSecret, SecretChange},
};

const LIST: &str = "host_tokens";

impl Service {
    /// Stores a subject's credential for a runner and host.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Forbidden`] for the runner; [`Kind::Invalid`] for the draft;
    /// [`Kind::Forbidden`] and [`Kind::NotFound`] for the subject; [`Kind::NotFound`] for the named
    /// integration; [`Kind::Precondition`] without a key to seal with, or if that integration does not fit;
    /// [`Kind::AlreadyExists`] if the subject has one for that host.
    pub async fn create_host_token(&self, caller: &Caller, draft: Draft) -> Result<HostToken> {
        if let Some(id) = caller.repeats()? {
            return self.host_token(caller, HostTokenId(id)).await;
        }
        let (id, integration, expires_at) = (draft.runner, draft.integration, draft.expires_at);
        let facts = self.use_runner(caller, id).await?;
        let role = self.role_on(caller, &facts).await?;
        let subject = draft.subject.resolve(caller)?;
        if !subject.is(caller) && role == RunnerRole::User {
            return Err(Error::new(
                Kind::Forbidden,
                "you may store only a token of your own for this runner",
            ));
        }
        self.require_subject(caller, subject).await?;
        let new = draft.accept(&self.allowed_origins)?;
        if let Some(integration) = integration {
            let found = self.integration(caller, integration).await?;
            if found.runner != id {
                return Err(Error::not_found("SCM integration"));
            }
        }
        let now = self.now();
        let token = HostToken {
            id: HostTokenId(self.clock.new_id()),
            runner: id,
            host: new.host,
            subject,
            source: new.source,
            integration,
            scopes: new.scopes,
            expires_at,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        // A conflict: the key was replaced between the look-up and the commit.
        until_settled(|| async {
            let runner = self.runner(caller, id).await?;
            let value = self.seal_host_token(&runner, &token, Field::HostTokenValue, &new.value)?;
            let seal = |refresh| self.seal_host_token(&runner, &token, Field::HostTokenRefresh, refresh);
            let refresh = new.refresh.as_ref().map(seal).transpose()?;
            let row = NewHostTokenRow { token: token.clone(), value, refresh };
            self.store.create_host_token(self.actor(caller), runner.creator, row).await
        })
        .await?;
        Ok(token)
    }

    /// Whose credential it is to be must be one of the organization's.
    async fn require_subject(&self, caller: &Caller, subject: Subject) -> Result<()> {
        if subject.is(caller) {
            return Ok(());
        }
        let known = match subject.kind {
            SubjectKind::User => self.store.user(caller.organization, UserId(subject.id)).await?.is_some(),
            SubjectKind::ServiceAccount => {
                let id = UserId(subject.id);
                self.store.service_account(caller.organization, id).await?.is_some()
            }
        };
        if known { Ok(()) } else { Err(Error::not_found("subject")) }
    }

    fn seal_host_token(
        &self,
        runner: &Runner,
        token: &HostToken,
        field: Field,
        secret: &Secret,
    ) -> Result<NewSecret> {
        let subject = token.subject.id.to_string();
        let place = Place {
            runner: token.runner,
            sub: token.id.0,
            field,
            a: token.host.as_str(),
            b: &subject,
            c: token.source.name(),
        };
        let sealed = self.keys.seal_for(runner, &place, secret)?;
        Ok(NewSecret { id: self.clock.new_id(), sealed })
    }

    /// What is known of one host token.
    ///
    /// # Errors
    /// [`Kind::NotFound`], the same for what never existed, what is another organization's, and what the
    /// caller has no right to.
    pub async fn host_token(&self, caller: &Caller, id: HostTokenId) -> Result<HostToken> {
        let missing = || Error::not_found("host authentication token");
        let found = self.store.host_token(caller.organization, id).await?;
        let (token, runner) = found.ok_or_else(missing)?;
        let own = token.subject.is(caller) || caller.user().is_err();
        let may = match self.role_on(caller, &runner).await {
            Ok(role) => own || role == RunnerRole::Admin,
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Forbidden) => false,
            Err(error) => return Err(error),
        };
        if may { Ok(token) } else { Err(missing()) }
    }

    /// Narrows a list of a runner's tokens to what the caller may see: everybody's, or its own. `false`: nothing.
    async fn narrow(&self, caller: &Caller, id: RunnerId, filter: &mut HostTokenFilter) -> Result<bool> {
        let runner = match self.use_runner(caller, id).await {
            Ok(runner) => runner,
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Forbidden) => return Ok(false),
            Err(error) => return Err(error),
        };
        if self.role_on(caller, &runner).await? == RunnerRole::Admin {
            return Ok(true);
        }
        let own = caller.user()?.0;
        let others = filter.subject.is_some_and(|subject| subject != own);
        filter.subject = Some(own);
        Ok(!others)
    }

    /// A page of the host tokens the caller may see, oldest first; what it may not see adds no rows.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the page.
    pub async fn host_tokens(
        &self,
        caller: &Caller,
        mut filter: HostTokenFilter,
        ask: &PageAsk,
    ) -> Result<Listing<HostToken>> {
        let fingerprint = [format!("{filter:?}")];
        let (list, now) = (List { name: LIST, filter: &fingerprint }, self.now());
        let request = self.ring().pages.read(caller, list, ask, now)?;
        let hidden = match (filter.runner, caller.visible()) {
            (Some(runner), Visible::Only(own)) => runner != own,
            (Some(runner), _) => !self.narrow(caller, runner, &mut filter).await?,
            (None, _) => false,
        };
        // Both filters name a subject: two different ones match nothing.
        let contradicts = filter.user.zip(filter.subject).is_some_and(|(user, subject)| user.0 != subject);
        let page = if hidden || contradicts {
            Page { rows: Vec::new(), next: None }
        } else {
            self.visible_host_tokens(caller, filter, request).await?
        };
        self.ring().pages.write(caller, list, page, now)
    }

    /// Those of a named runner, which the caller may see by now; else those of all its runners.
    async fn visible_host_tokens(
        &self,
        caller: &Caller,
        filter: HostTokenFilter,
        request: PageRequest,
    ) -> Result<Page<HostToken>> {
        let visible = caller.visible();
        let own = self.store.host_tokens(caller.organization, visible, filter, request);
        match (filter.runner, visible) {
            (None, Visible::CreatedBy(member)) => {
                let granted = self.store.granted_host_tokens(member, filter, request);
                let (own, granted) = tokio::try_join!(own, granted)?;
                Ok(Page::merge(vec![own, granted], request.size, |token| token.id.0))
            }
            _ => own.await,
        }
    }

    /// Changes a host token as the patch says, all of it or nothing.
    ///
    /// # Errors
    /// As [`Service::host_token`]; [`Kind::Precondition`] for a secret and no key to seal it with;
    /// [`Kind::Conflict`] if others keep changing it.
    pub async fn update_host_token(
        &self,
        caller: &Caller,
        id: HostTokenId,
        patch: &HostTokenPatch,
    ) -> Result<()> {
        let scopes = check_scopes(patch.scopes.clone())?;
        until_settled(|| async {
            let current = self.host_token(caller, id).await?;
            let Some(update) = self.decide_host_token(caller, current, patch, &scopes).await? else {
                return Ok(());
            };
            self.store.update_host_token(self.actor(caller), update).await
        })
        .await
    }

    /// What the patch makes of the token; `None` if nothing changes.
    async fn decide_host_token(
        &self,
        caller: &Caller,
        current: HostToken,
        patch: &HostTokenPatch,
        scopes: &[String],
    ) -> Result<Option<HostTokenUpdate>> {
        let expected_version = current.version;
        let (mut changed, mut value, mut refresh) = (Vec::new(), None, SecretChange::Keep);
        let mut token = HostToken { version: expected_version + 1, updated_at: self.now(), ..current };
        if patch.value.is_some() || matches!(patch.refresh, SecretPatch::Set(_)) {
            let runner = self.runner(caller, token.runner).await?;
            if let Some(secret) = &patch.value {
                changed.push("token");
                value = Some(self.seal_host_token(&runner, &token, Field::HostTokenValue, secret)?);
            }
            if let SecretPatch::Set(secret) = &patch.refresh {
                let sealed = self.seal_host_token(&runner, &token, Field::HostTokenRefresh, secret)?;
                refresh = SecretChange::Set(sealed);
            }
        }
        if matches!(patch.refresh, SecretPatch::Remove) {
            refresh = SecretChange::Remove;
        }
        if !matches!(refresh, SecretChange::Keep) {
            changed.push("refresh_token");
        }
        if patch.expires_at.is_some() && patch.expires_at != token.expires_at {
            changed.push("expires_at");
            token.expires_at = patch.expires_at;
        }
        if !scopes.is_empty() && *scopes != token.scopes {
            changed.push("scopes");
            token.scopes = scopes.to_vec();
        }
        if changed.is_empty() {
            return Ok(None);
        }
        let action = "host_token.update";
        Ok(Some(HostTokenUpdate { token, expected_version, value, refresh, renewal: false, action, changed }))
    }

    /// Deletes a host token with its ciphertexts.
    ///
    /// # Errors
    /// As [`Service::host_token`].
    pub async fn delete_host_token(&self, caller: &Caller, id: HostTokenId) -> Result<()> {
        self.host_token(caller, id).await?;
        let deleted = self.store.delete_host_token(self.actor(caller), id).await?;
        if deleted { Ok(()) } else { Err(Error::not_found("host authentication token")) }
    }
}
