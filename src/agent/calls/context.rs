//! What a URL points at: grammar first, then the forge for what only it can tell.
use super::{Desk, Failure, Opened, Result};
use crate::{
    agent::forge::{Credential, Forge, ForgeError, PullRequest, PullState, Repository, Slug},
    domain::context_url::{ContextUrl, NotAPlace, RevisionKind, Site, Target},
    domain::scm::Scm,
    pb::{
        gitpod::v1::{
            ParseContextUrlResponse, PullRequest as PublicRequest,
            parse_context_url_response::{GitContext, Issue, PullRequest as OlderRequest},
            pull_request,
        },
        sealink::v1::{ConfiguredIntegration, ParseContextUrlCall, ParseContextUrlResult},
    },
};

const CALL: &str = "ParseContextURL";
const NO_REVISION: Failure = Failure::not_found("the repository has no such branch, tag or commit");

/// A repository at its forge, ready to be asked about.
struct Place<'a> {
    origin: String,
    site: &'a Site,
    forge: &'a dyn Forge,
    credential: Credential<'a>,
    /// As the forge spells it now.
    repository: ContextUrl,
    found: Repository,
}

impl Desk {
    pub(super) async fn parse_context_url(&self, call: ParseContextUrlCall) -> Result<ParseContextUrlResult> {
        let url = call.request.map(|request| request.context_url).unwrap_or_default();
        let (integration, site, context) = self.locate(&url)?;
        let mut response = if matches!(site.scm(), Scm::GitHub | Scm::GitLab | Scm::Gitea | Scm::Forgejo) {
            let opened = self.credential(call.caller.as_ref(), &integration)?;
            let asked = self.ask_forge(&integration, &site, context, &opened).await;
            asked.map_err(|failure| failure.at(&integration))?
        } else {
            by_grammar(&self.origin(&integration), &context)
        };
        response.original_context_url = url;
        response.scm_id = integration.scm_id;
        Ok(ParseContextUrlResult { response: Some(response) })
    }

    /// Which integration a URL belongs to, and what its grammar says.
    pub(super) fn locate(&self, url: &str) -> Result<(ConfiguredIntegration, Site, ContextUrl)> {
        let configuration = self.configuration();
        for integration in configuration.integrations() {
            let Ok(site) = super::site(integration) else { continue };
            match site.parse(url) {
                Ok(context) => return Ok((integration.clone(), site, context)),
                Err(NotAPlace::OtherHost) => {}
                // Either no URL at all, or one of this very host.
                Err(NotAPlace::Invalid(message)) => return Err(Failure::invalid(message)),
            }
        }
        Err(Failure::invalid("value must be a URL at a host that the runner has an integration for"))
    }

    async fn ask_forge(
        &self,
        integration: &ConfiguredIntegration,
        site: &Site,
        context: ContextUrl,
        opened: &Opened,
    ) -> Result<ParseContextUrlResponse> {
        let (_, forge) = self.forge(integration, CALL)?;
        let credential = opened.credential()?;
        let slug = Slug { owner: &context.owner, name: &context.repo };
        let found = forge.repository(credential, slug).await?;
        let repository = respell(site, &found.full_name)?;
        let place =
            Place { origin: self.origin(integration), site, forge: &*forge, credential, repository, found };
        match context.target {
            Target::Repository => Ok(place.git(place.found.default_branch.clone(), None)),
            Target::Commit(sha) => {
                let sha = place.forge.commit(credential, place.slug(), &sha).await.map_err(no_revision)?;
                Ok(with(place.context(), |git| git.commit = sha))
            }
            Target::Revision(revision) => place.revision(&revision).await,
            Target::PullRequest(number) => place.request(number).await,
            Target::Issue(number) => {
                let issue = place.forge.issue(credential, place.slug(), number).await?;
                let mut response = place.git(place.found.default_branch.clone(), None);
                response.issue = Some(Issue { id: issue.number.to_string(), title: issue.title });
                Ok(response)
            }
        }
    }
}

impl Place<'_> {
    fn slug(&self) -> Slug<'_> {
        Slug { owner: &self.repository.owner, name: &self.repository.repo }
    }

    fn context(&self) -> ParseContextUrlResponse {
        self.git(None, None)
    }

    fn git(&self, branch: Option<String>, tag: Option<String>) -> ParseContextUrlResponse {
        let mut git = git_context(&self.origin, &self.repository);
        git.branch = branch.unwrap_or_default();
        git.tag = tag.unwrap_or_default();
        let parent = self.found.parent.as_deref().and_then(|parent| respell(self.site, parent).ok());
        git.upstream_remote_url = parent.map(|parent| clone_url(&self.origin, &parent)).unwrap_or_default();
        ParseContextUrlResponse { git: Some(git), ..Default::default() }
    }

    async fn revision(
        &self,
        revision: &crate::domain::context_url::Revision,
    ) -> Result<ParseContextUrlResponse> {
        for name in revision.candidates() {
            let found = self.forge.resolve(self.credential, self.slug(), revision.kind, name).await?;
            match found {
                Some(found) if found.kind == RevisionKind::Tag => return Ok(self.git(None, Some(found.name))),
                Some(found) => return Ok(self.git(Some(found.name), None)),
                None => {}
            }
        }
        // What is neither branch nor tag may be a commit, abbreviated.
        let first = revision.candidates().next().unwrap_or_default();
        let digits = first.len() >= 7 && first.bytes().all(|byte| byte.is_ascii_hexdigit());
        if revision.kind != RevisionKind::Any || !digits {
            return Err(NO_REVISION);
        }
        let sha = self.forge.commit(self.credential, self.slug(), first).await.map_err(no_revision)?;
        Ok(with(self.context(), |git| git.commit = sha))
    }

    #[expect(deprecated, reason = "older clients read `pr`")]
    async fn request(&self, number: u64) -> Result<ParseContextUrlResponse> {
        let request = self.forge.pull_request(self.credential, self.slug(), number).await?;
        let head = request.head_repository.as_deref().and_then(|head| respell(self.site, head).ok());
        let mut git = git_context(&self.origin, head.as_ref().unwrap_or(&self.repository));
        match &head {
            Some(head) => {
                git.branch.clone_from(&request.from_branch);
                if head.full_name() != self.repository.full_name() {
                    git.upstream_remote_url = clone_url(&self.origin, &self.repository);
                }
            }
            // The fork is gone: its commits are still in the repository they were offered to.
            None => git.commit.clone_from(&request.head_sha),
        }
        Ok(ParseContextUrlResponse {
            git: Some(git),
            pr: Some(OlderRequest {
                id: request.number.to_string(),
                title: request.title.clone(),
                from_branch: request.from_branch.clone(),
                to_branch: request.to_branch.clone(),
            }),
            pull_request: Some(self.public(request)),
            ..Default::default()
        })
    }

    fn public(&self, request: PullRequest) -> PublicRequest {
        let state = match request.state {
            PullState::Open => pull_request::State::Open,
            PullState::Closed => pull_request::State::Closed,
            PullState::Merged => pull_request::State::Merged,
        };
        let page = match self.site.scm() {
            Scm::GitHub => "pull",
            Scm::GitLab => "-/merge_requests",
            _ => "pulls",
        };
        let number = request.number;
        PublicRequest {
            id: number.to_string(),
            title: request.title,
            from_branch: request.from_branch,
            to_branch: request.to_branch,
            url: format!("{}/{}/{page}/{number}", self.origin, self.repository.full_name()),
            author: request.author,
            repository: Some(pull_request::Repository {
                clone_url: clone_url(&self.origin, &self.repository),
                host: self.repository.host.clone(),
                owner: self.repository.owner.clone(),
                name: self.repository.repo.clone(),
            }),
            draft: request.draft,
            state: state.into(),
            head_sha: request.head_sha,
        }
    }
}

fn no_revision(error: ForgeError) -> Failure {
    if error == ForgeError::NotFound { NO_REVISION } else { error.into() }
}

fn with(
    mut response: ParseContextUrlResponse,
    change: impl FnOnce(&mut GitContext),
) -> ParseContextUrlResponse {
    change(response.git.get_or_insert_default());
    response
}

fn clone_url(origin: &str, context: &ContextUrl) -> String {
    format!("{origin}{}", context.clone_path())
}

fn git_context(origin: &str, context: &ContextUrl) -> GitContext {
    GitContext {
        clone_url: clone_url(origin, context),
        host: context.host.clone(),
        owner: context.owner.clone(),
        repo: context.repo.clone(),
        ..Default::default()
    }
}

/// A name that a forge sent goes through the grammar as one that a person typed.
fn respell(site: &Site, full_name: &str) -> Result<ContextUrl> {
    let url = format!("https://{}/{full_name}", site.authority());
    site.parse(&url).map_err(|_| ForgeError::Protocol("it names a repository as none can be named").into())
}

/// For forges whose URLs say enough: where a name may end in several places, at the first.
#[expect(deprecated, reason = "older clients read `pr`")]
fn by_grammar(origin: &str, context: &ContextUrl) -> ParseContextUrlResponse {
    let mut git = git_context(origin, context);
    let mut response = ParseContextUrlResponse::default();
    match &context.target {
        Target::Repository => {}
        Target::Commit(sha) => git.commit.clone_from(sha),
        Target::Revision(revision) => {
            let name = revision.candidates().next().unwrap_or_default().to_owned();
            if revision.kind == RevisionKind::Tag { git.tag = name } else { git.branch = name }
        }
        Target::PullRequest(number) => {
            let id = number.to_string();
            response.pr = Some(OlderRequest { id: id.clone(), ..Default::default() });
            let repository = pull_request::Repository {
                clone_url: clone_url(origin, context),
                host: context.host.clone(),
                owner: context.owner.clone(),
                name: context.repo.clone(),
            };
            response.pull_request =
                Some(PublicRequest { id, repository: Some(repository), ..Default::default() });
        }
        Target::Issue(number) => {
            response.issue = Some(Issue { id: number.to_string(), title: String::new() });
        }
    }
    response.git = Some(git);
    response
}
